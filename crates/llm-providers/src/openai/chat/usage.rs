//! What a call consumed, out of the `usage` objects of this dialect.

use llm_core::Usage;
use serde_json::Value;

use crate::Quirks;

/// Reads a `usage` object. `input_tokens` holds cached tokens already, in every provider of the dialect;
/// `output_tokens` holds reasoning tokens except where [`Quirks::reasoning_outside_output`] says otherwise.
/// `None` for anything but an object.
pub fn parse_usage(raw: Value, quirks: &Quirks) -> Option<Usage> {
    if !raw.is_object() {
        return None;
    }
    // Each count under the names that providers use for it, the dialect's own first.
    let count = |pointers: &[&str]| pointers.iter().find_map(|at| raw.pointer(at)?.as_u64());
    let reasoning = count(&[
        "/completion_tokens_details/reasoning_tokens",
        "/output_tokens_details/reasoning_tokens",
        "/reasoning_tokens",
    ]);
    let mut output = count(&["/completion_tokens", "/output_tokens"]);
    if quirks.reasoning_outside_output {
        output = output.map(|output| output.saturating_add(reasoning.unwrap_or(0)));
    }
    Some(Usage {
        input_tokens: count(&["/prompt_tokens", "/input_tokens"]),
        output_tokens: output,
        cache_read_tokens: count(&[
            "/prompt_tokens_details/cached_tokens",
            "/input_tokens_details/cached_tokens",
            "/prompt_cache_hit_tokens",
            "/cached_tokens",
            "/num_cached_tokens",
            "/cache_read_input_tokens",
        ]),
        cache_write_tokens: count(&[
            "/prompt_tokens_details/cache_write_tokens",
            "/input_tokens_details/cache_write_tokens",
            "/cache_creation_input_tokens",
        ]),
        reasoning_tokens: reasoning,
        audio_input_tokens: count(&["/prompt_tokens_details/audio_tokens"]),
        audio_output_tokens: count(&["/completion_tokens_details/audio_tokens"]),
        search_units: count(&["/num_search_queries"]),
        cost: cost(&raw),
        estimated: false,
        raw: Some(raw),
    })
}

/// In dollars: a number, an object with a total, or xAI's ticks (ten thousand million to the dollar).
fn cost(raw: &Value) -> Option<f64> {
    raw.pointer("/cost")
        .and_then(Value::as_f64)
        .or_else(|| raw.pointer("/cost/total_cost")?.as_f64())
        .or_else(|| Some(raw.pointer("/cost_in_usd_ticks")?.as_f64()? / 1e10))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_the_names_of_every_provider() {
        let parse = |raw| parse_usage(raw, &Quirks::default()).unwrap();
        let usage = parse(json!({
            "prompt_tokens": 10, "completion_tokens": 7, "total_tokens": 17,
            "prompt_tokens_details": { "cached_tokens": 4, "audio_tokens": 0 },
            "completion_tokens_details": { "reasoning_tokens": 5 },
            "cost": 0.25,
        }));
        assert_eq!((usage.input_tokens, usage.output_tokens), (Some(10), Some(7)));
        assert_eq!((usage.cache_read_tokens, usage.reasoning_tokens), (Some(4), Some(5)));
        assert_eq!(usage.cost, Some(0.25));

        assert_eq!(parse(json!({ "prompt_cache_hit_tokens": 3 })).cache_read_tokens, Some(3));
        assert_eq!(parse(json!({ "cost": { "total_cost": 0.5 } })).cost, Some(0.5));
        assert_eq!(parse(json!({ "cost_in_usd_ticks": 5_000_000_000_u64 })).cost, Some(0.5));
        assert_eq!(parse_usage(Value::Null, &Quirks::default()), None);
    }

    #[test]
    fn output_always_holds_reasoning() {
        let quirks = Quirks { reasoning_outside_output: true, ..Quirks::default() };
        let raw = json!({
            "completion_tokens": 2, "completion_tokens_details": { "reasoning_tokens": 5 },
        });
        assert_eq!(parse_usage(raw, &quirks).unwrap().output_tokens, Some(7));
    }
}

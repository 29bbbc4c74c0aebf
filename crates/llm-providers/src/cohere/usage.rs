//! What a call consumed.

use llm_core::Usage;
use serde_json::Value;

/// Reads a `usage` object (v2) or `meta` (v1, and embeddings and rerank of both).
///
/// Cohere counts twice: `tokens` is what the model read and wrote, its own preamble included, and is what the context
/// holds; `billed_units` is what is charged for. [`Usage`] tells the first where it is there, and the second otherwise;
/// [`Usage::raw`] has both. `cached_tokens` is a part of `tokens.input_tokens`, `reasoning_tokens` one of
/// `tokens.output_tokens` (in every recording). `None` for anything but an object.
pub fn parse_usage(raw: Value) -> Option<Usage> {
    if !raw.is_object() {
        return None;
    }
    let count = |path: &str| raw.pointer(path).and_then(whole_number);
    let tokens = |name: &str| {
        count(&format!("/tokens/{name}")).or_else(|| count(&format!("/billed_units/{name}")))
    };
    Some(Usage {
        input_tokens: tokens("input_tokens"),
        output_tokens: tokens("output_tokens"),
        cache_read_tokens: count("/cached_tokens"),
        reasoning_tokens: count("/tokens/reasoning_tokens"),
        search_units: count("/billed_units/search_units"),
        raw: Some(raw),
        ..Usage::default()
    })
}

/// The SDK's types say that counts are floating-point numbers.
fn whole_number(value: &Value) -> Option<u64> {
    let number = value.as_f64().filter(|number| *number >= 0.0 && number.fract() == 0.0);
    value.as_u64().or(number.map(|number| number as u64))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tokens_are_those_that_the_model_saw() {
        let usage = parse_usage(json!({
            "billed_units": { "input_tokens": 7, "output_tokens": 1 },
            "cached_tokens": 448,
            "tokens": { "input_tokens": 503.0, "output_tokens": 30, "reasoning_tokens": 20 },
        }))
        .unwrap();
        assert_eq!((usage.input_tokens, usage.output_tokens), (Some(503), Some(30)));
        assert_eq!((usage.cache_read_tokens, usage.reasoning_tokens), (Some(448), Some(20)));
        let billed = json!({ "billed_units": { "input_tokens": 9, "search_units": 1 } });
        let usage = parse_usage(billed).unwrap();
        assert_eq!((usage.input_tokens, usage.search_units), (Some(9), Some(1)));
        assert_eq!(parse_usage(json!({})).unwrap().input_tokens, None);
        assert_eq!(parse_usage(Value::Null), None);
    }
}

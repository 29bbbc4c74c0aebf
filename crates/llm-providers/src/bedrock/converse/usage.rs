//! What a call consumed.

use llm_core::Usage;
use serde_json::Value;

/// Reads a `usage` object. `inputTokens` leaves out what was read from and written to the cache (in every recording,
/// `totalTokens` is the sum of all four), so they are added here. `None` for anything but an object.
pub fn parse_usage(raw: Value) -> Option<Usage> {
    if !raw.is_object() {
        return None;
    }
    let count = |names: &[&str]| names.iter().find_map(|name| raw.get(*name)?.as_u64());
    let read = count(&["cacheReadInputTokens", "cacheReadInputTokenCount"]);
    let written = count(&["cacheWriteInputTokens", "cacheWriteInputTokenCount"]);
    let input = count(&["inputTokens"])
        .map(|input| input.saturating_add(read.unwrap_or(0)).saturating_add(written.unwrap_or(0)));
    Some(Usage {
        input_tokens: input,
        output_tokens: count(&["outputTokens"]),
        cache_read_tokens: read,
        cache_write_tokens: written,
        raw: Some(raw),
        ..Usage::default()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn input_holds_what_was_cached() {
        let raw = json!({
            "inputTokens": 3, "outputTokens": 121, "totalTokens": 2072,
            "cacheReadInputTokens": 1712, "cacheWriteInputTokens": 236,
        });
        let usage = parse_usage(raw).unwrap();
        assert_eq!((usage.input_tokens, usage.output_tokens), (Some(1951), Some(121)));
        assert_eq!((usage.cache_read_tokens, usage.cache_write_tokens), (Some(1712), Some(236)));
        assert_eq!(usage.total_tokens(), Some(2072));
        assert_eq!(parse_usage(Value::Null), None);
        assert_eq!(parse_usage(json!({ "outputTokens": 2 })).unwrap().input_tokens, None);
    }
}

//! What a call consumed, out of and into the `usage` objects of this dialect.

use llm_core::Usage;
use serde_json::{Map, Value};

/// Reads a `usage` object. Anthropic counts cached tokens beside `input_tokens`; here they are part of it, as
/// [`Usage`] says. `output_tokens` holds thinking already. `None` for anything but an object.
pub fn parse_usage(raw: Value) -> Option<Usage> {
    if !raw.is_object() {
        return None;
    }
    let count = |pointer: &str| raw.pointer(pointer).and_then(Value::as_u64);
    let (read, written) =
        (count("/cache_read_input_tokens"), count("/cache_creation_input_tokens"));
    let input = count("/input_tokens")
        .map(|fresh| fresh.saturating_add(read.unwrap_or(0)).saturating_add(written.unwrap_or(0)));
    Some(Usage {
        input_tokens: input,
        output_tokens: count("/output_tokens"),
        cache_read_tokens: read,
        cache_write_tokens: written,
        reasoning_tokens: count("/output_tokens_details/thinking_tokens"),
        raw: Some(raw),
        ..Usage::default()
    })
}

/// Puts a later report of the same call over an earlier one, field by field. Nothing is added up, since later reports are
/// totals; a `null` takes nothing back.
pub(super) fn merge(known: &mut Map<String, Value>, later: Map<String, Value>) {
    for (name, value) in later {
        if !value.is_null() || !known.contains_key(&name) {
            known.insert(name, value);
        }
    }
}

/// Writes a `usage` object. Starts from the provider's own where that is of this dialect, so that fields without a name
/// in [`Usage`] survive.
pub(super) fn usage_body(usage: &Usage) -> Value {
    let mut body = match &usage.raw {
        Some(Value::Object(raw)) if is_of_this_dialect(raw) => raw.clone(),
        _ => Map::new(),
    };
    let (read, written) = (usage.cache_read_tokens, usage.cache_write_tokens);
    let cached = read.unwrap_or(0).saturating_add(written.unwrap_or(0));
    let fresh = usage.input_tokens.unwrap_or(0).saturating_sub(cached);
    body.insert("input_tokens".into(), fresh.into());
    for (name, count) in
        [("cache_creation_input_tokens", written), ("cache_read_input_tokens", read)]
    {
        if let Some(count) = count {
            body.insert(name.into(), count.into());
        }
    }
    body.insert("output_tokens".into(), usage.output_tokens.unwrap_or(0).into());
    if let Some(thinking) = usage.reasoning_tokens {
        let details = body.entry("output_tokens_details").or_insert_with(|| Map::new().into());
        if let Some(details) = details.as_object_mut() {
            details.insert("thinking_tokens".into(), thinking.into());
        }
    }
    Value::Object(body)
}

/// OpenAI's Responses have `input_tokens` as well, but with a total.
fn is_of_this_dialect(raw: &Map<String, Value>) -> bool {
    raw.contains_key("input_tokens") && !raw.contains_key("total_tokens")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn input_holds_what_was_cached() {
        let raw = json!({
            "input_tokens": 3, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 20,
            "output_tokens": 7, "output_tokens_details": { "thinking_tokens": 4 },
            "service_tier": "standard",
        });
        let usage = parse_usage(raw.clone()).unwrap();
        assert_eq!((usage.input_tokens, usage.output_tokens), (Some(123), Some(7)));
        assert_eq!((usage.cache_read_tokens, usage.cache_write_tokens), (Some(100), Some(20)));
        assert_eq!(usage.reasoning_tokens, Some(4));
        assert_eq!(usage_body(&usage), raw, "and back");
        assert_eq!(parse_usage(Value::Null), None);
    }

    #[test]
    fn counts_of_other_dialects_are_written_as_ours() {
        let usage = Usage {
            input_tokens: Some(10),
            output_tokens: Some(2),
            cache_read_tokens: Some(4),
            raw: Some(json!({ "input_tokens": 10, "total_tokens": 12 })),
            ..Usage::default()
        };
        let expected =
            json!({ "input_tokens": 6, "cache_read_input_tokens": 4, "output_tokens": 2 });
        assert_eq!(usage_body(&usage), expected);
    }
}

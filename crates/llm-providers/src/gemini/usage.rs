//! What a call consumed, out of `usageMetadata`.

use llm_core::Usage;
use serde_json::Value;

/// Reads a `usageMetadata` object. `promptTokenCount` holds cached tokens already; what tools of the provider added to
/// the prompt, and what the model thought, are counted beside it and beside the answer, and are taken in here.
/// `None` for anything but an object.
pub fn parse_usage(raw: Value) -> Option<Usage> {
    if !raw.is_object() {
        return None;
    }
    let count = |name: &str| raw.get(name).and_then(Value::as_u64);
    let sum = |name: &str, more: &str| match (count(name), count(more)) {
        (None, None) => None,
        (count, more) => Some(count.unwrap_or(0).saturating_add(more.unwrap_or(0))),
    };
    Some(Usage {
        input_tokens: sum("promptTokenCount", "toolUsePromptTokenCount"),
        output_tokens: sum("candidatesTokenCount", "thoughtsTokenCount"),
        cache_read_tokens: count("cachedContentTokenCount"),
        reasoning_tokens: count("thoughtsTokenCount"),
        audio_input_tokens: audio(&raw, "promptTokensDetails"),
        audio_output_tokens: audio(&raw, "candidatesTokensDetails"),
        raw: Some(raw),
        ..Usage::default()
    })
}

/// Tokens of sound. Modalities are words, or the numbers of their enumeration where a client asked for those.
fn audio(raw: &Value, details: &str) -> Option<u64> {
    let is_audio = |modality: &Value| modality == "AUDIO" || modality.as_u64() == Some(4);
    let detail = raw.get(details)?.as_array()?.iter();
    let mut of_sound = detail.filter(|detail| detail.get("modality").is_some_and(is_audio));
    of_sound.next()?.get("tokenCount")?.as_u64()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn counts_by_the_convention() {
        let usage = parse_usage(json!({
            "promptTokenCount": 10, "toolUsePromptTokenCount": 5, "cachedContentTokenCount": 4,
            "candidatesTokenCount": 7, "thoughtsTokenCount": 3, "totalTokenCount": 25,
            "promptTokensDetails": [{ "modality": "AUDIO", "tokenCount": 6 }],
        }))
        .unwrap();
        assert_eq!((usage.input_tokens, usage.output_tokens), (Some(15), Some(10)));
        assert_eq!((usage.cache_read_tokens, usage.reasoning_tokens), (Some(4), Some(3)));
        assert_eq!((usage.audio_input_tokens, usage.audio_output_tokens), (Some(6), None));
        assert_eq!(usage.total_tokens(), Some(25));

        let early = parse_usage(json!({ "trafficType": "ON_DEMAND" })).unwrap();
        assert_eq!((early.input_tokens, early.output_tokens), (None, None));
        assert_eq!(parse_usage(Value::Null), None);
    }
}

//! What a chat request needs of a model, checked against what is known of it before it is asked.

use llm_core::{ChatRequest, ModelInfo, Part, ResponseFormat};

use crate::modality::text_bytes;

/// Roughly how many bytes of text a token is. Chosen low enough that a prompt which is said not to fit does not.
const BYTES_PER_TOKEN: u64 = 6;

/// Whether a model of which this is known can be expected to serve the request.
pub(crate) fn are_met(request: &ChatRequest, info: &ModelInfo) -> bool {
    let can = &info.capabilities;
    let lacks = |known: Option<bool>| known == Some(false);
    let needs_schema = matches!(request.response_format, Some(ResponseFormat::JsonSchema { .. }));
    let missing = (lacks(can.tools) && !request.tools.is_empty())
        || (lacks(can.json_schema) && needs_schema)
        || (lacks(can.image_input) && has(request, |part| matches!(part, Part::Image(_))))
        || (lacks(can.audio_input) && has(request, |part| matches!(part, Part::Audio(_))))
        || (lacks(can.file_input) && has(request, |part| matches!(part, Part::File(_))));
    !missing && holds(request, info)
}

/// Whether the prompt fits into the context, by a count that is on the low side.
fn holds(request: &ChatRequest, info: &ModelInfo) -> bool {
    let Some(context) = info.limits.context_tokens else {
        return true;
    };
    let bytes: usize = parts(request).map(text_bytes).sum();
    bytes as u64 / BYTES_PER_TOKEN <= u64::from(context)
}

fn has(request: &ChatRequest, is_such: impl Fn(&Part) -> bool) -> bool {
    parts(request).any(is_such)
}

fn parts(request: &ChatRequest) -> impl Iterator<Item = &Part> {
    request.messages.iter().flat_map(|message| &message.parts)
}

#[cfg(test)]
mod tests {
    use llm_core::{Media, MediaSource, Message, ModelKind, ModelName, Role, Tool};

    use super::*;

    #[test]
    fn only_what_is_known_to_be_missing_is_a_hindrance() {
        let plain = ChatRequest::new(vec![Message::user("0123456789".repeat(6))]);
        let tool = Tool::function("now", "The time.", serde_json::json!({}));
        let with_tools = ChatRequest { tools: vec![tool], ..plain.clone() };
        let picture = Part::Image(Media::new(MediaSource::Url("https://a.example/b.png".into())));
        let with_picture = ChatRequest::new(vec![Message::new(Role::User, vec![picture])]);
        let unknown = ModelInfo::new(ModelName::new("a", "b"), ModelKind::Chat);
        let mut simple = unknown.clone();
        simple.capabilities.tools = Some(false);
        simple.capabilities.image_input = Some(false);
        let mut small = unknown.clone();
        small.limits.context_tokens = Some(9);
        let mut large = unknown.clone();
        large.limits.context_tokens = Some(10);
        for (request, info, expected) in [
            (&plain, &unknown, true),
            (&plain, &simple, true),
            (&with_tools, &unknown, true),
            (&with_tools, &simple, false),
            (&with_picture, &unknown, true),
            (&with_picture, &simple, false),
            (&plain, &small, false),
            (&plain, &large, true),
        ] {
            assert_eq!(are_met(request, info), expected, "{request:?} {info:?}");
        }
    }
}

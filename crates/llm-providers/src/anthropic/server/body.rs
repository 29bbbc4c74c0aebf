//! Whole answers as bodies of this dialect, and the pieces that events share with them.

use llm_core::{
    Annotation, ChatResponse, Choice, Extra, FinishReason, Part, Reasoning, TextPart, ToolCall,
};
use serde_json::{Map, Value, json};

use super::ReplyHead;
use crate::anthropic::DIALECT;
use crate::anthropic::usage::usage_body;

/// The body of an answer in one piece (`type: message`). The dialect knows one choice; only the first is written.
///
/// Blocks of this dialect, thinking with its signature and citations go out as they came; sound and pictures, which have
/// no block here, are left out. Warnings stand at the top, as do fields of the whole answer without a name.
pub fn message_body(response: &ChatResponse, head: &ReplyHead) -> Value {
    let choice = response.choices.first();
    let content: Vec<Value> =
        choice.into_iter().flat_map(|choice| &choice.message.parts).filter_map(block).collect();
    let mut body = message_head(head);
    body.insert("content".into(), content.into());
    let reason =
        choice.map(|choice: &Choice| stop_reason(choice.finish, choice.raw_finish.as_deref()));
    body.insert("stop_reason".into(), reason.into());
    body.insert("stop_sequence".into(), Value::Null);
    body.insert("usage".into(), usage_body(&response.usage));
    extend(&mut body, response.extra.clone());
    if !response.warnings.is_empty() {
        body.insert("warnings".into(), json!(response.warnings));
    }
    Value::Object(body)
}

/// The fields that a message begins with.
pub(super) fn message_head(head: &ReplyHead) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("id".into(), head.id.clone().into());
    body.insert("type".into(), "message".into());
    body.insert("role".into(), "assistant".into());
    body.insert("model".into(), head.model.clone().into());
    body
}

/// Adds fields of the whole answer without replacing what stands there, except a null.
pub(super) fn extend(body: &mut Map<String, Value>, fields: Extra) {
    for (name, value) in fields {
        if body.get(&name).is_none_or(Value::is_null) {
            body.insert(name, value);
        }
    }
}

/// The dialect's word for why an answer ended: the provider's own where it is of this dialect.
pub(super) fn stop_reason(reason: FinishReason, raw: Option<&str>) -> &'static str {
    const WORDS: [&str; 8] = [
        "end_turn",
        "max_tokens",
        "stop_sequence",
        "tool_use",
        "pause_turn",
        "refusal",
        "compaction",
        "model_context_window_exceeded",
    ];
    if let Some(word) = WORDS.into_iter().find(|word| raw == Some(word)) {
        return word;
    }
    match reason {
        FinishReason::Length => "max_tokens",
        FinishReason::ToolCalls => "tool_use",
        FinishReason::ContentFilter | FinishReason::Refusal => "refusal",
        FinishReason::Paused => "pause_turn",
        _ => "end_turn",
    }
}

fn block(part: &Part) -> Option<Value> {
    match part {
        Part::Text(part) | Part::Refusal(part) => text_block(part),
        Part::Reasoning(block) => Some(reasoning_block(block)),
        Part::ToolCall(call) => Some(tool_use_block(call)),
        Part::Other { dialect, value } if dialect == DIALECT => Some(value.clone()),
        _ => None,
    }
}

fn text_block(part: &TextPart) -> Option<Value> {
    if part.text.is_empty() {
        return None;
    }
    let mut block = json!({ "type": "text", "text": part.text });
    let citations: Vec<Value> = part.annotations.iter().filter_map(citation).collect();
    if let (false, Some(fields)) = (citations.is_empty(), block.as_object_mut()) {
        fields.insert("citations".into(), citations.into());
    }
    Some(block)
}

fn reasoning_block(block: &Reasoning) -> Value {
    match &block.redacted {
        Some(data) => json!({ "type": "redacted_thinking", "data": data }),
        None => json!({
            "type": "thinking",
            "thinking": block.text,
            "signature": block.signature.as_deref().unwrap_or_default(),
        }),
    }
}

fn tool_use_block(call: &ToolCall) -> Value {
    let input = match call.parsed_arguments() {
        Ok(input @ Value::Object(_)) => input,
        _ => json!({ "arguments": call.arguments }),
    };
    let mut block = json!({ "type": "tool_use", "id": call.id, "name": call.name, "input": input });
    if let Some(fields) = block.as_object_mut() {
        extend(fields, call.extra.clone());
    }
    block
}

/// A source as a citation of this dialect; `None` for what has no form here.
pub(super) fn citation(annotation: &Annotation) -> Option<Value> {
    match annotation {
        Annotation::Other { value } => {
            value.get("type")?.as_str()?.ends_with("_location").then(|| value.clone())
        }
        Annotation::UrlCitation { url, title, .. } => Some(json!({
            "type": "web_search_result_location",
            "url": url,
            "title": title,
            "cited_text": "",
            "encrypted_index": "",
        })),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anthropic::MessageDecoder;
    use llm_core::ChatFold;

    #[test]
    fn a_message_survives_the_way_through() {
        let body = json!({
            "id": "msg_1", "type": "message", "role": "assistant", "model": "m",
            "content": [
                { "type": "thinking", "thinking": "hm", "signature": "sig" },
                { "type": "redacted_thinking", "data": "sealed" },
                { "type": "text", "text": "a" },
                { "type": "text", "text": "b",
                  "citations": [{ "type": "char_location", "cited_text": "d" }] },
                { "type": "server_tool_use", "id": "s", "name": "web_search", "input": { "q": 1 } },
                { "type": "tool_use", "id": "t", "name": "look", "input": { "z": 1, "a": 2 },
                  "caller": { "type": "direct" } },
                { "type": "tool_use", "id": "u", "name": "look", "input": {} },
            ],
            "stop_reason": "stop_sequence", "stop_sequence": "x",
            "usage": { "input_tokens": 3, "cache_read_input_tokens": 2, "output_tokens": 4,
                       "service_tier": "standard" },
            "container": { "id": "c" },
        });
        let (events, result) = MessageDecoder::new(None).whole(body.to_string().as_bytes());
        result.unwrap();
        let mut fold = ChatFold::default();
        events.into_iter().for_each(|event| fold.push(event));
        let head = ReplyHead { id: "msg_1".into(), model: "m".into() };
        assert_eq!(message_body(&fold.finish(), &head), body);
    }

    #[test]
    fn reasons_of_other_dialects_have_a_word() {
        assert_eq!(stop_reason(FinishReason::Length, Some("length")), "max_tokens");
        assert_eq!(stop_reason(FinishReason::ContentFilter, None), "refusal");
        assert_eq!(stop_reason(FinishReason::Stop, Some("stop")), "end_turn");
    }
}

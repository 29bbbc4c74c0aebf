//! Whole answers as bodies of the OpenAI dialect, and the pieces that chunks share with them.

use llm_core::{Annotation, ChatResponse, Choice, Media, MediaSource, Part, Reasoning, Usage};
use serde_json::{Map, Value, json};

use super::ReplyHead;

/// The body of a chat answer in one piece (`object: chat.completion`).
///
/// Text parts become `content`, reasoning `reasoning_content` (and `reasoning_details` where it is signed or
/// encrypted), pictures `images`; fields of the whole answer without a name and warnings stand at the top.
pub fn chat_body(response: &ChatResponse, head: &ReplyHead) -> Value {
    let choices: Vec<Value> = response
        .choices
        .iter()
        .enumerate()
        .map(|(index, choice)| {
            json!({
                "index": index,
                "message": message_value(choice),
                "logprobs": logprobs_value(&choice.logprobs),
                "finish_reason": choice.finish.as_openai(),
            })
        })
        .collect();
    let mut body = Map::new();
    body.insert("id".into(), head.id.clone().into());
    body.insert("object".into(), "chat.completion".into());
    body.insert("created".into(), head.created.into());
    body.insert("model".into(), head.model.clone().into());
    body.insert("choices".into(), choices.into());
    if let Some(usage) = usage_body(&response.usage) {
        body.insert("usage".into(), usage);
    }
    for (name, value) in &response.extra {
        if name != "choices" {
            body.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
    if !response.warnings.is_empty() {
        body.insert("warnings".into(), json!(response.warnings));
    }
    Value::Object(body)
}

/// The `usage` object; `None` when nothing is known. Starts from the provider's own object where that is of this
/// dialect, so that fields without a name in [`Usage`] survive.
pub fn usage_body(usage: &Usage) -> Option<Value> {
    let total = usage.total_tokens()?;
    let mut body = match &usage.raw {
        Some(Value::Object(raw)) if raw.contains_key("prompt_tokens") => raw.clone(),
        _ => Map::new(),
    };
    body.insert("prompt_tokens".into(), usage.input_tokens.unwrap_or(0).into());
    body.insert("completion_tokens".into(), usage.output_tokens.unwrap_or(0).into());
    body.insert("total_tokens".into(), total.into());
    merge_details(
        &mut body,
        "prompt_tokens_details",
        &[
            ("cached_tokens", usage.cache_read_tokens),
            ("cache_write_tokens", usage.cache_write_tokens),
            ("audio_tokens", usage.audio_input_tokens),
        ],
    );
    merge_details(
        &mut body,
        "completion_tokens_details",
        &[
            ("reasoning_tokens", usage.reasoning_tokens),
            ("audio_tokens", usage.audio_output_tokens),
        ],
    );
    if let Some(cost) = usage.cost {
        body.entry("cost").or_insert_with(|| json!(cost));
    }
    Some(Value::Object(body))
}

fn merge_details(body: &mut Map<String, Value>, name: &str, counts: &[(&str, Option<u64>)]) {
    let known: Vec<_> =
        counts.iter().filter_map(|(name, count)| Some((*name, (*count)?))).collect();
    if known.is_empty() {
        return;
    }
    let details = body.entry(name).or_insert(Value::Null);
    if !details.is_object() {
        *details = json!({});
    }
    if let Some(details) = details.as_object_mut() {
        details.extend(known.into_iter().map(|(name, count)| (name.to_owned(), count.into())));
    }
}

fn message_value(choice: &Choice) -> Value {
    let mut pieces = Pieces::default();
    choice.message.parts.iter().for_each(|part| pieces.push(part));
    let mut message = Map::new();
    message.insert("role".into(), "assistant".into());
    message.insert("content".into(), pieces.text.map_or(Value::Null, Value::from));
    message.insert("refusal".into(), pieces.refusal.map_or(Value::Null, Value::from));
    if let Some(reasoning) = pieces.reasoning {
        message.insert("reasoning_content".into(), reasoning.into());
    }
    for (name, list) in [
        ("reasoning_details", pieces.reasoning_details),
        ("tool_calls", pieces.tool_calls),
        ("annotations", pieces.annotations),
        ("images", pieces.images),
        ("provider_blocks", pieces.blocks),
    ] {
        if !list.is_empty() {
            message.insert(name.into(), list.into());
        }
    }
    if let Some(mut audio) =
        choice.audio.as_ref().and_then(|audio| serde_json::to_value(audio).ok())
    {
        if let Some(fields) = audio.as_object_mut() {
            fields.shift_remove("choice");
        }
        message.insert("audio".into(), audio);
    }
    message.extend(choice.message.extra.clone());
    Value::Object(message)
}

/// What a message of this dialect keeps in separate fields.
#[derive(Default)]
struct Pieces {
    text: Option<String>,
    refusal: Option<String>,
    reasoning: Option<String>,
    reasoning_details: Vec<Value>,
    tool_calls: Vec<Value>,
    annotations: Vec<Value>,
    images: Vec<Value>,
    blocks: Vec<Value>,
}

impl Pieces {
    fn push(&mut self, part: &Part) {
        match part {
            Part::Text(text) => {
                self.text.get_or_insert_default().push_str(&text.text);
                self.annotations.extend(text.annotations.iter().map(annotation_value));
            }
            Part::Refusal(text) => self.refusal.get_or_insert_default().push_str(&text.text),
            Part::Reasoning(block) => {
                if !block.text.is_empty() {
                    self.reasoning.get_or_insert_default().push_str(&block.text);
                }
                if !block.is_plain() {
                    self.reasoning_details.push(reasoning_detail_value(block.clone()));
                }
            }
            Part::ToolCall(call) => {
                let mut value = json!({
                    "id": call.id,
                    "type": "function",
                    "function": { "name": call.name, "arguments": call.arguments },
                });
                if let Some(fields) = value.as_object_mut() {
                    fields.extend(call.extra.clone());
                }
                self.tool_calls.push(value);
            }
            Part::Image(media) | Part::File(media) | Part::Audio(media) => {
                self.images.push(media_value(media));
            }
            Part::Other { dialect, value } => {
                self.blocks.push(json!({ "dialect": dialect, "value": value }));
            }
            _ => {}
        }
    }
}

/// The provider's objects of several chunks as one: their lists (`content`, `refusal`) joined.
fn logprobs_value(objects: &[Value]) -> Value {
    let mut objects = objects.iter();
    let Some(mut whole) = objects.next().cloned() else {
        return Value::Null;
    };
    for object in objects {
        let (Some(whole), Some(object)) = (whole.as_object_mut(), object.as_object()) else {
            continue;
        };
        for (name, value) in object {
            match (whole.get_mut(name), value) {
                (Some(Value::Array(list)), Value::Array(more)) => list.extend(more.iter().cloned()),
                (Some(known), _) if !known.is_null() => {}
                _ => {
                    whole.insert(name.clone(), value.clone());
                }
            }
        }
    }
    whole
}

/// An annotation as this dialect writes it.
pub(super) fn annotation_value(annotation: &Annotation) -> Value {
    match annotation {
        Annotation::UrlCitation { url, title, start, end } => {
            let mut citation = Map::from_iter([("url".to_owned(), Value::from(url.as_str()))]);
            if let Some(title) = title {
                citation.insert("title".into(), title.as_str().into());
            }
            if let Some(start) = start {
                citation.insert("start_index".into(), (*start).into());
            }
            if let Some(end) = end {
                citation.insert("end_index".into(), (*end).into());
            }
            json!({ "type": "url_citation", "url_citation": citation })
        }
        Annotation::Other { value } => value.clone(),
        _ => Value::Null,
    }
}

/// A picture or file that a model made, as routers write it.
pub(super) fn media_value(media: &Media) -> Value {
    let url = match &media.source {
        MediaSource::Url(url) => url.clone(),
        MediaSource::Base64(data) => {
            let media_type = media.media_type.as_deref().unwrap_or("application/octet-stream");
            format!("data:{media_type};base64,{data}")
        }
        MediaSource::FileId(id) => id.clone(),
        MediaSource::Text(text) => text.clone(),
    };
    json!({ "type": "image_url", "image_url": { "url": url } })
}

/// One entry of `reasoning_details`.
pub(crate) fn reasoning_detail_value(block: Reasoning) -> Value {
    let Reasoning { text, signature, redacted, id, mut extra } = block;
    let default = if redacted.is_some() { "reasoning.encrypted" } else { "reasoning.text" };
    let kind = extra.shift_remove("type").unwrap_or_else(|| default.into());
    let text_name = match kind.as_str() {
        Some("reasoning.encrypted") => None,
        Some("reasoning.summary") => Some("summary"),
        _ => Some("text"),
    };
    let mut detail = Map::from_iter([("type".to_owned(), kind)]);
    if let Some(name) = text_name.filter(|_| !text.is_empty()) {
        detail.insert(name.into(), text.into());
    }
    for (name, value) in [("signature", signature), ("data", redacted), ("id", id)] {
        if let Some(value) = value {
            detail.insert(name.into(), value.into());
        }
    }
    detail.extend(extra);
    Value::Object(detail)
}

#[cfg(test)]
mod tests {
    use llm_core::{ChatEvent, ChatFold, FinishReason, Warning};

    use super::*;

    #[test]
    fn a_whole_answer_keeps_everything() {
        let mut fold = ChatFold::default();
        for event in [
            ChatEvent::text("see "),
            ChatEvent::text("this"),
            ChatEvent::Annotation {
                choice: 0,
                annotation: Annotation::UrlCitation {
                    url: "https://example.org".into(),
                    title: None,
                    start: Some(0),
                    end: Some(3),
                },
            },
            ChatEvent::Usage(Usage {
                input_tokens: Some(5),
                output_tokens: Some(1),
                cache_read_tokens: Some(4),
                raw: Some(json!({ "prompt_tokens": 5, "queue_time": 0.5 })),
                ..Default::default()
            }),
            ChatEvent::Warning(Warning {
                code: "dropped_parameter".into(),
                param: Some("top_k".into()),
                message: "not taken".into(),
            }),
            ChatEvent::Extra {
                fields: Map::from_iter([("service_tier".to_owned(), "default".into())]),
            },
            ChatEvent::finished(FinishReason::Stop),
        ] {
            fold.push(event);
        }
        let head = ReplyHead { id: "c1".into(), model: "m".into(), created: 7 };
        assert_eq!(
            chat_body(&fold.finish(), &head),
            json!({
                "id": "c1", "object": "chat.completion", "created": 7, "model": "m",
                "choices": [{
                    "index": 0,
                    "message": {
                        "role": "assistant", "content": "see this", "refusal": null,
                        "annotations": [{
                            "type": "url_citation",
                            "url_citation": {
                                "url": "https://example.org", "start_index": 0, "end_index": 3,
                            },
                        }],
                    },
                    "logprobs": null,
                    "finish_reason": "stop",
                }],
                "usage": {
                    "prompt_tokens": 5, "queue_time": 0.5, "completion_tokens": 1,
                    "total_tokens": 6, "prompt_tokens_details": { "cached_tokens": 4 },
                },
                "service_tier": "default",
                "warnings": [{
                    "code": "dropped_parameter", "param": "top_k", "message": "not taken",
                }],
            })
        );
    }

    #[test]
    fn logprobs_of_several_chunks_are_joined() {
        let objects =
            [json!({ "content": [1], "refusal": null }), json!({ "content": [2], "refusal": [3] })];
        assert_eq!(logprobs_value(&objects), json!({ "content": [1, 2], "refusal": [3] }));
    }
}

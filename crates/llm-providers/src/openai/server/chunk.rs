//! [`ChunkWriter`]: events into the chunks of a streamed answer.

use std::collections::BTreeSet;

use llm_core::{
    AudioDelta, ChatEvent, Extra, FinishReason, ModelError, Reasoning, ReasoningDelta,
    ToolCallDelta, Usage,
};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::body::{annotation_value, media_value, reasoning_detail_value, usage_body};
use super::{ReplyHead, error_body};

/// Writes the chunks of one streamed answer. Each text that it returns is the `data:` of one server-sent event.
#[derive(Clone, Debug)]
pub struct ChunkWriter {
    /// What every chunk begins with, up to its choices.
    opening: String,
    include_usage: bool,
    usage: Usage,
    /// Fields of the whole answer that wait for the next chunk.
    pending: Extra,
    /// The choices and tool calls that have begun.
    begun: BTreeSet<u32>,
    begun_calls: BTreeSet<(u32, u32)>,
}

impl ChunkWriter {
    /// A writer for one answer. With `include_usage` the last chunk before `[DONE]` tells the usage.
    pub fn new(head: ReplyHead, include_usage: bool) -> Self {
        Self {
            opening: opening(&head),
            include_usage,
            usage: Usage::default(),
            pending: Extra::new(),
            begun: BTreeSet::new(),
            begun_calls: BTreeSet::new(),
        }
    }

    /// The chunk for the next event; `None` for events that show up in a later chunk.
    ///
    /// Reasoning goes out as `delta.reasoning_content` (and `delta.reasoning_details` where it is signed or
    /// encrypted), warnings and fields of the whole answer beside `choices`.
    pub fn chunk(&mut self, event: ChatEvent) -> Option<String> {
        match event {
            ChatEvent::Started(_) => None,
            ChatEvent::Text { choice, text, .. } => Some(self.text(choice, &text)),
            ChatEvent::Reasoning(delta) => self.reasoning(delta),
            ChatEvent::Refusal { choice, text } => self.delta(choice, "refusal", text.into()),
            ChatEvent::ToolCall(delta) => self.tool_call(delta),
            ChatEvent::Annotation { choice, annotation } => {
                self.delta(choice, "annotations", json!([annotation_value(&annotation)]))
            }
            ChatEvent::Audio(delta) => self.audio(delta),
            ChatEvent::Media { choice, media } => {
                self.delta(choice, "images", json!([media_value(&media)]))
            }
            ChatEvent::Block { choice, dialect, value } => {
                let block = json!([{ "dialect": dialect, "value": value }]);
                self.delta(choice, "provider_blocks", block)
            }
            ChatEvent::Logprobs { choice, value } => {
                Some(self.choice_chunk(choice, Map::new(), value, None))
            }
            ChatEvent::Warning(warning) => {
                let warnings = self.pending.entry("warnings").or_insert_with(|| json!([]));
                if let (Some(list), Ok(warning)) =
                    (warnings.as_array_mut(), serde_json::to_value(&warning))
                {
                    list.push(warning);
                }
                None
            }
            ChatEvent::Usage(usage) => {
                self.usage.merge(usage);
                None
            }
            ChatEvent::Finished { choice, reason, .. } => {
                Some(self.choice_chunk(choice, Map::new(), Value::Null, Some(reason)))
            }
            ChatEvent::Extra { fields } => {
                let is_free = |name: &String| !OPENING_FIELDS.contains(&name.as_str());
                self.pending.extend(fields.into_iter().filter(|(name, _)| is_free(name)));
                None
            }
            _ => None,
        }
    }

    /// What comes after the last event: fields that still wait, the usage if it was asked for, and `[DONE]`.
    pub fn end(mut self) -> Vec<String> {
        let mut texts = Vec::new();
        if self.include_usage {
            let usage = usage_body(&self.usage).unwrap_or_else(
                || json!({ "prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0 }),
            );
            self.pending.insert("usage".into(), usage);
        }
        if !self.pending.is_empty() {
            texts.push(self.write(&[] as &[Value; 0]));
        }
        texts.push("[DONE]".into());
        texts
    }

    /// The last text of a stream that fails half-way; nothing follows it.
    pub fn error(error: &ModelError) -> String {
        error_body(error).to_string()
    }

    fn reasoning(&mut self, delta: ReasoningDelta) -> Option<String> {
        let ReasoningDelta { choice, index, text, signature, redacted, id, extra } = delta;
        let mut fields = Map::new();
        if !text.is_empty() {
            fields.insert("reasoning_content".into(), text.clone().into());
        }
        let block = Reasoning { text, signature, redacted, id, extra };
        if !block.is_plain() {
            let mut detail = reasoning_detail_value(block);
            if let Some(detail) = detail.as_object_mut() {
                detail.entry("index").or_insert(index.into());
            }
            fields.insert("reasoning_details".into(), json!([detail]));
        }
        (!fields.is_empty()).then(|| self.choice_chunk(choice, fields, Value::Null, None))
    }

    fn tool_call(&mut self, delta: ToolCallDelta) -> Option<String> {
        let mut function = Map::new();
        if let Some(name) = delta.name {
            function.insert("name".into(), name.into());
        }
        function.insert("arguments".into(), delta.arguments.into());
        let mut call = Map::new();
        call.insert("index".into(), delta.index.into());
        if let Some(id) = delta.id {
            call.insert("id".into(), id.into());
        }
        if self.begun_calls.insert((delta.choice, delta.index)) {
            call.insert("type".into(), "function".into());
        }
        call.insert("function".into(), function.into());
        call.extend(delta.extra);
        self.delta(delta.choice, "tool_calls", json!([call]))
    }

    fn audio(&mut self, delta: AudioDelta) -> Option<String> {
        let choice = delta.choice;
        let mut audio = serde_json::to_value(delta).ok()?;
        if let Some(fields) = audio.as_object_mut() {
            fields.shift_remove("choice");
        }
        self.delta(choice, "audio", audio)
    }

    fn delta(&mut self, choice: u32, name: &str, value: Value) -> Option<String> {
        let fields = Map::from_iter([(name.to_owned(), value)]);
        Some(self.choice_chunk(choice, fields, Value::Null, None))
    }

    fn choice_chunk(
        &mut self,
        choice: u32,
        fields: Map<String, Value>,
        logprobs: Value,
        finish: Option<FinishReason>,
    ) -> String {
        let mut delta = Map::new();
        if self.begun.insert(choice) {
            delta.insert("role".into(), "assistant".into());
        }
        delta.extend(fields);
        let finish_reason = finish.map(FinishReason::as_openai);
        self.write(&[ChoiceChunk { index: choice, delta, logprobs, finish_reason }])
    }

    /// Most chunks are this: it is written without a tree of values.
    fn text(&mut self, choice: u32, content: &str) -> String {
        let role = self.begun.insert(choice).then_some("assistant");
        let delta = TextDelta { role, content };
        self.write(&[ChoiceChunk {
            index: choice,
            delta,
            logprobs: Value::Null,
            finish_reason: None,
        }])
    }

    fn write(&mut self, choices: &impl Serialize) -> String {
        let mut chunk = String::with_capacity(self.opening.len() + TYPICAL_CHOICE);
        chunk.push_str(&self.opening);
        push_json(&mut chunk, choices);
        for (name, value) in std::mem::take(&mut self.pending) {
            chunk.push(',');
            push_json(&mut chunk, &name);
            chunk.push(':');
            push_json(&mut chunk, &value);
        }
        chunk.push('}');
        chunk
    }
}

/// A chunk's choice without a long text has about so many bytes.
const TYPICAL_CHOICE: usize = 128;

/// The fields of every chunk, which a provider's own do not replace.
const OPENING_FIELDS: [&str; 5] = ["id", "object", "created", "model", "choices"];

#[derive(Serialize)]
struct ChoiceChunk<D> {
    index: u32,
    delta: D,
    logprobs: Value,
    finish_reason: Option<&'static str>,
}

#[derive(Serialize)]
struct TextDelta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    content: &'a str,
}

/// The fields of the head, and `choices` without its value.
fn opening(head: &ReplyHead) -> String {
    let mut text = json!({
        "id": head.id,
        "object": "chat.completion.chunk",
        "created": head.created,
        "model": head.model,
    })
    .to_string();
    text.pop();
    text.push_str(",\"choices\":");
    text
}

/// Writes a value, which has text as keys only, so that nothing can fail.
fn push_json(text: &mut String, value: &impl Serialize) {
    // JSON is UTF-8, and memory takes all of it.
    if let Ok(json) = serde_json::to_string(value) {
        text.push_str(&json);
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(events: Vec<ChatEvent>, include_usage: bool, expect: Expect) {
        let head = ReplyHead { id: "c1".into(), model: "m".into(), created: 7 };
        let mut writer = ChunkWriter::new(head, include_usage);
        let mut texts: Vec<String> =
            events.into_iter().filter_map(|event| writer.chunk(event)).collect();
        texts.extend(writer.end());
        expect.assert_eq(&texts.join("\n"));
    }

    #[test]
    fn writes_text_usage_and_the_end() {
        let usage = Usage { input_tokens: Some(3), output_tokens: Some(2), ..Default::default() };
        check(
            vec![
                ChatEvent::Started(Default::default()),
                ChatEvent::text("a"),
                ChatEvent::text("b"),
                ChatEvent::finished(FinishReason::Length),
                ChatEvent::Usage(usage),
            ],
            true,
            expect![[r#"
                {"id":"c1","object":"chat.completion.chunk","created":7,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"a"},"logprobs":null,"finish_reason":null}]}
                {"id":"c1","object":"chat.completion.chunk","created":7,"model":"m","choices":[{"index":0,"delta":{"content":"b"},"logprobs":null,"finish_reason":null}]}
                {"id":"c1","object":"chat.completion.chunk","created":7,"model":"m","choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"length"}]}
                {"id":"c1","object":"chat.completion.chunk","created":7,"model":"m","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}
                [DONE]"#]],
        );
    }

    #[test]
    fn writes_tool_calls_and_signed_reasoning() {
        let call = |id: Option<&str>, arguments: &str| {
            ChatEvent::ToolCall(ToolCallDelta {
                id: id.map(Into::into),
                name: id.map(|_| "look".into()),
                arguments: arguments.into(),
                ..Default::default()
            })
        };
        check(
            vec![
                ChatEvent::Reasoning(ReasoningDelta {
                    signature: Some("sig".into()),
                    ..Default::default()
                }),
                call(Some("t1"), ""),
                call(None, "{}"),
                ChatEvent::finished(FinishReason::ToolCalls),
            ],
            false,
            expect![[r#"
                {"id":"c1","object":"chat.completion.chunk","created":7,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","reasoning_details":[{"type":"reasoning.text","signature":"sig","index":0}]},"logprobs":null,"finish_reason":null}]}
                {"id":"c1","object":"chat.completion.chunk","created":7,"model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"t1","type":"function","function":{"name":"look","arguments":""}}]},"logprobs":null,"finish_reason":null}]}
                {"id":"c1","object":"chat.completion.chunk","created":7,"model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]},"logprobs":null,"finish_reason":null}]}
                {"id":"c1","object":"chat.completion.chunk","created":7,"model":"m","choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"tool_calls"}]}
                [DONE]"#]],
        );
    }
}

//! [`EventWriter`]: events into the server-sent events of a streamed answer.

use llm_core::{
    ChatEvent, Extra, FinishReason, ModelError, ReasoningDelta, ToolCallDelta, Usage, Warning,
};
use serde_json::{Value, json};

use super::body::{citation, extend, message_head, stop_reason};
use super::{ReplyHead, error_body};
use crate::anthropic::DIALECT;
use crate::anthropic::usage::usage_body;

/// One server-sent event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WireEvent {
    /// Its `event:` field.
    pub name: &'static str,
    /// Its `data:` field, one line of JSON.
    pub data: String,
}

/// Writes the events of one streamed answer. The dialect knows one choice; events of others are left out.
///
/// Blocks go out one after the other, as clients expect. Pieces of several tool calls that come mixed are sorted: the
/// first call goes out as it comes, the others when it has ended. Usage that is known when the first block begins
/// stands in `message_start`, all of it in `message_delta`.
#[derive(Clone, Debug)]
pub struct EventWriter {
    head: ReplyHead,
    has_begun: bool,
    /// The number of the next block.
    next: u32,
    open: Option<Open>,
    /// Tool calls that wait for the open one to end.
    waiting: Vec<ToolCallDelta>,
    /// What has been said of the whole answer.
    usage: Usage,
    warnings: Vec<Warning>,
    extra: Extra,
    finish: Option<(FinishReason, Option<String>)>,
}

/// The block that is being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    Text,
    Thinking(u32),
    ToolUse(u32),
}

impl EventWriter {
    /// A writer for one answer.
    pub fn new(head: ReplyHead) -> Self {
        Self {
            head,
            has_begun: false,
            next: 0,
            open: None,
            waiting: Vec::new(),
            usage: Usage::default(),
            warnings: Vec::new(),
            extra: Extra::new(),
            finish: None,
        }
    }

    /// The events for the next event; none for what shows up later.
    pub fn events(&mut self, event: ChatEvent) -> Vec<WireEvent> {
        let mut out = Vec::new();
        match event {
            ChatEvent::Text { choice: 0, text, .. } | ChatEvent::Refusal { choice: 0, text } => {
                self.text(text, &mut out);
            }
            ChatEvent::TextEnd { choice: 0 } if self.open == Some(Open::Text) => {
                self.close(&mut out);
            }
            ChatEvent::Reasoning(delta) if delta.choice == 0 => self.reasoning(delta, &mut out),
            ChatEvent::ToolCall(delta) if delta.choice == 0 => self.tool_call(delta, &mut out),
            ChatEvent::Annotation { choice: 0, annotation } => {
                if let Some(citation) = citation(&annotation) {
                    self.open(Open::Text, json!({ "type": "text", "text": "" }), &mut out);
                    self.delta(
                        json!({ "type": "citations_delta", "citation": citation }),
                        &mut out,
                    );
                }
            }
            ChatEvent::Block { choice: 0, dialect, value } if dialect == DIALECT => {
                self.close(&mut out);
                self.start(value, &mut out);
                self.stop(&mut out);
            }
            ChatEvent::Warning(warning) => self.warnings.push(warning),
            ChatEvent::Usage(usage) => self.usage.merge(usage),
            ChatEvent::Finished { choice: 0, reason, raw } => self.finish = Some((reason, raw)),
            ChatEvent::Extra { fields } => self.extra.extend(fields),
            _ => {}
        }
        out
    }

    /// What comes after the last event: ends of blocks, `message_delta` with the reason and all usage, `message_stop`.
    pub fn end(mut self) -> Vec<WireEvent> {
        let mut out = Vec::new();
        self.begin(&mut out);
        self.close(&mut out);
        let (reason, raw) = self.finish.take().unwrap_or((FinishReason::Other, None));
        let mut delta = json!({
            "stop_reason": stop_reason(reason, raw.as_deref()),
            "stop_sequence": null,
        });
        if let Some(fields) = delta.as_object_mut() {
            extend(fields, std::mem::take(&mut self.extra));
        }
        let mut last =
            json!({ "type": "message_delta", "delta": delta, "usage": usage_body(&self.usage) });
        if let (false, Some(fields)) = (self.warnings.is_empty(), last.as_object_mut()) {
            fields.insert("warnings".into(), json!(self.warnings));
        }
        out.push(event("message_delta", &last));
        out.push(event("message_stop", &json!({ "type": "message_stop" })));
        out
    }

    /// An event that keeps an idle connection open. May be sent at any time.
    pub fn ping() -> WireEvent {
        event("ping", &json!({ "type": "ping" }))
    }

    /// The last event of a stream that fails half-way; nothing follows it.
    pub fn error(error: &ModelError) -> WireEvent {
        event("error", &error_body(error))
    }

    fn begin(&mut self, out: &mut Vec<WireEvent>) {
        if std::mem::replace(&mut self.has_begun, true) {
            return;
        }
        let mut message = message_head(&self.head);
        message.insert("content".into(), json!([]));
        message.insert("stop_reason".into(), Value::Null);
        message.insert("stop_sequence".into(), Value::Null);
        message.insert("usage".into(), usage_body(&self.usage));
        out.push(event("message_start", &json!({ "type": "message_start", "message": message })));
    }

    fn text(&mut self, text: String, out: &mut Vec<WireEvent>) {
        if text.is_empty() {
            return;
        }
        self.open(Open::Text, json!({ "type": "text", "text": "" }), out);
        self.delta(json!({ "type": "text_delta", "text": text }), out);
    }

    fn reasoning(&mut self, delta: ReasoningDelta, out: &mut Vec<WireEvent>) {
        if let Some(data) = delta.redacted {
            self.close(out);
            self.start(json!({ "type": "redacted_thinking", "data": data }), out);
            return self.stop(out);
        }
        let block = json!({ "type": "thinking", "thinking": "", "signature": "" });
        self.open(Open::Thinking(delta.index), block, out);
        if !delta.text.is_empty() {
            self.delta(json!({ "type": "thinking_delta", "thinking": delta.text }), out);
        }
        if let Some(signature) = delta.signature {
            self.delta(json!({ "type": "signature_delta", "signature": signature }), out);
        }
    }

    fn tool_call(&mut self, delta: ToolCallDelta, out: &mut Vec<WireEvent>) {
        match self.open {
            Some(Open::ToolUse(call)) if call != delta.index => self.wait(delta),
            _ => self.write_call(delta, out),
        }
    }

    /// Puts a piece to what waits, together with the earlier pieces of its call.
    fn wait(&mut self, delta: ToolCallDelta) {
        match self.waiting.iter_mut().find(|known| known.index == delta.index) {
            Some(known) => {
                known.id = delta.id.or(known.id.take());
                known.name = delta.name.or(known.name.take());
                known.arguments.push_str(&delta.arguments);
                known.extra.extend(delta.extra);
            }
            None => self.waiting.push(delta),
        }
    }

    fn write_call(&mut self, delta: ToolCallDelta, out: &mut Vec<WireEvent>) {
        let mut block = json!({
            "type": "tool_use",
            "id": delta.id.unwrap_or_default(),
            "name": delta.name.unwrap_or_default(),
            "input": {},
        });
        if let Some(fields) = block.as_object_mut() {
            extend(fields, delta.extra);
        }
        self.open(Open::ToolUse(delta.index), block, out);
        if !delta.arguments.is_empty() {
            self.delta(json!({ "type": "input_json_delta", "partial_json": delta.arguments }), out);
        }
    }

    /// Makes sure that a block is the open one; begins `block` if it is not.
    fn open(&mut self, wanted: Open, block: Value, out: &mut Vec<WireEvent>) {
        if self.open == Some(wanted) {
            return;
        }
        self.close(out);
        self.start(block, out);
        self.open = Some(wanted);
    }

    /// Ends the open block, and writes the calls that have waited for that.
    fn close(&mut self, out: &mut Vec<WireEvent>) {
        if self.open.take().is_some() {
            self.stop(out);
        }
        for delta in std::mem::take(&mut self.waiting) {
            self.write_call(delta, out);
            self.open = None;
            self.stop(out);
        }
    }

    fn start(&mut self, block: Value, out: &mut Vec<WireEvent>) {
        self.begin(out);
        let data =
            json!({ "type": "content_block_start", "index": self.next, "content_block": block });
        out.push(event("content_block_start", &data));
    }

    fn delta(&self, delta: Value, out: &mut Vec<WireEvent>) {
        let data = json!({ "type": "content_block_delta", "index": self.next, "delta": delta });
        out.push(event("content_block_delta", &data));
    }

    fn stop(&mut self, out: &mut Vec<WireEvent>) {
        let data = json!({ "type": "content_block_stop", "index": self.next });
        out.push(event("content_block_stop", &data));
        self.next = self.next.saturating_add(1);
    }
}

fn event(name: &'static str, data: &Value) -> WireEvent {
    WireEvent { name, data: data.to_string() }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use llm_core::ErrorKind;

    use super::*;

    fn check(events: Vec<ChatEvent>, expect: Expect) {
        let mut writer = EventWriter::new(ReplyHead { id: "msg_1".into(), model: "m".into() });
        let mut written: Vec<_> =
            events.into_iter().flat_map(|event| writer.events(event)).collect();
        written.extend(writer.end());
        let lines: Vec<_> = written.into_iter().map(|event| event.data).collect();
        expect.assert_eq(&lines.join("\n"));
    }

    fn call(index: u32, id: Option<&str>, arguments: &str) -> ChatEvent {
        ChatEvent::ToolCall(ToolCallDelta {
            index,
            id: id.map(Into::into),
            name: id.map(|_| "look".into()),
            arguments: arguments.into(),
            ..Default::default()
        })
    }

    #[test]
    fn writes_thinking_text_and_usage() {
        let usage = Usage {
            input_tokens: Some(10),
            cache_read_tokens: Some(4),
            output_tokens: Some(2),
            ..Default::default()
        };
        check(
            vec![
                ChatEvent::Started(Default::default()),
                ChatEvent::Reasoning(ReasoningDelta::text("hm")),
                ChatEvent::Reasoning(ReasoningDelta {
                    signature: Some("sig".into()),
                    ..Default::default()
                }),
                ChatEvent::text("a"),
                ChatEvent::TextEnd { choice: 0 },
                ChatEvent::text("b"),
                ChatEvent::finished(FinishReason::Length),
                ChatEvent::Usage(usage),
            ],
            expect![[r#"
                {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":0,"output_tokens":0}}}
                {"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}
                {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}
                {"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"sig"}}
                {"type":"content_block_stop","index":0}
                {"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}
                {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"a"}}
                {"type":"content_block_stop","index":1}
                {"type":"content_block_start","index":2,"content_block":{"type":"text","text":""}}
                {"type":"content_block_delta","index":2,"delta":{"type":"text_delta","text":"b"}}
                {"type":"content_block_stop","index":2}
                {"type":"message_delta","delta":{"stop_reason":"max_tokens","stop_sequence":null},"usage":{"input_tokens":6,"cache_read_input_tokens":4,"output_tokens":2}}
                {"type":"message_stop"}"#]],
        );
    }

    #[test]
    fn mixed_pieces_of_calls_are_sorted() {
        check(
            vec![
                call(0, Some("t0"), ""),
                call(1, Some("t1"), "{\"b\""),
                call(0, None, "{\"a\":1}"),
                call(1, None, ":2}"),
                ChatEvent::finished(FinishReason::ToolCalls),
            ],
            expect![[r#"
                {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":0,"output_tokens":0}}}
                {"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t0","name":"look","input":{}}}
                {"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"a\":1}"}}
                {"type":"content_block_stop","index":0}
                {"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"t1","name":"look","input":{}}}
                {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"b\":2}"}}
                {"type":"content_block_stop","index":1}
                {"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"input_tokens":0,"output_tokens":0}}
                {"type":"message_stop"}"#]],
        );
    }

    #[test]
    fn an_empty_answer_is_one_nevertheless() {
        check(
            vec![ChatEvent::finished(FinishReason::Stop)],
            expect![[r#"
            {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":0,"output_tokens":0}}}
            {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"input_tokens":0,"output_tokens":0}}
            {"type":"message_stop"}"#]],
        );
    }

    #[test]
    fn a_failure_is_an_event() {
        let error = ModelError::new(ErrorKind::Overloaded, llm_core::Operation::Chat, "busy");
        let event = EventWriter::error(&error);
        assert_eq!(event.name, "error");
        assert!(event.data.contains("overloaded_error"), "{}", event.data);
    }
}

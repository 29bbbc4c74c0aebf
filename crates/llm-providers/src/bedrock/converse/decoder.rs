//! [`ConverseDecoder`]: the frames of a streamed answer, or a whole answer, into [`ChatEvent`]s. Pure.

use llm_core::{ChatEvent, ErrorKind, Extra, FinishReason, ModelError, Operation, Started};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::blocks::Blocks;
use super::usage::parse_usage;
use super::wire::{BlockDelta, BlockStart, BlockStop, MessageStop, Metadata, WholeAnswer};
use crate::bedrock::errors;
use crate::bedrock::event_stream::{Frame, FrameDecoder};
use crate::stream::{ByteDecoder, Progress};

/// Decodes one answer. Feed it the frames of a stream ([`ConverseDecoder::push`]) or a whole body
/// ([`ConverseDecoder::whole`]).
///
/// - The end of an answer is `messageStop`; `metadata` (usage, metrics, trace) follows and ends the stream. A stream that
///   ends before `messageStop` is an error, one without `metadata` has no usage.
/// - Exceptions come as frames of a stream whose status was 200; they fail the reply, after what was said.
/// - Calls of tools that the provider runs, and their results, are blocks to be given back as they are.
/// - Text of a citation is text; its source follows as an annotation.
#[derive(Debug, Default)]
pub struct ConverseDecoder {
    request_id: Option<String>,
    has_begun: bool,
    stop: Option<String>,
    blocks: Blocks,
}

impl ConverseDecoder {
    /// A decoder for one answer. `request_id` is the provider's id of the request, from the headers.
    pub fn new(request_id: Option<String>) -> Self {
        Self { request_id, ..Self::default() }
    }

    /// The request was rendered with a tool that stands for a JSON schema
    /// ([`RenderedRequest::answers_by_tool`](super::RenderedRequest::answers_by_tool)): its arguments are the answer's text.
    pub fn answers_by_tool(mut self, answers_by_tool: bool) -> Self {
        self.blocks.answers_by_tool = answers_by_tool;
        self
    }

    /// Takes the next frame and appends what it means.
    ///
    /// # Errors
    /// The exception that the frame is, or `Malformed`; nothing more may be fed then.
    pub fn push(
        &mut self,
        frame: Frame<'_>,
        events: &mut Vec<ChatEvent>,
    ) -> Result<Progress, ModelError> {
        match errors::from_frame(Operation::Chat, frame) {
            Some(error) => Err(self.named(error)),
            None => {
                let name = frame.header(":event-type").unwrap_or_default();
                self.event(name, frame.payload, events)
            }
        }
    }

    /// Takes the next event, whatever framed it.
    pub(in crate::bedrock) fn event(
        &mut self,
        name: &str,
        payload: &[u8],
        events: &mut Vec<ChatEvent>,
    ) -> Result<Progress, ModelError> {
        self.begin(events);
        match name {
            "messageStart" => {}
            "contentBlockStart" => {
                let BlockStart { content_block_index, start } = parse(payload)?;
                self.blocks.start(content_block_index, start, events);
            }
            "contentBlockDelta" => {
                let BlockDelta { content_block_index, delta } = parse(payload)?;
                self.blocks.delta(content_block_index, delta, payload, events)?;
            }
            "contentBlockStop" => {
                let BlockStop { content_block_index } = parse(payload)?;
                self.blocks.stop(content_block_index, events);
            }
            "messageStop" => {
                let stop: MessageStop = parse(payload)?;
                self.blocks.stop_all(events);
                if !stop.additional_model_response_fields.is_null() {
                    let fields = stop.additional_model_response_fields;
                    tell("additionalModelResponseFields", fields, events);
                }
                self.finish(stop.stop_reason, events);
            }
            "metadata" => {
                let mut metadata: Metadata = parse(payload)?;
                metadata.extra.shift_remove("p");
                usage(metadata.usage, events);
                tell_all(metadata.extra, events);
                return Ok(Progress::Done);
            }
            // What is not known yet is passed over, as the SDKs do.
            name => tracing::debug!(name, "an event of an unknown type"),
        }
        Ok(Progress::More)
    }

    /// The stream is over. Appends what was still waiting.
    ///
    /// # Errors
    /// When the answer is not complete.
    pub fn end(&mut self, events: &mut Vec<ChatEvent>) -> Result<(), ModelError> {
        self.blocks.stop_all(events);
        if self.stop.is_some() {
            return Ok(());
        }
        let message = if self.has_begun {
            "the stream ended in the middle of the answer"
        } else {
            "the answer ended before it began"
        };
        Err(self.named(malformed(message)))
    }

    /// Decodes a body that is a whole answer. Gives the events, and how the answer ended after them.
    ///
    /// # Errors
    /// `Malformed` when it is no answer.
    pub fn whole(mut self, body: &[u8]) -> (Vec<ChatEvent>, Result<(), ModelError>) {
        let mut events = Vec::new();
        let result = self.decode_whole(body, &mut events).map_err(|error| self.named(error));
        (events, result)
    }

    fn decode_whole(&mut self, body: &[u8], events: &mut Vec<ChatEvent>) -> Result<(), ModelError> {
        let answer: WholeAnswer = match serde_json::from_slice(body) {
            Ok(answer) => answer,
            Err(error) => return Err(not_an_answer(body, error)),
        };
        self.begin(events);
        let content = answer.output.message.map(|message| message.content).unwrap_or_default();
        for (at, block) in content.into_iter().enumerate() {
            self.blocks.whole(at as u32, block, events);
        }
        match answer.stop_reason {
            Some(reason) => self.finish(reason, events),
            None => {
                let reason = FinishReason::Other;
                events.push(ChatEvent::Finished { choice: 0, reason, raw: None });
            }
        }
        usage(answer.usage, events);
        tell_all(answer.extra, events);
        Ok(())
    }

    fn begin(&mut self, events: &mut Vec<ChatEvent>) {
        if !std::mem::replace(&mut self.has_begun, true) {
            let request_id = self.request_id.clone();
            events.push(ChatEvent::Started(Started { request_id, ..Started::default() }));
        }
    }

    /// A second end says nothing new.
    fn finish(&mut self, word: String, events: &mut Vec<ChatEvent>) {
        if self.stop.is_some() {
            return;
        }
        let reason = match finish_reason(&word) {
            FinishReason::ToolCalls if self.blocks.has_only_answered() => FinishReason::Stop,
            reason => reason,
        };
        self.stop = Some(word.clone());
        events.push(ChatEvent::Finished { choice: 0, reason, raw: Some(word) });
    }

    fn named(&self, error: ModelError) -> ModelError {
        match &self.request_id {
            Some(id) => error.with_request_id(id),
            None => error,
        }
    }
}

/// A [`ConverseDecoder`] with the framing in front of it: bytes in, events out.
#[derive(Debug)]
pub struct ConverseBytes {
    frames: FrameDecoder,
    decoder: ConverseDecoder,
}

impl ConverseBytes {
    /// Decodes frames of at most `max_event_bytes`.
    pub fn new(decoder: ConverseDecoder, max_event_bytes: usize) -> Self {
        Self { frames: FrameDecoder::new(max_event_bytes), decoder }
    }
}

impl ByteDecoder for ConverseBytes {
    fn push(
        &mut self,
        mut bytes: &[u8],
        events: &mut Vec<ChatEvent>,
    ) -> Result<Progress, ModelError> {
        loop {
            let frame = match self.frames.next(&mut bytes) {
                Ok(Some(frame)) => frame,
                Ok(None) => return Ok(Progress::More),
                Err(error) => {
                    let message = format!("the event stream is broken: {error}");
                    return Err(self.decoder.named(malformed(message)));
                }
            };
            if self.decoder.push(frame, events)? == Progress::Done {
                return Ok(Progress::Done);
            }
        }
    }

    fn end(&mut self, events: &mut Vec<ChatEvent>) -> Result<(), ModelError> {
        self.decoder.end(events)
    }
}

/// Decodes a whole stream that is already in memory, in the given chunks.
///
/// # Errors
/// As the stream itself would fail, together with the events before that.
pub fn decode_chunks<'a>(
    chunks: impl IntoIterator<Item = &'a [u8]>,
    decoder: ConverseDecoder,
    max_event_bytes: usize,
) -> (Vec<ChatEvent>, Result<(), ModelError>) {
    let mut decoder = ConverseBytes::new(decoder, max_event_bytes);
    let mut events = Vec::new();
    for chunk in chunks {
        match decoder.push(chunk, &mut events) {
            Ok(Progress::More) => {}
            Ok(Progress::Done) => break,
            Err(error) => return (events, Err(error)),
        }
    }
    let result = decoder.end(&mut events);
    (events, result)
}

fn parse<T: DeserializeOwned>(payload: &[u8]) -> Result<T, ModelError> {
    serde_json::from_slice(payload)
        .map_err(|error| malformed("an event of the stream cannot be read").with_source(error))
}

/// A body that came with success may still tell a failure.
fn not_an_answer(body: &[u8], problem: serde_json::Error) -> ModelError {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let message = ["message", "Message"].iter().find_map(|name| value.get(*name)?.as_str());
    match (message, value.get("__type").and_then(Value::as_str)) {
        (Some(_), Some(name)) => errors::from_exception(Operation::Chat, name, body),
        (Some(message), None) => malformed(format!("this is no answer: {message}")),
        _ => malformed("this is no answer of Converse").with_source(problem),
    }
}

fn usage(raw: Value, events: &mut Vec<ChatEvent>) {
    events.extend(parse_usage(raw).map(ChatEvent::Usage));
}

fn tell(name: &str, value: Value, events: &mut Vec<ChatEvent>) {
    tell_all(Map::from_iter([(name.to_owned(), value)]), events);
}

fn tell_all(mut fields: Extra, events: &mut Vec<ChatEvent>) {
    fields.retain(|_, value| !value.is_null());
    if !fields.is_empty() {
        events.push(ChatEvent::Extra { fields });
    }
}

fn finish_reason(word: &str) -> FinishReason {
    match word {
        "end_turn" | "stop_sequence" => FinishReason::Stop,
        "tool_use" => FinishReason::ToolCalls,
        "max_tokens" | "model_context_window_exceeded" => FinishReason::Length,
        "guardrail_intervened" | "content_filtered" => FinishReason::ContentFilter,
        "malformed_model_output" | "malformed_tool_use" => FinishReason::Error,
        "refusal" => FinishReason::Refusal,
        "pause_turn" => FinishReason::Paused,
        _ => FinishReason::Other,
    }
}

pub(super) fn malformed(message: impl Into<String>) -> ModelError {
    ModelError::new(ErrorKind::Malformed, Operation::Chat, message)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use serde_json::json;

    use super::super::ANSWER_TOOL;
    use super::*;
    use crate::bedrock::event_stream::encode_frame;

    fn stream(events: &[(&str, Value)]) -> Vec<u8> {
        let frame = |(name, payload): &(&str, Value)| {
            let headers = [(":message-type", "event"), (":event-type", name)];
            encode_frame(&headers, payload.to_string().as_bytes())
        };
        events.iter().flat_map(frame).collect()
    }

    fn check(decoder: ConverseDecoder, events: &[(&str, Value)], expect: Expect) {
        let body = stream(events);
        let (events, result) = decode_chunks(body.chunks(9), decoder, 4096);
        let mut lines: Vec<String> =
            events.iter().map(|event| serde_json::to_string(event).unwrap()).collect();
        lines.extend(result.err().map(|error| format!("{:?}: {error}", error.kind())));
        expect.assert_eq(&lines.join("\n"));
    }

    fn start(index: u32, start: Value) -> (&'static str, Value) {
        ("contentBlockStart", json!({ "contentBlockIndex": index, "start": start, "p": "ab" }))
    }

    fn delta(index: u32, delta: Value) -> (&'static str, Value) {
        ("contentBlockDelta", json!({ "contentBlockIndex": index, "delta": delta, "p": "abc" }))
    }

    fn stop(index: u32) -> (&'static str, Value) {
        ("contentBlockStop", json!({ "contentBlockIndex": index }))
    }

    fn end(reason: &str) -> (&'static str, Value) {
        ("messageStop", json!({ "stopReason": reason }))
    }

    #[test]
    fn reasoning_and_calls_are_put_together() {
        check(
            ConverseDecoder::default(),
            &[
                delta(0, json!({ "reasoningContent": { "text": "hm" } })),
                delta(0, json!({ "reasoningContent": { "signature": "si" } })),
                delta(0, json!({ "reasoningContent": { "signature": "g" } })),
                stop(0),
                delta(1, json!({ "reasoningContent": { "redactedContent": "AQI=" } })),
                delta(1, json!({ "reasoningContent": { "redactedContent": "Aw==" } })),
                start(2, json!({ "toolUse": { "toolUseId": "a", "name": "f" } })),
                start(
                    3,
                    json!({ "toolUse": { "toolUseId": "b", "name": "g", "type": "tool_use" } }),
                ),
                delta(3, json!({ "toolUse": { "input": "{}" } })),
                delta(2, json!({ "toolUse": { "input": "{\"x\":" } })),
                delta(2, json!({ "toolUse": { "input": "1}" } })),
                end("tool_use"),
                (
                    "metadata",
                    json!({ "usage": { "inputTokens": 1 }, "trace": { "a": 1 }, "p": "x" }),
                ),
                ("messageStart", json!("nobody reads on")),
            ],
            expect![[r#"
                {"type":"started"}
                {"type":"reasoning","choice":0,"index":0,"text":"hm"}
                {"type":"reasoning","choice":0,"index":0,"text":"","signature":"si"}
                {"type":"reasoning","choice":0,"index":0,"text":"","signature":"sig"}
                {"type":"reasoning","choice":0,"index":1,"text":"","redacted":"AQI="}
                {"type":"reasoning","choice":0,"index":1,"text":"","redacted":"AQID"}
                {"type":"tool_call","choice":0,"index":0,"id":"a","name":"f","arguments":""}
                {"type":"tool_call","choice":0,"index":1,"id":"b","name":"g","arguments":""}
                {"type":"tool_call","choice":0,"index":1,"arguments":"{}"}
                {"type":"tool_call","choice":0,"index":0,"arguments":"{\"x\":"}
                {"type":"tool_call","choice":0,"index":0,"arguments":"1}"}
                {"type":"finished","choice":0,"reason":"tool_calls","raw":"tool_use"}
                {"type":"usage","input_tokens":1,"raw":{"inputTokens":1}}
                {"type":"extra","fields":{"trace":{"a":1}}}"#]],
        );
    }

    #[test]
    fn tools_of_the_provider_are_blocks() {
        check(
            ConverseDecoder::default(),
            &[
                start(
                    0,
                    json!({ "toolUse": { "toolUseId": "a", "name": "run", "type": "server_tool_use" } }),
                ),
                delta(0, json!({ "toolUse": { "input": "{\"code\":1}" } })),
                stop(0),
                start(1, json!({ "toolResult": { "toolUseId": "a", "status": "success" } })),
                delta(1, json!({ "toolResult": [{ "json": { "out": 2 } }] })),
                stop(1),
                delta(2, json!({ "text": "two" })),
                delta(
                    2,
                    json!({ "citation": { "title": "t", "location": { "web": { "url": "https://e.org" } } } }),
                ),
                start(3, json!({ "image": { "format": "png" } })),
                delta(3, json!({ "image": { "source": { "bytes": "AQI=" } } })),
                delta(3, json!({ "image": { "source": { "bytes": "Aw==" } } })),
                delta(4, json!({ "hologram": { "x": 1 } })),
                ("newEvent", json!({})),
                end("end_turn"),
            ],
            expect![[r#"
                {"type":"started"}
                {"type":"block","choice":0,"dialect":"bedrock-converse","value":{"toolUse":{"toolUseId":"a","name":"run","type":"server_tool_use","input":{"code":1}}}}
                {"type":"block","choice":0,"dialect":"bedrock-converse","value":{"toolResult":{"toolUseId":"a","status":"success","content":[{"json":{"out":2}}]}}}
                {"type":"text","choice":0,"text":"two"}
                {"type":"annotation","choice":0,"annotation":{"type":"url_citation","url":"https://e.org","title":"t"}}
                {"type":"block","choice":0,"dialect":"bedrock-converse","value":{"hologram":{"x":1}}}
                {"type":"media","choice":0,"media":{"source":{"base64":"AQID"},"media_type":"image/png"}}
                {"type":"finished","choice":0,"reason":"stop","raw":"end_turn"}"#]],
        );
    }

    #[test]
    fn the_answers_tool_is_text() {
        check(
            ConverseDecoder::default().answers_by_tool(true),
            &[
                start(0, json!({ "toolUse": { "toolUseId": "a", "name": ANSWER_TOOL } })),
                delta(0, json!({ "toolUse": { "input": "{\"city\":" } })),
                delta(0, json!({ "toolUse": { "input": "\"Rome\"}" } })),
                stop(0),
                end("tool_use"),
            ],
            expect![[r#"
                {"type":"started"}
                {"type":"text","choice":0,"text":"{\"city\":"}
                {"type":"text","choice":0,"text":"\"Rome\"}"}
                {"type":"finished","choice":0,"reason":"stop","raw":"tool_use"}"#]],
        );
        let body = json!({ "stopReason": "tool_use", "output": { "message": { "content": [
            { "toolUse": { "toolUseId": "a", "name": ANSWER_TOOL, "input": { "city": "Rome" } } },
        ] } } });
        let decoder = ConverseDecoder::default().answers_by_tool(true);
        let (events, _) = decoder.whole(body.to_string().as_bytes());
        assert!(events.contains(&ChatEvent::text(r#"{"city":"Rome"}"#)));
    }

    #[test]
    fn what_cannot_be_is_an_error() {
        check(
            ConverseDecoder::new(Some("r".into())),
            &[delta(0, json!({ "toolUse": { "input": "{}" } }))],
            expect![[r#"
                {"type":"started","request_id":"r"}
                Malformed: chat request failed: arguments came for a tool call that had not begun"#]],
        );
        check(
            ConverseDecoder::default(),
            &[delta(0, json!({ "text": "a" }))],
            expect![[r#"
            {"type":"started"}
            {"type":"text","choice":0,"text":"a"}
            Malformed: chat request failed: the stream ended in the middle of the answer"#]],
        );
        check(
            ConverseDecoder::default(),
            &[],
            expect!["Malformed: chat request failed: the answer ended before it began"],
        );
        for body in ["{}", "", r#"{"message":"m"}"#, "[1]"] {
            let (events, result) = ConverseDecoder::default().whole(body.as_bytes());
            assert!(events.is_empty());
            assert_eq!(result.unwrap_err().kind(), ErrorKind::Malformed, "{body}");
        }
    }

    #[test]
    fn every_word_for_the_end_is_known() {
        for (word, reason) in [
            ("end_turn", FinishReason::Stop),
            ("stop_sequence", FinishReason::Stop),
            ("tool_use", FinishReason::ToolCalls),
            ("max_tokens", FinishReason::Length),
            ("model_context_window_exceeded", FinishReason::Length),
            ("guardrail_intervened", FinishReason::ContentFilter),
            ("content_filtered", FinishReason::ContentFilter),
            ("malformed_model_output", FinishReason::Error),
            ("something_new", FinishReason::Other),
        ] {
            assert_eq!(finish_reason(word), reason);
        }
    }
}

//! [`InvokeBytes`]: the event stream of InvokeModelWithResponseStream. Pure.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use llm_core::{ChatEvent, ErrorKind, ModelError, Operation, Usage};
use serde::Deserialize;
use serde_json::Value;

use super::super::errors;
use super::super::event_stream::{Frame, FrameDecoder};
use super::family::InvokeFamily;
use super::native::NativeDecoder;
use crate::sse::SseEvent;
use crate::stream::{ByteDecoder, EventDecoder, Progress};

/// The field of the last event that has the service's own count.
const METRICS: &str = "amazon-bedrock-invocationMetrics";

/// Frames, the native events in them, and the service's own count beside the last. Exceptions come as frames of a stream whose
/// status was 200; they fail the reply, after what was said.
pub(super) struct InvokeBytes {
    frames: FrameDecoder,
    decoder: NativeDecoder,
    request_id: Option<String>,
}

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow, default)]
    bytes: Cow<'a, str>,
}

impl InvokeBytes {
    /// Decodes frames of at most `max_event_bytes`.
    pub(super) fn new(
        decoder: NativeDecoder,
        request_id: Option<String>,
        max_event_bytes: usize,
    ) -> Self {
        Self { frames: FrameDecoder::new(max_event_bytes), decoder, request_id }
    }

    fn named(&self, error: ModelError) -> ModelError {
        match &self.request_id {
            Some(id) => error.with_request_id(id),
            None => error,
        }
    }
}

impl ByteDecoder for InvokeBytes {
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
                    let error = malformed(format!("the event stream is broken: {error}"));
                    return Err(self.named(error));
                }
            };
            let pushed = push_frame(&mut self.decoder, frame, events);
            if pushed.map_err(|error| self.named(error))? == Progress::Done {
                return Ok(Progress::Done);
            }
        }
    }

    fn end(&mut self, events: &mut Vec<ChatEvent>) -> Result<(), ModelError> {
        let ended = self.decoder.end(events);
        ended.map_err(|error| self.named(error))
    }
}

fn push_frame(
    decoder: &mut NativeDecoder,
    frame: Frame<'_>,
    events: &mut Vec<ChatEvent>,
) -> Result<Progress, ModelError> {
    if let Some(error) = errors::from_frame(Operation::Chat, frame) {
        return Err(error);
    }
    if frame.header(":event-type").is_some_and(|kind| kind != "chunk") {
        return Ok(Progress::More);
    }
    let chunk: Chunk<'_> = serde_json::from_slice(frame.payload)
        .map_err(|error| malformed("a frame holds no event").with_source(error))?;
    let native = STANDARD
        .decode(chunk.bytes.as_bytes())
        .map_err(|error| malformed("the event in a frame is no base64").with_source(error))?;
    let data = String::from_utf8_lossy(&native);
    let metrics = if decoder.tells_usage() { None } else { metrics(&data) };
    let progress = decoder.push(SseEvent { name: "".into(), data, id: "".into() }, events)?;
    events.extend(metrics.map(ChatEvent::Usage));
    Ok(progress)
}

/// The service's own count, if an event has it.
fn metrics(event: &str) -> Option<Usage> {
    if !event.contains(METRICS) {
        return None;
    }
    let mut event: Value = serde_json::from_str(event).ok()?;
    let raw = event.get_mut(METRICS).filter(|metrics| metrics.is_object())?.take();
    let count = |name: &str| raw.get(name).and_then(Value::as_u64);
    let (read, written) = (count("cacheReadInputTokenCount"), count("cacheWriteInputTokenCount"));
    Some(counted(count("inputTokenCount"), count("outputTokenCount"), read, written, Some(raw)))
}

/// Usage by our convention: the input holds what was cached.
pub(super) fn counted(
    input: Option<u64>,
    output: Option<u64>,
    read: Option<u64>,
    written: Option<u64>,
    raw: Option<Value>,
) -> Usage {
    let cached = read.unwrap_or(0).saturating_add(written.unwrap_or(0));
    Usage {
        input_tokens: input.map(|input| input.saturating_add(cached)),
        output_tokens: output,
        cache_read_tokens: read,
        cache_write_tokens: written,
        raw,
        ..Usage::default()
    }
}

/// Decodes a whole stream that is already in memory, in the given chunks.
///
/// # Errors
/// As the stream itself would fail, together with the events before that.
pub fn decode_chunks<'a>(
    chunks: impl IntoIterator<Item = &'a [u8]>,
    family: InvokeFamily,
    max_event_bytes: usize,
) -> (Vec<ChatEvent>, Result<(), ModelError>) {
    let decoder = NativeDecoder::new(family, None, false);
    let mut decoder = InvokeBytes::new(decoder, None, max_event_bytes);
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

fn malformed(message: impl Into<String>) -> ModelError {
    ModelError::new(ErrorKind::Malformed, Operation::Chat, message)
}

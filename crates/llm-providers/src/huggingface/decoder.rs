//! [`GenerationDecoder`]: tokens of a stream, or a whole text, into [`ChatEvent`]s. Pure.

use llm_core::{ChatEvent, ErrorKind, FinishReason, ModelError, Operation, Started, Usage};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer::AnswerDecoder;
use crate::openai::errors;
use crate::sse::SseEvent;
use crate::stream::{EventDecoder, Progress};

/// Decodes one answer: the events of a stream, `{"generated_text"}`, or a list of that. A stream that ends without the
/// whole text or its details is an error. Special tokens are no text.
#[derive(Debug, Default)]
pub struct GenerationDecoder {
    request_id: Option<String>,
    is_begun: bool,
    is_done: bool,
}

#[derive(Debug, Deserialize)]
struct Chunk {
    #[serde(default)]
    token: Option<Token>,
    #[serde(default)]
    generated_text: Option<String>,
    #[serde(default)]
    details: Option<Details>,
    #[serde(default)]
    error: Value,
    #[serde(default)]
    error_type: Value,
}

#[derive(Debug, Deserialize)]
struct Token {
    #[serde(default)]
    text: String,
    #[serde(default)]
    special: bool,
}

#[derive(Debug, Deserialize)]
struct Details {
    #[serde(default)]
    finish_reason: Option<String>,
    #[serde(default)]
    generated_tokens: Option<u64>,
    #[serde(default)]
    input_length: Option<u64>,
    /// The tokens of the prompt, where they were asked for.
    #[serde(default)]
    prefill: Vec<Value>,
}

impl GenerationDecoder {
    /// A decoder for one answer. `request_id` is the provider's id of the request, from the headers.
    pub fn new(request_id: Option<String>) -> Self {
        Self { request_id, ..Self::default() }
    }

    fn chunk(
        &mut self,
        chunk: Chunk,
        is_whole: bool,
        events: &mut Vec<ChatEvent>,
    ) -> Result<(), ModelError> {
        if !chunk.error.is_null() {
            let body = json!({ "error": chunk.error, "error_type": chunk.error_type });
            let error = errors::from_body(Operation::Chat, None, &body);
            return Err(match &self.request_id {
                Some(id) => error.with_request_id(id),
                None => error,
            });
        }
        if !std::mem::replace(&mut self.is_begun, true) {
            let request_id = self.request_id.clone();
            events.push(ChatEvent::Started(Started { request_id, ..Started::default() }));
        }
        let said = match (&chunk.generated_text, chunk.token) {
            (Some(text), _) if is_whole => Some(text.clone()),
            (_, Some(token)) if !token.special => Some(token.text),
            _ => None,
        };
        events.extend(said.filter(|text| !text.is_empty()).map(ChatEvent::text));
        let is_last = chunk.generated_text.is_some() || chunk.details.is_some();
        if is_last && !std::mem::replace(&mut self.is_done, true) {
            events.extend(chunk.details.as_ref().and_then(usage).map(ChatEvent::Usage));
            let raw = chunk.details.and_then(|details| details.finish_reason);
            let reason = match raw.as_deref() {
                Some("length") => FinishReason::Length,
                Some("eos_token" | "stop_sequence") | None => FinishReason::Stop,
                Some(_) => FinishReason::Other,
            };
            events.push(ChatEvent::Finished { choice: 0, reason, raw });
        }
        Ok(())
    }
}

fn usage(details: &Details) -> Option<Usage> {
    let prefill = Some(details.prefill.len() as u64).filter(|tokens| *tokens > 0);
    let usage = Usage {
        input_tokens: details.input_length.or(prefill),
        output_tokens: details.generated_tokens,
        ..Usage::default()
    };
    (usage != Usage::default()).then_some(usage)
}

impl EventDecoder for GenerationDecoder {
    fn push(
        &mut self,
        event: SseEvent<'_>,
        events: &mut Vec<ChatEvent>,
    ) -> Result<Progress, ModelError> {
        let chunk = serde_json::from_str(&event.data).map_err(no_answer)?;
        self.chunk(chunk, false, events)?;
        Ok(if self.is_done { Progress::Done } else { Progress::More })
    }

    fn end(&mut self, _: &mut Vec<ChatEvent>) -> Result<(), ModelError> {
        if self.is_done {
            return Ok(());
        }
        Err(malformed("the answer ended before its end"))
    }
}

impl AnswerDecoder for GenerationDecoder {
    fn whole(mut self, body: &[u8]) -> (Vec<ChatEvent>, Result<(), ModelError>) {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Body {
            Many(Vec<Chunk>),
            One(Box<Chunk>),
        }
        let mut events = Vec::new();
        let mut decode = || {
            let chunk = match serde_json::from_slice(body).map_err(no_answer)? {
                Body::One(chunk) => Some(*chunk),
                Body::Many(chunks) => chunks.into_iter().next(),
            };
            chunk.map_or(Ok(()), |chunk| self.chunk(chunk, true, &mut events))?;
            self.end(&mut events)
        };
        let result = decode();
        (events, result)
    }
}

fn no_answer(error: serde_json::Error) -> ModelError {
    malformed("this is no generated text").with_source(error)
}

fn malformed(message: &str) -> ModelError {
    ModelError::new(ErrorKind::Malformed, Operation::Chat, message)
}

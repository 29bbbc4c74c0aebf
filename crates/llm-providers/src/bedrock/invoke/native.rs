//! [`NativeDecoder`]: answers in a family's own dialect. Pure.

use std::collections::BTreeMap;

use llm_core::{ChatEvent, ErrorKind, ModelError, Operation, Usage};
use serde_json::value::RawValue;

use super::super::converse::ConverseDecoder;
use super::family::InvokeFamily;
use super::prompt_answer::PromptDecoder;
use super::reasoning_tags::ReasoningTags;
use crate::Quirks;
use crate::answer::AnswerDecoder;
use crate::anthropic::MessageDecoder;
use crate::cohere::v1;
use crate::openai::chat::ChatDecoder;
use crate::sse::SseEvent;
use crate::stream::{EventDecoder, Progress};

/// A decoder of one of the dialects. Events of a stream come as the data of events without a name.
#[allow(clippy::large_enum_variant, reason = "one of these lives as long as an answer")]
pub(super) enum NativeDecoder {
    Claude(MessageDecoder),
    Nova(ConverseDecoder),
    Cohere(v1::ChatDecoder),
    Completions(ReasoningTags),
    Prompt(PromptDecoder),
}

impl NativeDecoder {
    pub(super) fn new(
        family: InvokeFamily,
        request_id: Option<String>,
        answers_by_tool: bool,
    ) -> Self {
        match family {
            InvokeFamily::Claude => NativeDecoder::Claude(MessageDecoder::new(request_id)),
            InvokeFamily::Nova => {
                let decoder = ConverseDecoder::new(request_id);
                NativeDecoder::Nova(decoder.answers_by_tool(answers_by_tool))
            }
            InvokeFamily::CommandR | InvokeFamily::Command => {
                NativeDecoder::Cohere(v1::ChatDecoder::new(request_id))
            }
            InvokeFamily::ChatCompletions => {
                let decoder = ChatDecoder::new(Quirks::default(), request_id);
                NativeDecoder::Completions(ReasoningTags(decoder))
            }
            family => NativeDecoder::Prompt(PromptDecoder::new(family, request_id)),
        }
    }

    /// Whether the dialect tells usage in full, so that the service's own count says nothing more.
    pub(super) fn tells_usage(&self) -> bool {
        matches!(self, NativeDecoder::Claude(_))
    }
}

impl EventDecoder for NativeDecoder {
    fn push(
        &mut self,
        event: SseEvent<'_>,
        events: &mut Vec<ChatEvent>,
    ) -> Result<Progress, ModelError> {
        match self {
            NativeDecoder::Claude(decoder) => decoder.push(event, events),
            NativeDecoder::Nova(decoder) => push_nova(decoder, &event.data, events),
            NativeDecoder::Cohere(decoder) => decoder.push(event, events),
            NativeDecoder::Completions(decoder) => decoder.push(event, events),
            NativeDecoder::Prompt(decoder) => decoder.push(event, events),
        }
    }

    fn end(&mut self, events: &mut Vec<ChatEvent>) -> Result<(), ModelError> {
        match self {
            NativeDecoder::Claude(decoder) => decoder.end(events),
            NativeDecoder::Nova(decoder) => decoder.end(events),
            NativeDecoder::Cohere(decoder) => decoder.end(events),
            NativeDecoder::Completions(decoder) => decoder.end(events),
            NativeDecoder::Prompt(decoder) => decoder.end(events),
        }
    }
}

/// `{"contentBlockDelta": {…}}`: an event of ConverseStream under its name.
fn push_nova(
    decoder: &mut ConverseDecoder,
    data: &str,
    events: &mut Vec<ChatEvent>,
) -> Result<Progress, ModelError> {
    let named: BTreeMap<String, &RawValue> = serde_json::from_str(data).map_err(|error| {
        ModelError::new(
            ErrorKind::Malformed,
            Operation::Chat,
            "an event of the stream cannot be read",
        )
        .with_source(error)
    })?;
    let mut progress = Progress::More;
    for (name, payload) in named {
        // What the service puts beside events has a name of its own.
        if !name.starts_with("amazon-bedrock-") {
            progress = decoder.event(&name, payload.get().as_bytes(), events)?;
        }
    }
    Ok(progress)
}

/// The same for whole answers, with the service's own count where the dialect tells none.
pub(super) struct Whole {
    pub(super) decoder: NativeDecoder,
    pub(super) usage: Option<Usage>,
}

impl AnswerDecoder for Whole {
    fn whole(self, body: &[u8]) -> (Vec<ChatEvent>, Result<(), ModelError>) {
        let (mut events, result) = match self.decoder {
            NativeDecoder::Claude(decoder) => decoder.whole(body),
            NativeDecoder::Nova(decoder) => decoder.whole(body),
            NativeDecoder::Cohere(decoder) => decoder.whole(body),
            NativeDecoder::Completions(decoder) => decoder.whole(body),
            NativeDecoder::Prompt(decoder) => decoder.whole(body),
        };
        let is_told = events.iter().any(|event| matches!(event, ChatEvent::Usage(_)));
        if result.is_ok() && !is_told {
            events.extend(self.usage.map(ChatEvent::Usage));
        }
        (events, result)
    }
}

impl EventDecoder for Whole {
    fn push(
        &mut self,
        event: SseEvent<'_>,
        events: &mut Vec<ChatEvent>,
    ) -> Result<Progress, ModelError> {
        self.decoder.push(event, events)
    }

    fn end(&mut self, events: &mut Vec<ChatEvent>) -> Result<(), ModelError> {
        self.decoder.end(events)
    }
}

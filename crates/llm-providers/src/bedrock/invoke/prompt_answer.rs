//! [`PromptDecoder`]: answers of the families that take a prompt, whole or in pieces, into [`ChatEvent`]s. Pure.

use llm_core::{ChatEvent, ErrorKind, FinishReason, ModelError, Operation, Started, Usage};
use serde_json::Value;

use super::family::InvokeFamily;
use crate::answer::AnswerDecoder;
use crate::sse::SseEvent;
use crate::stream::{EventDecoder, Progress};

/// Where answers have what, as JSON pointers; the first that is there counts. Pieces of a stream have the same shape, or the
/// second.
struct Places {
    text: &'static [&'static str],
    finish: &'static [&'static str],
    input: &'static str,
    output: &'static [&'static str],
}

const LLAMA: Places = Places {
    text: &["/generation"],
    finish: &["/stop_reason"],
    input: "/prompt_token_count",
    output: &["/generation_token_count"],
};

const TITAN: Places = Places {
    text: &["/results/0/outputText", "/outputText"],
    finish: &["/results/0/completionReason", "/completionReason"],
    input: "/inputTextTokenCount",
    output: &["/results/0/tokenCount", "/totalOutputTextTokenCount"],
};

const MISTRAL: Places = Places {
    text: &["/outputs/0/text"],
    finish: &["/outputs/0/stop_reason"],
    input: "",
    output: &[],
};

const JURASSIC: Places = Places {
    text: &["/completions/0/data/text"],
    finish: &["/completions/0/finishReason/reason"],
    input: "",
    output: &[],
};

const CLAUDE: Places =
    Places { text: &["/completion"], finish: &["/stop_reason"], input: "", output: &[] };

/// Decodes one answer. A stream ends with the event that has a reason; one that ends before is an error.
pub(super) struct PromptDecoder {
    places: Places,
    request_id: Option<String>,
    has_begun: bool,
    finish: Option<String>,
}

impl PromptDecoder {
    pub(super) fn new(family: InvokeFamily, request_id: Option<String>) -> Self {
        let places = match family {
            InvokeFamily::Titan => TITAN,
            InvokeFamily::Mistral => MISTRAL,
            InvokeFamily::Jurassic => JURASSIC,
            InvokeFamily::ClaudePrompt => CLAUDE,
            _ => LLAMA,
        };
        Self { places, request_id, has_begun: false, finish: None }
    }

    fn piece(&mut self, data: &[u8], events: &mut Vec<ChatEvent>) -> Result<(), ModelError> {
        let piece: Value = serde_json::from_slice(data)
            .map_err(|error| malformed("this is no part of an answer").with_source(error))?;
        let at = |places: &[&str]| places.iter().find_map(|place| piece.pointer(place));
        let text = at(self.places.text).and_then(Value::as_str);
        let finish = at(self.places.finish).and_then(Value::as_str);
        if text.is_none() && finish.is_none() {
            return match piece.get("message").and_then(Value::as_str) {
                Some(message) => Err(malformed(format!("the model gave no answer: {message}"))),
                // Pings and whatever comes.
                None => Ok(()),
            };
        }
        if !std::mem::replace(&mut self.has_begun, true) {
            let request_id = self.request_id.clone();
            events.push(ChatEvent::Started(Started { request_id, ..Started::default() }));
        }
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            events.push(ChatEvent::text(text));
        }
        let input = piece.pointer(self.places.input).and_then(Value::as_u64);
        let output = at(self.places.output).and_then(Value::as_u64);
        if let Some(word) = finish {
            self.finish = Some(word.to_owned());
        }
        // Pieces count on and on; the first tells the prompt's tokens, the last the answer's.
        if input.is_some() || (output.is_some() && finish.is_some()) {
            let usage = Usage { input_tokens: input, output_tokens: output, ..Usage::default() };
            events.push(ChatEvent::Usage(usage));
        }
        Ok(())
    }
}

impl AnswerDecoder for PromptDecoder {
    fn whole(mut self, body: &[u8]) -> (Vec<ChatEvent>, Result<(), ModelError>) {
        let mut events = Vec::new();
        let result = self.piece(body, &mut events).and_then(|()| self.end(&mut events));
        (events, result)
    }
}

impl EventDecoder for PromptDecoder {
    fn push(
        &mut self,
        event: SseEvent<'_>,
        events: &mut Vec<ChatEvent>,
    ) -> Result<Progress, ModelError> {
        self.piece(event.data.as_bytes(), events)?;
        Ok(if self.finish.is_some() { Progress::Done } else { Progress::More })
    }

    fn end(&mut self, events: &mut Vec<ChatEvent>) -> Result<(), ModelError> {
        let Some(word) = self.finish.take() else {
            return Err(malformed("the answer ended before it was complete"));
        };
        let reason = finish_reason(&word);
        events.push(ChatEvent::Finished { choice: 0, reason, raw: Some(word) });
        Ok(())
    }
}

fn finish_reason(word: &str) -> FinishReason {
    match word.to_ascii_lowercase().as_str() {
        "stop" | "finish" | "finished" | "endoftext" | "stop_sequence" | "stop_criteria_met" => {
            FinishReason::Stop
        }
        "length" | "max_tokens" => FinishReason::Length,
        "content_filtered" => FinishReason::ContentFilter,
        _ => FinishReason::Other,
    }
}

fn malformed(message: impl Into<String>) -> ModelError {
    ModelError::new(ErrorKind::Malformed, Operation::Chat, message)
}

//! [`Script`]: what a scripted model says, when, and how it fails.

use std::time::Duration;

use llm_core::{
    ChatEvent, ErrorKind, FinishReason, ModelError, Operation, Retry, Started, ToolCallDelta, Usage,
};

/// The answer to one call.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Script {
    /// A failure before the answer begins.
    pub refusal: Option<Failure>,
    /// How long until the answer begins.
    pub head_delay: Duration,
    /// The answer.
    pub steps: Vec<Step>,
}

/// One step of a [`Script`].
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Says this.
    Say(ChatEvent),
    /// Waits.
    Wait(Duration),
    /// Fails; nothing after it is looked at.
    Fail(Failure),
    /// Panics, as local models may.
    Panic(&'static str),
    /// Never goes on.
    Hang,
}

/// A failure that can be told again and again, which a [`ModelError`] cannot.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// Why.
    pub kind: ErrorKind,
    /// What trying again can do; the default of the kind when `None`.
    pub retry: Option<Retry>,
    /// In words.
    pub message: String,
}

impl Failure {
    /// A failure of this kind.
    pub fn new(kind: ErrorKind) -> Self {
        Self { kind, retry: None, message: format!("scripted {}", kind.as_str()) }
    }

    /// The same with another hint.
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.retry = Some(retry);
        self
    }

    /// The error that a caller sees.
    pub fn error(&self, operation: Operation) -> ModelError {
        let error = ModelError::new(self.kind, operation, &*self.message);
        match self.retry {
            Some(retry) => error.with_retry(retry),
            None => error,
        }
    }
}

impl From<ErrorKind> for Failure {
    fn from(kind: ErrorKind) -> Self {
        Self::new(kind)
    }
}

impl Script {
    /// Says a text word by word, with a beginning, an end and usage (one token a word).
    pub fn text(text: &str) -> Self {
        let words: Vec<&str> = text.split_inclusive(' ').collect();
        let usage = Usage {
            input_tokens: Some(1),
            output_tokens: Some(words.len() as u64),
            ..Usage::default()
        };
        let mut events = vec![ChatEvent::Started(Started::default())];
        events.extend(words.into_iter().map(ChatEvent::text));
        events.push(ChatEvent::Usage(usage));
        events.push(ChatEvent::finished(FinishReason::Stop));
        Self::events(events)
    }

    /// Asks for a tool.
    pub fn tool_call(name: &str, arguments: &str) -> Self {
        Self::events([
            ChatEvent::Started(Started::default()),
            ChatEvent::ToolCall(ToolCallDelta {
                id: Some("call-1".into()),
                name: Some(name.into()),
                arguments: arguments.into(),
                ..ToolCallDelta::default()
            }),
            ChatEvent::finished(FinishReason::ToolCalls),
        ])
    }

    /// Gives these events.
    pub fn events(events: impl IntoIterator<Item = ChatEvent>) -> Self {
        Self { steps: events.into_iter().map(Step::Say).collect(), ..Self::default() }
    }

    /// Refuses the call.
    pub fn refuse(failure: impl Into<Failure>) -> Self {
        Self { refusal: Some(failure.into()), ..Self::default() }
    }

    /// Waits before the answer begins.
    pub fn after(mut self, delay: Duration) -> Self {
        self.head_delay = delay;
        self
    }

    /// Waits before each event.
    pub fn every(mut self, delay: Duration) -> Self {
        let steps = std::mem::take(&mut self.steps);
        self.steps = steps.into_iter().flat_map(|step| [Step::Wait(delay), step]).collect();
        self
    }

    /// Fails instead of the step at `position` and all after it.
    pub fn failing_at(self, position: usize, failure: impl Into<Failure>) -> Self {
        self.ending_at(position, Step::Fail(failure.into()))
    }

    /// Hangs instead of the step at `position`, for ever.
    pub fn hanging_at(self, position: usize) -> Self {
        self.ending_at(position, Step::Hang)
    }

    /// Panics instead of the step at `position`.
    pub fn panicking_at(self, position: usize) -> Self {
        self.ending_at(position, Step::Panic("scripted panic"))
    }

    fn ending_at(mut self, position: usize, step: Step) -> Self {
        self.steps.truncate(position);
        self.steps.push(step);
        self
    }
}

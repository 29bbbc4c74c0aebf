//! [`Behaviour`]: what a fake upstream does with one call.

use std::time::Duration;

use serde_json::Value;

/// What to do with one call: an answer, how fast it comes, and what goes wrong on the way.
#[derive(Clone, Debug, PartialEq)]
pub struct Behaviour {
    pub(super) answer: Answer,
    /// Of the response, over those that the answer has by itself.
    pub(super) headers: Vec<(String, String)>,
    pub(super) is_held: bool,
    pub(super) head_delay: Duration,
    pub(super) token_delay: Duration,
    pub(super) fault: Option<Fault>,
    /// What is answered to a question that ends with a tool's result.
    pub(super) after_tools: Option<String>,
    pub(super) dimensions: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Answer {
    Tokens(Vec<String>),
    ToolCall { name: String, arguments: String },
    Status { status: u16, body: String },
}

impl Answer {
    /// A text, word by word.
    pub(super) fn words(text: &str) -> Self {
        Self::Tokens(text.split_inclusive(' ').map(str::to_owned).collect())
    }
}

/// What goes wrong after so many tokens.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Fault {
    Cut(usize),
    Silence(usize),
    Malformed(usize),
    Error(usize, Value),
    NoDone,
}

impl Default for Behaviour {
    /// A short answer at once.
    fn default() -> Self {
        Self::text("It is as you say.")
    }
}

impl Behaviour {
    /// Answers with this text, word by word.
    pub fn text(text: &str) -> Self {
        Self::answer(Answer::words(text))
    }

    /// Answers with so many tokens: `t0 t1 t2 …`.
    pub fn tokens(count: usize) -> Self {
        Self::answer(Answer::Tokens((0..count).map(|at| format!("t{at} ")).collect()))
    }

    /// Asks for a tool; the arguments are JSON text and come in pieces.
    pub fn tool_call(name: &str, arguments: &str) -> Self {
        Self::answer(Answer::ToolCall { name: name.into(), arguments: arguments.into() })
    }

    /// Answers with this text once the question ends with a tool's result.
    pub fn then_text(mut self, text: &str) -> Self {
        self.after_tools = Some(text.into());
        self
    }

    /// Refuses with this status and an error object that fits it.
    pub fn status(status: u16) -> Self {
        let body = format!(
            r#"{{"error":{{"message":"refused with {status}","type":null,"param":null,"code":null}}}}"#
        );
        Self::answer(Answer::Status { status, body })
    }

    /// Answers with a web page and status 200, as a captive portal or a wrong address does.
    pub fn page(html: &str) -> Self {
        Self::status(200).body(html).header("content-type", "text/html; charset=utf-8")
    }

    /// Sets a header of the response, its `content-type` too.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Replaces the body of a refusal.
    pub fn body(mut self, text: &str) -> Self {
        if let Answer::Status { body, .. } = &mut self.answer {
            *body = text.into();
        }
        self
    }

    /// Waits before the head of the response.
    pub fn after(mut self, delay: Duration) -> Self {
        self.head_delay = delay;
        self
    }

    /// Waits until [`FakeUpstream::release`](super::FakeUpstream::release), before any other wait.
    pub fn held(mut self) -> Self {
        self.is_held = true;
        self
    }

    /// Waits before each token.
    pub fn every(mut self, delay: Duration) -> Self {
        self.token_delay = delay;
        self
    }

    /// Breaks the connection after so many tokens.
    pub fn cut_after(self, tokens: usize) -> Self {
        self.fault(Fault::Cut(tokens))
    }

    /// Falls silent after so many tokens, with the connection open, for ever.
    pub fn silent_after(self, tokens: usize) -> Self {
        self.fault(Fault::Silence(tokens))
    }

    /// Sends an event that is no JSON after so many tokens.
    pub fn malformed_after(self, tokens: usize) -> Self {
        self.fault(Fault::Malformed(tokens))
    }

    /// Sends `{"error": error}` after so many tokens, and ends.
    pub fn error_after(self, tokens: usize, error: Value) -> Self {
        self.fault(Fault::Error(tokens, error))
    }

    /// Ends a stream without `[DONE]`.
    pub fn without_done(self) -> Self {
        self.fault(Fault::NoDone)
    }

    /// The length of vectors (8 unless told).
    pub fn dimensions(mut self, dimensions: usize) -> Self {
        self.dimensions = dimensions;
        self
    }

    fn answer(answer: Answer) -> Self {
        Self {
            answer,
            headers: Vec::new(),
            is_held: false,
            head_delay: Duration::ZERO,
            token_delay: Duration::ZERO,
            fault: None,
            after_tools: None,
            dimensions: 8,
        }
    }

    fn fault(mut self, fault: Fault) -> Self {
        self.fault = Some(fault);
        self
    }
}

//! The tokens of a whole request: its texts, and what is added around them.
//!
//! What OpenAI adds to each message is documented for its chat models without reasoning (the cookbook's "How to count
//! tokens with tiktoken"): three tokens a message, and three that begin the answer. Everything else (names, tools,
//! schemas, pictures, reasoning, other vendors' templates) is estimated. docs/evidence/tokens.md compares both with what
//! providers counted.

use llm_core::{ChatRequest, MediaSource, Message, Part, ResponseFormat, Role, Tool};

use crate::{TokenCount, TokenCounter};

/// Tokens around a message.
const MESSAGE: u32 = 3;

/// Tokens of a message's name besides its text.
const NAME: u32 = 1;

/// Tokens that begin the answer.
const ANSWER: u32 = 3;

/// The same with reasoning: not documented, but observed.
const REASONED_ANSWER: u32 = 2;

/// What a tool, a call or a result costs besides its text, on OpenAI's models.
const TOOL: u32 = 8;

/// What all tools together cost besides.
const TOOLS: u32 = 12;

/// A picture, a sound or a file that cannot be looked into: a middling picture has about as many in all dialects.
const MEDIA: u32 = 1_000;

impl TokenCounter {
    /// The tokens of a request: messages with what is added around them, tools, the schema of the answer. Exact for
    /// requests of nothing but text to models whose additions are documented.
    pub fn count_request(&self, request: &ChatRequest) -> TokenCount {
        let frames_messages = self.family.is_some_and(|family| family.frames_messages);
        let is_plain = request.extra_body.is_empty();
        let reasons = self.family.is_some_and(|family| !family.frames_messages);
        let answer = if reasons { REASONED_ANSWER } else { ANSWER };
        let mut sum = Sum { counter: *self, tokens: answer, exact: frames_messages && is_plain };
        for message in &request.messages {
            sum.message(message);
        }
        sum.tools(&request.tools);
        if let Some(ResponseFormat::JsonSchema { name, description, schema, .. }) =
            &request.response_format
        {
            sum.roughly(TOOL);
            sum.text(name);
            sum.text(description.as_deref().unwrap_or_default());
            sum.text(&schema.to_string());
        }
        TokenCount { tokens: sum.tokens, exact: sum.exact }
    }
}

struct Sum {
    counter: TokenCounter,
    tokens: u32,
    exact: bool,
}

impl Sum {
    fn known(&mut self, tokens: u32) {
        self.tokens = self.tokens.saturating_add(tokens);
    }

    fn roughly(&mut self, tokens: u32) {
        self.known(tokens);
        self.exact = false;
    }

    fn text(&mut self, text: &str) {
        let count = self.counter.count(text);
        self.known(count.tokens);
        self.exact &= count.exact;
    }

    fn message(&mut self, message: &Message) {
        // Each role is one token.
        self.known(MESSAGE + 1);
        if let Some(name) = &message.name {
            self.roughly(NAME);
            self.text(name);
        }
        self.exact &= message.role != Role::Tool && message.parts.len() <= 1;
        self.parts(&message.parts);
    }

    fn parts(&mut self, parts: &[Part]) {
        for part in parts {
            self.part(part);
        }
    }

    fn part(&mut self, part: &Part) {
        match part {
            Part::Text(part) => self.text(&part.text),
            Part::Refusal(part) => {
                self.roughly(0);
                self.text(&part.text);
            }
            Part::Image(media) | Part::Audio(media) | Part::File(media) => match &media.source {
                MediaSource::Text(text) => {
                    self.roughly(0);
                    self.text(text);
                }
                _ => self.roughly(MEDIA),
            },
            Part::Reasoning(block) => {
                self.roughly(0);
                self.text(&block.text);
            }
            Part::ToolCall(call) => {
                self.roughly(TOOL);
                self.text(&call.name);
                self.text(&call.arguments);
            }
            Part::ToolResult(result) => {
                self.roughly(TOOL);
                self.parts(&result.parts);
            }
            Part::Other { value, .. } => {
                self.roughly(0);
                self.text(&value.to_string());
            }
            // A kind of part that this version does not know.
            _ => self.roughly(MEDIA),
        }
    }

    fn tools(&mut self, tools: &[Tool]) {
        if tools.is_empty() {
            return;
        }
        self.roughly(TOOLS);
        for tool in tools {
            self.roughly(TOOL);
            match tool {
                Tool::Function { name, description, parameters, .. } => {
                    self.text(name);
                    self.text(description.as_deref().unwrap_or_default());
                    if let Some(parameters) = parameters {
                        self.text(&parameters.to_string());
                    }
                }
                Tool::Provider { value, .. } => self.text(&value.to_string()),
                _ => {}
            }
        }
    }
}

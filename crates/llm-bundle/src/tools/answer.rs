//! [`ToolEvent`] and [`ToolAnswer`]: what a conversation with tools gives out.

use std::time::Duration;

use llm_core::{ChatEvent, ChatResponse, Message, ModelError, Reply, ToolCall, ToolResult};

/// A conversation with tools on its way. Dropping it cancels the model's call and the tools that run; synchronous ones
/// that have begun go on unheard.
pub type ToolReply = Reply<ToolEvent, ModelError>;

/// One event of a conversation with tools.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ToolEvent {
    /// The model is asked, for the first time or again.
    Asked {
        /// How often it has been asked with this, from 1.
        round: u32,
    },
    /// An event of the model, as it comes. Its indices count within their round. `Started` comes once. `Usage` comes at
    /// the end of each round, with the sum of all rounds so far, and `Finished` once, at the very end.
    Model(ChatEvent),
    /// A tool is about to run.
    Called {
        /// What the model asks for, as it wrote it.
        call: ToolCall,
    },
    /// A tool has ended. Results come as they are ready; those of one round are given to the model in the order of its
    /// calls.
    Returned {
        /// What the model is told.
        result: ToolResult,
        /// How long the tool took.
        took: Duration,
    },
    /// The model asks for tools of the request, which are the caller's to run. The answer ends with this.
    Left {
        /// The calls.
        calls: Vec<ToolCall>,
    },
    /// The last event: the whole.
    Done(Box<ToolAnswer>),
}

/// How a conversation with tools ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ToolAnswer {
    /// The last answer, with the usage and the warnings of all rounds.
    pub response: ChatResponse,
    /// What the conversation has become longer by: the model's messages with their calls, the tools' results, the answer.
    /// Put after the request's messages, they can be stored and sent back.
    pub messages: Vec<Message>,
    /// How often the model was asked.
    pub rounds: u32,
    /// Calls of tools that are the caller's to run; their results belong after [`messages`](Self::messages). Where the
    /// model asked for tools of both kinds at once, those of the loop were not run, and the model will ask again.
    pub left: Vec<ToolCall>,
}

impl ToolAnswer {
    /// The answer's text.
    pub fn text(&self) -> String {
        self.response.text()
    }
}

//! A conversation with tools as an answer of a chat model.

use async_stream::try_stream;
use futures::TryStreamExt;
use llm_core::{ChatEvent, ChatReply, ToolCallDelta};

use super::{ToolEvent, ToolReply};

/// The conversation as one answer: what the model says in all rounds, an empty line between two rounds that say something,
/// without the calls that were run. Calls that are left to the caller come whole, just before the end.
pub fn as_chat(reply: ToolReply) -> ChatReply {
    let mut reply = as_one_answer(reply);
    ChatReply::new(try_stream!({
        while let Some(event) = reply.try_next().await? {
            if let ToolEvent::Model(event) = event {
                yield event;
            }
        }
    }))
}

/// The conversation with what the model says in all rounds as one answer, as [`as_chat`] has it; what becomes of the
/// tools stays between.
pub fn as_one_answer(mut reply: ToolReply) -> ToolReply {
    ToolReply::new(try_stream!({
        let mut joined = Joined::default();
        while let Some(event) = reply.try_next().await? {
            match event {
                ToolEvent::Asked { round } => {
                    joined.begin_round();
                    yield ToolEvent::Asked { round };
                }
                ToolEvent::Model(ChatEvent::ToolCall(_)) => {}
                ToolEvent::Model(mut event) => {
                    if joined.needs_gap(&mut event) {
                        yield ToolEvent::Model(ChatEvent::text("\n\n"));
                    }
                    yield ToolEvent::Model(event);
                }
                ToolEvent::Left { calls } => {
                    for (index, call) in (0..).zip(calls) {
                        let call = ToolCallDelta::whole(index, call);
                        yield ToolEvent::Model(ChatEvent::ToolCall(call));
                    }
                }
                event => yield event,
            }
        }
    }))
}

/// Where the answer stands.
#[derive(Default)]
struct Joined {
    said_before: bool,
    said_now: bool,
    /// Blocks of reasoning are numbered on from round to round.
    reasoning_from: u32,
    reasoning_next: u32,
}

impl Joined {
    fn begin_round(&mut self) {
        self.said_before |= std::mem::take(&mut self.said_now);
        self.reasoning_from = self.reasoning_next;
    }

    /// Takes the next event; whether an empty line belongs before it.
    fn needs_gap(&mut self, event: &mut ChatEvent) -> bool {
        match event {
            ChatEvent::Text { text, .. } if !text.is_empty() => {
                let is_first = !std::mem::replace(&mut self.said_now, true);
                is_first && self.said_before
            }
            ChatEvent::Reasoning(delta) => {
                delta.index = delta.index.saturating_add(self.reasoning_from);
                self.reasoning_next = self.reasoning_next.max(delta.index.saturating_add(1));
                false
            }
            _ => false,
        }
    }
}

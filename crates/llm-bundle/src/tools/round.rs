//! What follows from an answer of the model.

use std::collections::BTreeSet;

use llm_core::{Choice, FinishReason, Message, Part, Tool, ToolCall};

use super::set::Offer;

/// What the loop does next.
#[derive(Debug, PartialEq)]
pub(super) enum Next {
    /// Nothing: this was the answer.
    Answer,
    /// The model paused, and goes on when it is asked again.
    Again,
    /// The tools that it asks for are run.
    Run(Vec<ToolCall>),
    /// It asks for tools that the caller runs.
    Left(Vec<ToolCall>),
    /// It asks for tools though it may not any more.
    OutOfRounds,
}

/// An answer of the model, understood.
#[derive(Debug, PartialEq)]
pub(super) struct Heard {
    pub(super) message: Message,
    pub(super) finish: FinishReason,
    pub(super) raw_finish: Option<String>,
    pub(super) next: Next,
}

/// Decides by what the model said, not by the reason it gave for its end: some say `stop` after calls. Calls that nobody
/// will answer are taken out of the message, since a conversation with them would be refused.
pub(super) fn hear(
    choice: Choice,
    round: u32,
    is_last: bool,
    offer: &Offer,
    requested: &[Tool],
) -> Heard {
    let Choice { mut message, finish, raw_finish, .. } = choice;
    make_ids_unique(&mut message, round);
    let calls: Vec<ToolCall> = message.tool_calls().cloned().collect();
    let is_left = |call: &ToolCall| is_the_callers(call, offer, requested);
    let was_stopped =
        matches!(finish, FinishReason::ContentFilter | FinishReason::Refusal | FinishReason::Error);
    let next = if calls.is_empty() || was_stopped {
        let goes_on = finish == FinishReason::Paused && !is_last;
        if goes_on { Next::Again } else { Next::Answer }
    } else if calls.iter().any(is_left) {
        Next::Left(calls.into_iter().filter(is_left).collect())
    } else if is_last {
        Next::OutOfRounds
    } else {
        Next::Run(calls)
    };
    let stays = |call: &ToolCall| match &next {
        Next::Run(_) => true,
        Next::Left(_) => is_left(call),
        _ => false,
    };
    message.parts.retain(|part| match part {
        Part::ToolCall(call) => stays(call),
        _ => true,
    });
    let finish = match next {
        Next::Left(_) => FinishReason::ToolCalls,
        Next::OutOfRounds => FinishReason::Length,
        _ => finish,
    };
    Heard { message, finish, raw_finish, next }
}

/// Whether the call is for a tool of the request. Which names the tools of a provider's own kind answer to is not known
/// here, so where there are some, an unknown name is theirs.
fn is_the_callers(call: &ToolCall, offer: &Offer, requested: &[Tool]) -> bool {
    offer.get(&call.name).is_none()
        && requested.iter().any(|tool| tool.name().is_none_or(|name| name == call.name))
}

/// Results are matched to calls by id, and some models give none, or one twice.
fn make_ids_unique(message: &mut Message, round: u32) {
    let mut seen = BTreeSet::new();
    for (at, part) in message.parts.iter_mut().enumerate() {
        let Part::ToolCall(call) = part else { continue };
        if call.id.is_empty() || seen.contains(&call.id) {
            call.id = format!("call_{round}_{at}");
        }
        seen.insert(call.id.clone());
    }
}

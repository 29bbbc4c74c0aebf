//! Fitting instructions, evidence and history into the model's context.

use std::sync::Arc;

use llm_core::{ChatRequest, Message, Role};

use crate::attach::attached;
use crate::prompt::{AnswerPrompt, Prompts};
use crate::{Dialog, DialogError, Passage, Turn};

/// Counts the tokens of a text, at least roughly; must not block and be cheap.
pub type TokenCount = Arc<dyn Fn(&str) -> usize + Send + Sync>;

/// What a model is asked.
#[derive(Clone, Debug)]
pub(crate) struct Composed {
    pub(crate) request: ChatRequest,
    /// The passages that fitted, numbered as in the prompt.
    pub(crate) passages: Arc<[Passage]>,
    /// Names of attachments of which some text did not fit.
    pub(crate) cut: Vec<String>,
}

/// Tokens that a message costs besides its text.
const MESSAGE_OVERHEAD: usize = 8;

/// Share of the context that is filled at most; token counts of another tokenizer are estimates.
const FILL: f32 = 0.9;

/// Share of what the prompt may take that attachments may take.
const ATTACHMENTS: f32 = 0.5;

/// Composes the request: system prompt with the passages that fit, best first, then as much of the latest history as
/// fits, and always the question, with what fits of its attachments.
pub(crate) fn compose(
    turn: &Turn,
    prompts: &Prompts,
    count: &TokenCount,
    found: Arc<[Passage]>,
) -> Result<Composed, DialogError> {
    let frame = system(turn, prompts, &[])?;
    let (question, history) = match turn.messages.split_last() {
        Some(split) => split,
        None => return Err(DialogError::Invalid("it has no message".into())),
    };

    let budget = input_budget(turn);
    let room = (budget as f32 * ATTACHMENTS) as usize;
    let (question, cut) = attached(question, &turn.attachments, count, room);
    let fixed = count(&frame) + message_tokens(count, &question);
    let evidence_budget = budget.saturating_sub(fixed);
    let (passages, evidence_tokens) = fit_passages(&found, count, evidence_budget);
    let history_budget = budget.saturating_sub(fixed + evidence_tokens);

    let system = system(turn, prompts, &passages)?;
    let mut messages = Vec::new();
    if !system.is_empty() {
        messages.push(Message::system(system));
    }
    messages.extend(latest(history, count, history_budget).iter().cloned());
    messages.push(question);

    let request = ChatRequest { messages, n: None, stream: true, ..turn.request.clone() };
    Ok(Composed { request, passages, cut })
}

/// The system prompt: a plain chat has its instructions alone, unless it has a template of its own.
fn system(turn: &Turn, prompts: &Prompts, passages: &[Passage]) -> Result<String, DialogError> {
    let Dialog { instructions, parameters, .. } = &turn.dialog;
    let instructions = instructions.as_deref();
    if !turn.dialog.searches() && turn.dialog.prompts.is_none() {
        return Ok(instructions.unwrap_or_default().to_owned());
    }
    let today = &turn.today();
    prompts.answer(AnswerPrompt { instructions, passages, parameters, today })
}

/// Tokens that the prompt may take: the context less what is kept for the answer.
fn input_budget(turn: &Turn) -> usize {
    let limits = &turn.model.info().limits;
    let context = limits.context_tokens.unwrap_or(turn.dialog.fallback_context) as usize;
    let wanted = turn.request.max_output_tokens.or(limits.output_tokens).unwrap_or(2_048) as usize;
    let answer = wanted.min(context / 4);
    (context as f32 * FILL) as usize - answer.min((context as f32 * FILL) as usize)
}

/// The best passages that fit, and the tokens that they take.
fn fit_passages(
    found: &Arc<[Passage]>,
    count: &TokenCount,
    budget: usize,
) -> (Arc<[Passage]>, usize) {
    let (mut used, mut fitting) = (0, 0);
    for passage in found.iter() {
        let cost = passage_tokens(count, passage) + MESSAGE_OVERHEAD;
        if used + cost > budget {
            return (found[..fitting].into(), used);
        }
        used += cost;
        fitting += 1;
    }
    (found.clone(), used)
}

/// Tokens of a passage with its title: as its chunker counted, where it did.
fn passage_tokens(count: &TokenCount, passage: &Passage) -> usize {
    let text = match passage.chunk.tokens {
        0 => count(&passage.chunk.text),
        tokens => tokens as usize,
    };
    text + count(&passage.location())
}

/// The latest messages that fit, beginning with a user's.
fn latest<'a>(history: &'a [Message], count: &TokenCount, budget: usize) -> &'a [Message] {
    let mut used = 0;
    let fitting = history
        .iter()
        .rev()
        .take_while(|message| {
            used += message_tokens(count, message);
            used <= budget
        })
        .count();
    let kept = &history[history.len() - fitting..];
    let dropped_any = fitting < history.len();
    let first_user = kept.iter().position(|message| message.role == Role::User);
    match first_user {
        Some(at) if dropped_any => &kept[at..],
        None if dropped_any => &[],
        _ => kept,
    }
}

fn message_tokens(count: &TokenCount, message: &Message) -> usize {
    count(&message.text()) + MESSAGE_OVERHEAD
}

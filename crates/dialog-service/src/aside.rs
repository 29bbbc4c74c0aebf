//! Asking the turn's model something on the side, before it answers.

use llm_core::{ChatRequest, ChatResponse, ErrorKind, Message, ModelError, Operation};

use crate::{DialogError, Turn};

/// A longer reply is not what was asked for.
const MOST_BYTES: usize = 2_000;

/// Room for models that reason before they reply.
const MOST_TOKENS: u32 = 8_192;

/// Whether the turn's model does what it is told. One that only quotes does not.
pub(crate) fn is_possible(turn: &Turn) -> bool {
    turn.model.info().capabilities.instructions != Some(false)
}

/// The model's reply to `prompt`, without the conversation; `what` the trace calls it. Dropping the future cancels the call.
///
/// # Errors
/// As the model's; a blank reply, or one beyond 2,000 bytes, is malformed.
pub(crate) async fn ask(
    turn: &Turn,
    what: &'static str,
    prompt: String,
) -> Result<String, DialogError> {
    let asked = asked(turn, prompt.clone(), MOST_BYTES);
    turn.trace.step(what, &prompt, asked, String::clone).await
}

/// The same with a reply of up to 16,000 bytes.
///
/// # Errors
/// As [`ask`].
pub(crate) async fn ask_long(
    turn: &Turn,
    what: &'static str,
    prompt: String,
) -> Result<String, DialogError> {
    let asked = asked(turn, prompt.clone(), 8 * MOST_BYTES);
    turn.trace.step(what, &prompt, asked, String::clone).await
}

async fn asked(turn: &Turn, prompt: String, most_bytes: usize) -> Result<String, DialogError> {
    let request = ChatRequest {
        model: turn.request.model.clone(),
        messages: vec![Message::user(prompt)],
        max_output_tokens: Some(MOST_TOKENS),
        ..ChatRequest::default()
    };
    let reply = turn.model.chat(request).await?;
    let text = ChatResponse::collect(reply).await?.text();
    let text = text.trim();
    if text.is_empty() || text.len() > most_bytes {
        return Err(malformed("the model did not reply with what it was asked for"));
    }
    Ok(text.to_owned())
}

/// A reply that is not what was asked for.
pub(crate) fn malformed(reason: impl Into<String>) -> DialogError {
    ModelError::new(ErrorKind::Malformed, Operation::Chat, reason).into()
}

/// The entries of a list, one on each line, without what they are listed with.
pub(crate) fn listed(reply: &str) -> impl Iterator<Item = &str> {
    let entries = reply.lines().map(|line| {
        let line = line.trim().trim_start_matches(['-', '*', '•', ' ']);
        let digits = line.trim_start_matches(|c: char| c.is_ascii_digit());
        let numbered = digits.len() < line.len() && digits.starts_with(['.', ')']);
        let line = if numbered { &digits[1..] } else { line };
        line.trim().trim_matches(['"', '`'])
    });
    entries.filter(|line| !line.is_empty() && !line.starts_with("```"))
}

//! Rewording a question that leans on the conversation, so that it can be searched for.

use llm_core::{ChatRequest, ChatResponse, Message, ModelError, Role};

use crate::prompt::Prompts;
use crate::{DialogError, Turn};

/// A rewording longer than this is no question.
const MAX_BYTES: usize = 2_000;

/// Whether the turn's question may need rewording, and its model can do it.
pub(crate) fn is_needed(turn: &Turn) -> bool {
    let asked_before =
        turn.messages.iter().filter(|message| message.role == Role::User).count() > 1;
    let follows = turn.model.info().capabilities.instructions != Some(false);
    turn.dialog.rewrite && !turn.dialog.datasets.is_empty() && asked_before && follows
}

/// Asks the model for a question that stands alone.
pub(crate) async fn reword(turn: &Turn, prompts: &Prompts) -> Result<String, DialogError> {
    let request = ChatRequest {
        model: turn.request.model.clone(),
        messages: vec![Message::user(prompts.rewrite(&turn.messages)?)],
        ..ChatRequest::default()
    };
    let reply = turn.model.chat(request).await?;
    let text = ChatResponse::collect(reply).await?.text();
    let question = text.trim();
    if question.is_empty() || question.len() > MAX_BYTES {
        return Err(DialogError::Model(ModelError::new(
            llm_core::ErrorKind::Malformed,
            llm_core::Operation::Chat,
            "the model gave no question",
        )));
    }
    Ok(question.to_owned())
}

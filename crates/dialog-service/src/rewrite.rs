//! Rewording a question that leans on the conversation, so that it can be searched for.

use llm_core::Role;

use crate::prompt::Prompts;
use crate::{DialogError, Turn, aside};

/// Whether the turn's question may need rewording, and its model can do it.
pub(crate) fn is_needed(turn: &Turn) -> bool {
    let asked_before =
        turn.messages.iter().filter(|message| message.role == Role::User).count() > 1;
    turn.dialog.rewrite && turn.dialog.searches() && asked_before && aside::is_possible(turn)
}

/// Asks the model for a question that stands alone, with dates in place of "today" and the like.
pub(crate) async fn reword(turn: &Turn, prompts: &Prompts) -> Result<String, DialogError> {
    aside::ask(turn, "rewrite", prompts.rewrite(&turn.messages, &turn.today())?).await
}

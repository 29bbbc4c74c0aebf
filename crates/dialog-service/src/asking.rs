//! Asking the turn's model for its answer, with or without tools at hand.

use futures::{StreamExt, TryStreamExt, stream};
use llm_bundle::tools::{ToolChat, ToolEvent, ToolReply, as_one_answer};
use llm_core::{ChatRequest, ModelError};

use crate::Turn;

/// The answer to `request`, once it has begun. Dropping the future, or the reply, cancels the call and the tools that run.
///
/// # Errors
/// As the model's before its first event; later ones come with the reply.
pub(crate) async fn asked(turn: &Turn, request: ChatRequest) -> Result<ToolReply, ModelError> {
    let Some(tools) = &turn.dialog.tools else {
        let reply = turn.model.chat(request).await?;
        return Ok(ToolReply::new(reply.map_ok(ToolEvent::Model)));
    };
    let chat = ToolChat::of_model(turn.model.clone(), tools.clone());
    begun(as_one_answer(chat.chat_stream(request))).await
}

/// The reply with its first event of the model's there, so that what fails before is known.
async fn begun(mut reply: ToolReply) -> Result<ToolReply, ModelError> {
    let mut first = Vec::new();
    while let Some(event) = reply.try_next().await? {
        let is_of_model = !matches!(event, ToolEvent::Asked { .. });
        first.push(Ok(event));
        if is_of_model {
            break;
        }
    }
    Ok(ToolReply::new(stream::iter(first).chain(reply)))
}

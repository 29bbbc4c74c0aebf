//! Going on from a response that was kept.

use llm_core::{ErrorKind, ModelError, Operation};
use llm_providers::openai::RequestError;
use llm_providers::openai::responses::IncomingResponse;
use response_store::{ResponseStoreError, StoredResponse};
use serde_json::Value;

use super::{Failure, PREVIOUS, failed, whose};
use crate::app::App;
use crate::responses::ResponsesError;

/// The request behind all that the response of this id goes on from, and it itself. Instructions, tools and all other
/// settings are the request's own.
///
/// # Errors
/// There is no such response, or one before it is gone; the conversation is too long.
pub(super) async fn from(
    app: &App,
    previous: &str,
    mut incoming: IncomingResponse,
) -> Result<IncomingResponse, Failure> {
    let conversation = conversation(app, previous).await?.ok_or_else(|| not_found(previous))?;
    let gone_on = app.on_thread(Operation::Chat, move || {
        incoming.go_on_from(items(&conversation)?)?;
        Ok::<_, RequestError>(incoming)
    });
    Ok(gone_on.await??)
}

/// The response of this id and all that it goes on from, the first one first.
pub(super) async fn conversation(
    app: &App,
    id: &str,
) -> Result<Option<Vec<StoredResponse>>, Failure> {
    let found = app.responses.conversation(whose(app), id.to_owned()).await;
    found.map_err(|error| match error {
        ResponsesError::Store(error @ ResponseStoreError::TooLarge { .. }) => {
            let message = format!("the conversation is too long to be gone on from: {error}");
            let error = ModelError::new(ErrorKind::ContextLength, Operation::Chat, message);
            error.with_param(PREVIOUS).into()
        }
        error => failed(error),
    })
}

/// What was asked and answered, in order.
///
/// # Errors
/// What was kept cannot be read.
pub(super) fn items(conversation: &[StoredResponse]) -> Result<Vec<Value>, RequestError> {
    let mut items = Vec::new();
    for response in conversation {
        items.extend(list(&response.input)?);
        let mut body: Value = serde_json::from_str(&response.body).map_err(unreadable)?;
        if let Value::Array(output) = body["output"].take() {
            items.extend(output);
        }
    }
    Ok(items)
}

/// What was asked, as it is kept.
pub(super) fn list(input: &str) -> Result<Vec<Value>, RequestError> {
    serde_json::from_str(input).map_err(unreadable)
}

fn unreadable(error: serde_json::Error) -> RequestError {
    RequestError::at(PREVIOUS, format_args!("names what cannot be read: {error}"))
}

fn not_found(previous: &str) -> Failure {
    let shown: String = previous.chars().take(80).collect();
    let message = format!("there is no response `{shown}` to go on from, or one before it is gone");
    let error = ModelError::new(ErrorKind::InvalidRequest, Operation::Chat, message);
    error.with_param(PREVIOUS).with_code("previous_response_not_found").into()
}

//! `/api/v2/dialogs`, `/api/v2/sessions` and `/api/v2/turns`: asking, and what was asked.

mod asking;
mod dialogs;
mod events;
mod latest;
mod once;
mod sessions;
mod turns;

use std::str::FromStr;
use std::sync::Arc;

use axum::extract::Query;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::routing::{get, post};
use axum::{Json, Router};
use dialog_service::ConversationError;
use rag_core::{ConversationStore, InvalidId, StoreError};

use super::problem::Problem;
use crate::app::App;
use crate::parts::Parts;

pub(super) fn routes() -> Router<Arc<Parts>> {
    Router::new()
        .route("/api/v2/ask", post(once::ask))
        .route("/api/v2/dialogs", get(dialogs::list))
        .route(
            "/api/v2/dialogs/{name}",
            get(dialogs::one).put(dialogs::save).delete(dialogs::delete),
        )
        .route("/api/v2/dialogs/{name}/sessions", post(sessions::create))
        .route("/api/v2/dialogs/{name}/turns", post(asking::ask))
        .route("/api/v2/sessions", get(sessions::list))
        .route(
            "/api/v2/sessions/{id}",
            get(sessions::one).patch(sessions::rename).delete(sessions::delete),
        )
        .route("/api/v2/sessions/{id}/turns", get(turns::list))
        .route("/api/v2/turns", get(latest::list))
        .route("/api/v2/turns/{id}", get(turns::one).patch(turns::judge).delete(turns::stop))
        .route("/api/v2/turns/{id}/events", get(events::of_turn))
}

/// Runs work of the store on a thread of the callers.
async fn with_store<T: Send + 'static>(
    app: &App,
    work: impl FnOnce(&dyn ConversationStore) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Problem> {
    let store = app.store.clone();
    let done = app.callers.run(move || work(&*store)).await;
    let done = done.map_err(|error| Problem::internal(&error.into()))?;
    done.map_err(|error| Problem::internal(&error.into()))
}

/// An id of a path: what cannot be one names nothing.
fn id<I: FromStr<Err = InvalidId>>(what: &str, text: &str) -> Result<I, Problem> {
    text.parse().map_err(|_| missing(what, text))
}

fn missing(what: &str, id: &str) -> Problem {
    Problem::not_found(format!("there is no {what} `{}`", id.chars().take(80).collect::<String>()))
}

fn body<T>(given: Result<Json<T>, JsonRejection>) -> Result<T, Problem> {
    given.map(|Json(body)| body).map_err(|rejection| Problem::invalid(rejection.body_text()))
}

fn query<T>(given: Result<Query<T>, QueryRejection>) -> Result<T, Problem> {
    given.map(|Query(query)| query).map_err(|rejection| Problem::invalid(rejection.body_text()))
}

fn refused(error: ConversationError) -> Problem {
    match error {
        ConversationError::NotFound(detail) => Problem::not_found(detail),
        ConversationError::Busy => Problem::conflict(error.to_string()),
        ConversationError::Overloaded | ConversationError::Stopping => {
            Problem::busy(error.to_string())
        }
        error => Problem::internal(&error.into()),
    }
}

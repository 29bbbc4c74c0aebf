//! `/api/v2/dialogs`, `/api/v2/sessions` and `/api/v2/turns`: asking, and what was asked.

mod asking;
mod dialogs;
mod events;
mod latest;
mod once;
mod sessions;
mod turns;

use std::str::FromStr;

use axum::Json;
use axum::extract::Query;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use dialog_service::ConversationError;
use rag_core::{ConversationStore, InvalidId, StoreError};
use utoipa_axum::routes;

use super::openapi::{Described, tagged};
use super::problem::Problem;
use crate::app::App;

pub(super) fn routes() -> Described {
    let dialogs = Described::new()
        .routes(routes!(once::ask))
        .routes(routes!(dialogs::list))
        .routes(routes!(dialogs::one, dialogs::save, dialogs::delete))
        .routes(routes!(sessions::create))
        .routes(routes!(asking::ask));
    let sessions = Described::new()
        .routes(routes!(sessions::list))
        .routes(routes!(sessions::one, sessions::rename, sessions::delete))
        .routes(routes!(turns::list))
        .routes(routes!(latest::list))
        .routes(routes!(turns::one, turns::judge, turns::stop))
        .routes(routes!(events::of_turn));
    tagged("Dialogs", dialogs).merge(tagged("Sessions", sessions))
}

/// Runs work of the store on a thread of the callers.
async fn with_store<T: Send + 'static>(
    app: &App,
    work: impl FnOnce(&dyn ConversationStore) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Problem> {
    let store = app.store.clone();
    let done = app.callers.run(move || work(&*store)).await;
    let done = done.map_err(|error| Problem::internal(&error.into()))?;
    done.map_err(Problem::store)
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

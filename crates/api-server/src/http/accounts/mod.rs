//! `/api/v2/auth`, `/api/v2/keys`, `/api/v2/people` and `/api/v2/invitations`: who may use the server.

mod auth;
mod keys;
mod people;

use std::sync::Arc;

use accounts::{AccountStore, AccountsError};
use axum::Json;
use axum::Router;
use axum::extract::rejection::JsonRejection;
use axum::routing::{delete, get, patch, post};

use super::problem::Problem;
use crate::app::App;
use crate::door::{Door, DoorError};
use crate::parts::Parts;

pub(super) fn routes() -> Router<Arc<Parts>> {
    Router::new()
        .route("/api/v2/auth/login", post(auth::log_in))
        .route("/api/v2/auth/join", post(auth::join))
        .route("/api/v2/auth/logout", post(auth::log_out))
        .route("/api/v2/auth/me", get(auth::me))
        .route("/api/v2/auth/password", post(auth::change_password))
        .route("/api/v2/auth/tenant", post(auth::change_tenant))
        .route("/api/v2/keys", get(keys::list).post(keys::create))
        .route("/api/v2/keys/{id}", delete(keys::revoke))
        .route("/api/v2/people", get(people::list))
        .route("/api/v2/people/{id}", patch(people::change).delete(people::remove))
        .route("/api/v2/invitations", get(people::invitations).post(people::invite))
        .route("/api/v2/invitations/{id}", delete(people::withdraw))
}

/// Works with the accounts on a thread, also where nobody is asked who they are.
pub(super) async fn on_accounts<T: Send + 'static>(
    app: &App,
    work: impl FnOnce(&AccountStore) -> Result<T, AccountsError> + Send + 'static,
) -> Result<T, Problem> {
    let store = app.accounts.clone();
    let done = app.callers.run(move || work(&store)).await.map_err(DoorError::from);
    done.and_then(|done| Ok(done?)).map_err(refused)
}

/// The accounts of a server that has some.
fn door(parts: &Parts) -> Result<&Door, Problem> {
    parts.door.as_ref().ok_or_else(|| {
        let detail = "this server asks nobody who they are; set auth.mode = \"keys\" for accounts";
        Problem::conflict(detail)
    })
}

/// Works with the accounts on a thread.
async fn with_store<T: Send + 'static>(
    app: &App,
    work: impl FnOnce(&AccountStore) -> Result<T, AccountsError> + Send + 'static,
) -> Result<T, Problem> {
    door(app)?.with_store(work).await.map_err(refused)
}

pub(super) fn refused(error: DoorError) -> Problem {
    match error {
        DoorError::Threads(_) => Problem::busy("the server is busy; try again in a second"),
        DoorError::Wait(wait) => Problem::too_many(error.to_string(), wait.as_secs().max(1)),
        DoorError::Accounts(error) => match error {
            AccountsError::Invalid(detail) => Problem::invalid(detail),
            AccountsError::WrongPassword => Problem::wrong_password(error.to_string()),
            AccountsError::NoInvitation => Problem::not_found(error.to_string()),
            AccountsError::LastAdmin | AccountsError::Sealed(_) => {
                Problem::conflict(error.to_string())
            }
            error => Problem::internal(&error.into()),
        },
    }
}

pub(super) fn body<T>(given: Result<Json<T>, JsonRejection>) -> Result<T, Problem> {
    given.map(|Json(body)| body).map_err(|rejection| Problem::invalid(rejection.body_text()))
}

pub(super) fn missing(what: &str, id: &str) -> Problem {
    let id: String = id.chars().take(80).collect();
    Problem::not_found(format!("there is no {what} `{id}`"))
}

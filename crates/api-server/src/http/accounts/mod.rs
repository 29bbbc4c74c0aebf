//! `/api/v2/auth`, `/api/v2/keys`, `/api/v2/people` and `/api/v2/invitations`: who may use the server.

mod auth;
mod keys;
mod people;
mod schemas;

use accounts::{AccountStore, AccountsError};
use axum::Json;
use axum::extract::rejection::JsonRejection;
use utoipa_axum::routes;

use super::openapi::{Described, tagged};
use super::problem::Problem;
use crate::app::App;
use crate::door::{Door, DoorError};
use crate::parts::Parts;

pub(super) fn routes() -> Described {
    let routes = Described::new()
        .routes(routes!(auth::log_in))
        .routes(routes!(auth::join))
        .routes(routes!(auth::log_out))
        .routes(routes!(auth::me))
        .routes(routes!(auth::change_password))
        .routes(routes!(auth::change_tenant))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::revoke))
        .routes(routes!(people::list))
        .routes(routes!(people::change, people::remove))
        .routes(routes!(people::invitations, people::invite))
        .routes(routes!(people::withdraw));
    tagged("Accounts", routes)
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

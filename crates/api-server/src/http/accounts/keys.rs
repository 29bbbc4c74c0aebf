//! `/api/v2/keys`

use accounts::{ApiKey, KeyRequest, KeyScope, Role};
use axum::Json;
use axum::extract::Path;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::schemas::{Keys, MadeKey};
use super::{body, door, missing, with_store};
use crate::app::App;
use crate::caller::Identity;
use crate::http::problem::Problem;
use crate::http::schemas::refusals::{Invalid, Missing, NoAccounts};

/// The tenant's keys, oldest first, all but the keys themselves.
#[utoipa::path(
    get,
    path = "/api/v2/keys",
    responses((status = 200, description = "What was asked for", body = Keys), NoAccounts),
)]
pub(super) async fn list(app: App) -> Result<Json<Value>, Problem> {
    let tenant = app.tenant();
    let keys = with_store(&app, move |store| store.keys(&tenant)).await?;
    let keys: Vec<Value> = keys.iter().map(shown).collect();
    Ok(Json(json!({ "keys": keys })))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "name": "notebook", "role": "reader" }))]
pub(super) struct NewKey {
    name: String,
    #[serde(default)]
    role: Role,
    #[serde(default)]
    scope: KeyScope,
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
}

/// Makes a key. The answer holds it, and nothing else ever does.
#[utoipa::path(
    post,
    path = "/api/v2/keys",
    request_body = NewKey,
    responses((status = 201, description = "It was made", body = MadeKey), Invalid, NoAccounts),
)]
pub(super) async fn create(
    app: App,
    key: Result<Json<NewKey>, JsonRejection>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let NewKey { name, role, scope, expires_at } = body(key)?;
    let made_by = match &app.caller().identity {
        Identity::Person(session) => Some(session.person.id.clone()),
        Identity::Key(key) => key.made_by.clone(),
        Identity::Local => None,
    };
    let request = KeyRequest { tenant: app.tenant(), name, role, made_by, scope, expires_at };
    let made = with_store(&app, move |store| store.create_key(&request)).await;
    let (key, secret) = made?;
    let mut shown = shown(&key);
    shown["key"] = json!(secret.expose());
    Ok((StatusCode::CREATED, Json(shown)))
}

/// Revokes a key, for good.
#[utoipa::path(
    delete,
    path = "/api/v2/keys/{id}",
    responses((status = 204, description = "It was done"), Missing, NoAccounts),
)]
pub(super) async fn revoke(app: App, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    let (tenant, asked) = (app.tenant(), id.clone());
    if !with_store(&app, move |store| store.revoke_key(&tenant, &asked)).await? {
        return Err(missing("key that opens anything with the id", &id));
    }
    door(&app)?.forget();
    Ok(StatusCode::NO_CONTENT)
}

fn shown(key: &ApiKey) -> Value {
    let mut shown = json!(key);
    shown["status"] = json!(key.status(Timestamp::now()));
    shown
}

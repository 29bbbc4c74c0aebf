//! Logging in, who one is, and API keys ("tokens").

use std::sync::Arc;

use accounts::{
    AccountStore, AccountsError, ApiKey, KeyRequest, KeySecret, KeyStatus, Member, Session,
};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use jiff::Timestamp;
use rag_core::TenantId;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::envelope::{Refusal, Reply, data, done};
use super::paging::date;
use super::schemas::Answer;
use crate::app::App;
use crate::caller::{Caller, Identity};
use crate::door::{Door, DoorError};
use crate::parts::Parts;

/// Who logs in.
#[derive(ToSchema)]
#[allow(dead_code)]
struct Login {
    email: String,
    password: String,
}

/// `email` and `password`, as they are: the form that the peer's own pages encrypt is not read. The session stands in the header
/// `Authorization` of the answer.
#[utoipa::path(
    post,
    path = "/api/v1/auth/login",
    request_body = Login,
    responses((status = 200, description = "What was asked for", body = Answer<Value>)),
)]
pub(super) async fn log_in(
    State(parts): State<Arc<Parts>>,
    body: Bytes,
) -> Result<Response, Refusal> {
    let asked: Value = serde_json::from_slice(&body).map_err(|_| {
        Refusal::argument("Malformed JSON syntax: Missing commas/brackets or invalid encoding")
    })?;
    let text = |name: &str| asked[name].as_str().map(str::to_owned);
    let (Some(email), Some(password)) = (text("email"), text("password")) else {
        return Err(Refusal::argument("required argument are missing: email,password; "));
    };
    let door = parts.door.as_ref().ok_or_else(no_accounts)?;
    let (who, password) = (email.clone(), password.into());
    let person = door.with_password(&who, move |store| store.log_in(&email, &password)).await?;
    let begun = door.with_store(move |store| {
        let Some(first) = store.memberships(&person.id)?.into_iter().next() else {
            return Ok(None);
        };
        store.begin_session(&person.id, &first.tenant)
    });
    let Some((session, secret)) = begun.await? else {
        return Err(Refusal::forbidden("you belong to no tenant; ask for an invitation"));
    };
    let caller = Caller::with_session(session);
    let mut response =
        Json(json!({ "code": 0, "message": "Welcome back!", "data": shown(&caller) }))
            .into_response();
    if let Ok(value) = HeaderValue::from_str(secret.expose()) {
        response.headers_mut().insert(header::AUTHORIZATION, value);
    }
    Ok(response)
}

/// Ends the session.
#[utoipa::path(
    post,
    path = "/api/v1/auth/logout",
    responses((status = 200, description = "What was asked for", body = Answer<bool>)),
)]
pub(super) async fn log_out(app: App, headers: HeaderMap) -> Reply {
    if let Some(secret) = crate::http::cookie::any_session(&headers) {
        with_accounts(&app, move |store| store.end_session(&secret)).await?;
        door(&app)?.forget();
    }
    data(true)
}

/// Who asks.
#[utoipa::path(
    get,
    path = "/api/v1/users/me",
    responses((status = 200, description = "What was asked for", body = Answer<Value>)),
)]
pub(super) async fn me(app: App) -> Reply {
    data(shown(app.caller()))
}

/// The tenants that the caller belongs to.
#[utoipa::path(
    get,
    path = "/api/v1/tenants",
    responses((status = 200, description = "What was asked for", body = Answer<Value>)),
)]
pub(super) async fn tenants(app: App) -> Reply {
    let tenants = match &app.caller().identity {
        Identity::Person(session) => {
            let id = session.person.id.clone();
            with_accounts(&app, move |store| store.memberships(&id)).await?
        }
        _ => vec![accounts::Membership { tenant: app.tenant(), role: app.caller().role }],
    };
    let shown = tenants.iter().map(|it| json!({ "tenant_id": it.tenant, "role": it.role }));
    data(shown.collect::<Vec<_>>())
}

/// The members of the caller's tenant.
#[utoipa::path(
    get,
    path = "/api/v1/tenants/{tenant}/users",
    responses((status = 200, description = "What was asked for", body = Answer<Value>)),
)]
pub(super) async fn members(app: App, Path(tenant): Path<String>) -> Reply {
    if tenant != app.tenant().as_str() {
        return Err(Refusal::forbidden("No authorization."));
    }
    let tenant = app.tenant();
    let members = with_accounts(&app, move |store| store.members(&tenant)).await?;
    data(members.iter().map(member).collect::<Vec<_>>())
}

/// The tenant's keys that open something; of each, how it begins.
#[utoipa::path(
    get,
    path = "/api/v1/system/tokens",
    responses((status = 200, description = "What was asked for", body = Answer<Value>)),
)]
pub(super) async fn tokens(app: App) -> Reply {
    let tenant = app.tenant();
    let keys = with_accounts(&app, move |store| store.keys(&tenant)).await?;
    let now = Timestamp::now();
    let open = keys.iter().filter(|key| key.status(now) == KeyStatus::Active);
    data(open.map(|key| token(key, &key.shown)).collect::<Vec<_>>())
}

/// Makes a key, which is shown once.
#[utoipa::path(
    post,
    path = "/api/v1/system/tokens",
    responses((status = 200, description = "What was asked for", body = Answer<Value>)),
)]
pub(super) async fn new_token(app: App) -> Reply {
    let made_by = match &app.caller().identity {
        Identity::Person(session) => Some(session.person.id.clone()),
        Identity::Key(key) => key.made_by.clone(),
        Identity::Local => None,
    };
    let request = KeyRequest { made_by, ..KeyRequest::new(app.tenant(), "API key") };
    let (key, secret) = with_accounts(&app, move |store| store.create_key(&request)).await?;
    data(token(&key, secret.expose()))
}

/// Revokes the key of this id or beginning, or the key itself.
#[utoipa::path(
    delete,
    path = "/api/v1/system/tokens/{token}",
    responses((status = 200, description = "What was asked for", body = Answer<Value>)),
)]
pub(super) async fn revoke_token(app: App, Path(asked): Path<String>) -> Reply {
    let tenant = app.tenant();
    let revoke = move |store: &AccountStore| revoke(store, &tenant, &asked);
    if !with_accounts(&app, revoke).await? {
        return Err(Refusal::data("Token not found"));
    }
    door(&app)?.forget();
    done()
}

fn revoke(store: &AccountStore, tenant: &TenantId, asked: &str) -> Result<bool, AccountsError> {
    if let Some(secret) = KeySecret::parse(asked) {
        let key = store.verify_key(&secret)?;
        return key.map_or(Ok(false), |key| store.revoke_key(tenant, &key.id));
    }
    let keys = store.keys(tenant)?;
    let meant = keys.iter().find(|key| key.id == asked || key.shown == asked);
    meant.map_or(Ok(false), |key| store.revoke_key(tenant, &key.id))
}

fn token(key: &ApiKey, text: &str) -> Value {
    let made = key.created_at.as_millisecond();
    json!({
        "id": key.id,
        "tenant_id": key.tenant,
        "token": text,
        "name": key.name,
        "create_time": made,
        "create_date": date(made),
    })
}

fn shown(caller: &Caller) -> Value {
    let (id, email, name) = match &caller.identity {
        Identity::Local => ("local", "", "local"),
        Identity::Key(key) => (key.id.as_str(), "", key.name.as_str()),
        Identity::Person(session) => {
            let Session { person, .. } = &**session;
            (person.id.as_str(), person.email.as_str(), person.name.as_str())
        }
    };
    json!({
        "id": id,
        "email": email,
        "nickname": name,
        "tenant_id": caller.tenant,
        "role": caller.role,
        "is_active": "1",
        "status": "1",
    })
}

fn member(member: &Member) -> Value {
    json!({
        "user_id": member.person.id,
        "email": member.person.email,
        "nickname": member.person.name,
        "role": member.role,
        "is_active": "1",
        "status": "1",
    })
}

fn door(app: &App) -> Result<&Door, Refusal> {
    app.door.as_ref().ok_or_else(no_accounts)
}

async fn with_accounts<T: Send + 'static>(
    app: &App,
    work: impl FnOnce(&AccountStore) -> Result<T, AccountsError> + Send + 'static,
) -> Result<T, Refusal> {
    Ok(door(app)?.with_store(work).await?)
}

fn no_accounts() -> Refusal {
    Refusal::data("this server asks nobody who they are; set auth.mode = \"keys\" for accounts")
}

impl From<DoorError> for Refusal {
    fn from(error: DoorError) -> Self {
        match error {
            DoorError::Accounts(
                error @ (AccountsError::Invalid(_)
                | AccountsError::WrongPassword
                | AccountsError::NoInvitation
                | AccountsError::LastAdmin),
            ) => Self::new(Self::AUTHENTICATION, error.to_string()),
            DoorError::Wait(_) => Self::new(Self::AUTHENTICATION, error.to_string()),
            DoorError::Threads(_) => Self::busy(),
            error @ DoorError::Accounts(_) => Self::internal(&error.into()),
        }
    }
}

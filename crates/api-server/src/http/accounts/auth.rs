//! Who somebody is, and how they come in.

use std::sync::Arc;

use accounts::{InvitationSecret, Membership, Person, Session};
use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rag_core::TenantId;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::super::cookie;
use super::schemas::{Begun, Me};
use super::{body, door, missing, refused, with_store};
use crate::app::App;
use crate::caller::Identity;
use crate::door::Door;
use crate::http::problem::Problem;
use crate::http::schemas::refusals::{Invalid, Missing, NoAccounts, WrongPassword};
use crate::parts::Parts;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "email": "ada@example.com", "password": "four words of hers" }))]
pub(super) struct Login {
    email: String,
    #[schema(value_type = String)]
    password: SecretString,
    /// Where to; left out: the first that the person belongs to.
    tenant: Option<TenantId>,
}

/// Begins a session, which the browser keeps in a cookie. The answer holds it, too, for programs.
#[utoipa::path(
    post,
    path = "/api/v2/auth/login",
    request_body = Login,
    responses((status = 200, description = "What was asked for", body = Begun), Invalid, WrongPassword, Missing, NoAccounts),
)]
pub(super) async fn log_in(
    State(parts): State<Arc<Parts>>,
    headers: HeaderMap,
    login: Result<Json<Login>, JsonRejection>,
) -> Result<Response, Problem> {
    let Login { email, password, tenant } = body(login)?;
    let door = door(&parts)?;
    let asked = email.clone();
    let person = door.with_password(&asked, move |store| store.log_in(&email, &password)).await;
    begin(door, person.map_err(refused)?, tenant, &headers).await
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "invitation": "clv_…", "name": "Ada", "password": "four words of hers" }))]
pub(super) struct Joining {
    invitation: String,
    /// What a new person is called.
    #[serde(default)]
    name: String,
    /// A new person's password, or the one that the person has.
    #[schema(value_type = String)]
    password: SecretString,
}

/// Follows an invitation, and begins a session there.
#[utoipa::path(
    post,
    path = "/api/v2/auth/join",
    request_body = Joining,
    responses((status = 200, description = "What was asked for", body = Begun), Invalid, WrongPassword, Missing, NoAccounts),
)]
pub(super) async fn join(
    State(parts): State<Arc<Parts>>,
    headers: HeaderMap,
    joining: Result<Json<Joining>, JsonRejection>,
) -> Result<Response, Problem> {
    let Joining { invitation, name, password } = body(joining)?;
    let door = door(&parts)?;
    let missing = || Problem::not_found(accounts::AccountsError::NoInvitation.to_string());
    let secret = InvitationSecret::parse(invitation.trim()).ok_or_else(missing)?;
    let look = secret.clone();
    let invited = door.with_store(move |store| store.invitation(&look)).await.map_err(refused)?;
    let email = invited.ok_or_else(missing)?.email;
    let joined = door.with_password(&email, move |store| store.join(&secret, &name, &password));
    let (person, membership) = joined.await.map_err(refused)?;
    begin(door, person, Some(membership.tenant), &headers).await
}

/// Ends the session.
#[utoipa::path(
    post,
    path = "/api/v2/auth/logout",
    responses((status = 204, description = "It was done"), NoAccounts),
)]
pub(super) async fn log_out(app: App, headers: HeaderMap) -> Result<Response, Problem> {
    let door = door(&app)?;
    if let Some(secret) = cookie::any_session(&headers) {
        with_store(&app, move |store| store.end_session(&secret)).await?;
        door.forget();
    }
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie::forget(&headers))]).into_response())
}

/// Who asks, and what they may do.
#[utoipa::path(
    get,
    path = "/api/v2/auth/me",
    responses((status = 200, description = "What was asked for", body = Me), NoAccounts),
)]
pub(super) async fn me(app: App) -> Result<Json<Value>, Problem> {
    let caller = app.caller();
    let mut me = json!({ "tenant": caller.tenant, "role": caller.role });
    match &caller.identity {
        Identity::Local => me["by"] = json!("local"),
        Identity::Key(key) => {
            me["by"] = json!("key");
            me["key"] = json!({ "id": key.id, "name": key.name, "scope": key.scope });
        }
        Identity::Person(session) => {
            let id = session.person.id.clone();
            let tenants = with_store(&app, move |store| store.memberships(&id)).await?;
            me["by"] = json!("session");
            me["person"] = json!(session.person);
            me["expires_at"] = json!(session.expires_at);
            me["tenants"] = json!(tenants);
        }
    }
    Ok(Json(me))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewPassword)]
pub(super) struct NewPassword {
    #[schema(value_type = String)]
    old: SecretString,
    #[schema(value_type = String)]
    new: SecretString,
}

/// Replaces the person's password. All their sessions end, this one included.
#[utoipa::path(
    post,
    path = "/api/v2/auth/password",
    request_body = NewPassword,
    responses((status = 204, description = "It was done"), Invalid, WrongPassword, NoAccounts),
)]
pub(super) async fn change_password(
    app: App,
    headers: HeaderMap,
    passwords: Result<Json<NewPassword>, JsonRejection>,
) -> Result<Response, Problem> {
    let NewPassword { old, new } = body(passwords)?;
    let session = session(&app)?;
    let (door, id) = (door(&app)?, session.person.id.clone());
    let changed = door
        .with_password(&session.person.email, move |store| store.change_password(&id, &old, &new));
    changed.await.map_err(refused)?;
    door.forget();
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie::forget(&headers))]).into_response())
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OtherTenant)]
pub(super) struct Elsewhere {
    tenant: TenantId,
}

/// Begins a session in another tenant that the person belongs to.
#[utoipa::path(
    post,
    path = "/api/v2/auth/tenant",
    request_body = Elsewhere,
    responses((status = 200, description = "What was asked for", body = Begun), Invalid, Missing, NoAccounts),
)]
pub(super) async fn change_tenant(
    app: App,
    headers: HeaderMap,
    elsewhere: Result<Json<Elsewhere>, JsonRejection>,
) -> Result<Response, Problem> {
    let Elsewhere { tenant } = body(elsewhere)?;
    let person = session(&app)?.person.clone();
    begin(door(&app)?, person, Some(tenant), &headers).await
}

/// The session that the request came with.
fn session(app: &App) -> Result<&Session, Problem> {
    match &app.caller().identity {
        Identity::Person(session) => Ok(session),
        _ => Err(Problem::conflict("only somebody who logged in can do that")),
    }
}

/// A session of the person in this tenant, or the first that they belong to.
async fn begin(
    door: &Door,
    person: Person,
    tenant: Option<TenantId>,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let asked = tenant.clone();
    let begun = door.with_store(move |store| {
        let tenants: Vec<Membership> = store.memberships(&person.id)?;
        let wanted = |it: &&Membership| tenant.as_ref().is_none_or(|tenant| it.tenant == *tenant);
        let Some(found) = tenants.iter().find(wanted) else { return Ok(None) };
        let begun = store.begin_session(&person.id, &found.tenant)?;
        Ok(begun.map(|begun| (begun, tenants)))
    });
    let begun = begun.await.map_err(refused)?;
    let ((session, secret), tenants) = begun.ok_or_else(|| match &asked {
        Some(tenant) => missing("tenant", tenant.as_str()),
        None => Problem::forbidden("you belong to no tenant any more; ask for an invitation"),
    })?;
    let cookie = cookie::keep(&secret, session.expires_at, headers);
    let shown = json!({
        "session": secret.expose(),
        "person": session.person,
        "tenant": session.tenant,
        "role": session.role,
        "expires_at": session.expires_at,
        "tenants": tenants,
    });
    Ok(([(header::SET_COOKIE, cookie)], Json(shown)).into_response())
}

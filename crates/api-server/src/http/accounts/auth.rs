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

use super::super::cookie;
use super::{body, door, missing, refused, with_store};
use crate::app::App;
use crate::caller::Identity;
use crate::door::Door;
use crate::http::problem::Problem;
use crate::parts::Parts;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Login {
    email: String,
    password: SecretString,
    /// Where to; left out: the first that the person belongs to.
    tenant: Option<TenantId>,
}

/// Begins a session, which the browser keeps in a cookie. The answer holds it, too, for programs.
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Joining {
    invitation: String,
    /// What a new person is called.
    #[serde(default)]
    name: String,
    /// A new person's password, or the one that the person has.
    password: SecretString,
}

/// Follows an invitation, and begins a session there.
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
pub(super) async fn log_out(app: App, headers: HeaderMap) -> Result<Response, Problem> {
    let door = door(&app)?;
    if let Some(secret) = cookie::any_session(&headers) {
        with_store(&app, move |store| store.end_session(&secret)).await?;
        door.forget();
    }
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie::forget(&headers))]).into_response())
}

/// Who asks, and what they may do.
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPassword {
    old: SecretString,
    new: SecretString,
}

/// Replaces the person's password. All their sessions end, this one included.
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Elsewhere {
    tenant: TenantId,
}

/// Begins a session in another tenant that the person belongs to.
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

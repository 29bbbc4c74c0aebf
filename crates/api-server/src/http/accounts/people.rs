//! `/api/v2/people` and `/api/v2/invitations`

use accounts::Role;
use axum::Json;
use axum::extract::Path;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::schemas::{Invitations, MadeInvitation, People};
use super::{body, door, missing, with_store};
use crate::app::App;
use crate::http::problem::Problem;
use crate::http::schemas::refusals::{Invalid, Missing, NoAccounts};

/// The tenant's members by address.
#[utoipa::path(
    get,
    path = "/api/v2/people",
    responses((status = 200, description = "What was asked for", body = People), NoAccounts),
)]
pub(super) async fn list(app: App) -> Result<Json<Value>, Problem> {
    let tenant = app.tenant();
    let people = with_store(&app, move |store| store.members(&tenant)).await?;
    Ok(Json(json!({ "people": people })))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RoleChange)]
pub(super) struct Change {
    role: Role,
}

/// Changes what a member may do.
#[utoipa::path(
    patch,
    path = "/api/v2/people/{id}",
    request_body = Change,
    responses((status = 204, description = "It was done"), Invalid, Missing, NoAccounts),
)]
pub(super) async fn change(
    app: App,
    Path(id): Path<String>,
    change: Result<Json<Change>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    let (tenant, asked, Change { role }) = (app.tenant(), id.clone(), body(change)?);
    let changed = with_store(&app, move |store| store.set_role(&tenant, &asked, role)).await?;
    ended(&app, changed, &id)
}

/// Lets a member belong to the tenant no more. Their sessions end, and the keys that they made are revoked.
#[utoipa::path(
    delete,
    path = "/api/v2/people/{id}",
    responses((status = 204, description = "It was done"), Missing, NoAccounts),
)]
pub(super) async fn remove(app: App, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    let (tenant, asked) = (app.tenant(), id.clone());
    let removed = with_store(&app, move |store| store.remove_member(&tenant, &asked)).await?;
    ended(&app, removed, &id)
}

fn ended(app: &App, is_member: bool, id: &str) -> Result<StatusCode, Problem> {
    if !is_member {
        return Err(missing("member", id));
    }
    door(app)?.forget();
    Ok(StatusCode::NO_CONTENT)
}

/// The tenant's open invitations, oldest first, all but their secrets.
#[utoipa::path(
    get,
    path = "/api/v2/invitations",
    responses((status = 200, description = "What was asked for", body = Invitations), NoAccounts),
)]
pub(super) async fn invitations(app: App) -> Result<Json<Value>, Problem> {
    let tenant = app.tenant();
    let invitations = with_store(&app, move |store| store.invitations(&tenant)).await?;
    Ok(Json(json!({ "invitations": invitations })))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewInvitation, example = json!({ "email": "ada@example.com", "role": "member" }))]
pub(super) struct Invited {
    email: String,
    #[serde(default)]
    role: Role,
}

/// Invites somebody. The answer holds the invitation, to be given to that person, and nothing else ever does: the server sends
/// no mail.
#[utoipa::path(
    post,
    path = "/api/v2/invitations",
    request_body = Invited,
    responses((status = 201, description = "It was made", body = MadeInvitation), Invalid, NoAccounts),
)]
pub(super) async fn invite(
    app: App,
    invited: Result<Json<Invited>, JsonRejection>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let (tenant, Invited { email, role }) = (app.tenant(), body(invited)?);
    let made = with_store(&app, move |store| store.invite(&tenant, &email, role)).await?;
    let (invitation, secret) = made;
    let mut shown = json!(invitation);
    shown["invitation"] = json!(secret.expose());
    Ok((StatusCode::CREATED, Json(shown)))
}

/// Takes an invitation back.
#[utoipa::path(
    delete,
    path = "/api/v2/invitations/{id}",
    responses((status = 204, description = "It was done"), Missing, NoAccounts),
)]
pub(super) async fn withdraw(app: App, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    let (tenant, asked) = (app.tenant(), id.clone());
    match with_store(&app, move |store| store.withdraw(&tenant, &asked)).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(missing("invitation", &id)),
    }
}

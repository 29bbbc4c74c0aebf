//! Sessions: made, listed, renamed, deleted.

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use bytes::Bytes;
use rag_core::{Session, SessionId, SessionPage};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::super::problem::Problem;
use super::{body, id, missing, query, with_store};
use crate::app::App;
use crate::conversations::{new_session, title};
use crate::dialogs;
use crate::http::schemas::native;
use crate::http::schemas::refusals::{Failures, Invalid, Missing};

/// Sessions on a page, unless asked for otherwise, and at most.
const PAGE: usize = 50;
const MOST: usize = 500;

/// What a session is to be called.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SessionTitle, example = json!({ "title": "Tea" }))]
pub(super) struct Titled {
    title: Option<String>,
}

/// Makes an empty session with a dialog.
#[utoipa::path(
    post,
    path = "/api/v2/dialogs/{name}/sessions",
    request_body = Option<Titled>,
    responses((status = 201, description = "It was made", body = Session), Invalid, Failures),
)]
pub(super) async fn create(
    app: App,
    Path(dialog): Path<String>,
    titled: Bytes,
) -> Result<(StatusCode, Json<Session>), Problem> {
    let titled = match titled.is_empty() {
        true => Titled::default(),
        false => serde_json::from_slice::<Titled>(&titled)
            .map_err(|error| Problem::invalid(error.to_string()))?,
    };
    let found = dialogs::find(&app, &dialog).await.map_err(|error| Problem::model(&error))?;
    if found.is_none() {
        return Err(missing("dialog", &dialog));
    }
    let session = new_session(&app, dialog, &titled.title.unwrap_or_default());
    let made = session.clone();
    with_store(&app, move |store| store.create_session(&made)).await?;
    Ok((StatusCode::CREATED, Json(session)))
}

/// Which sessions are meant.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    dialog: Option<String>,
    /// The `next` of the page before.
    #[param(pattern = "^[0-9]{1,18}-[A-Za-z0-9_-]{1,64}$")]
    after: Option<String>,
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<usize>,
}

/// The tenant's sessions, the one updated last first.
#[utoipa::path(
    get,
    path = "/api/v2/sessions",
    params(Asked),
    responses((status = 200, description = "What was asked for", body = native::Sessions), Invalid),
)]
pub(super) async fn list(
    app: App,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let Asked { dialog, after, limit } = query(asked)?;
    let limit = limit.unwrap_or(PAGE);
    if !(1..=MOST).contains(&limit) {
        return Err(Problem::invalid(format!("`limit` lies between 1 and {MOST}")));
    }
    let after = after.as_deref().map(place).transpose()?;
    let (tenant, page) = (app.tenant(), SessionPage { dialog, after, limit: limit + 1 });
    let mut sessions = with_store(&app, move |store| store.sessions(&tenant, &page)).await?;
    let is_more = sessions.len() > limit;
    sessions.truncate(limit);
    let next = sessions.last().filter(|_| is_more);
    let next = next.map(|session| format!("{}-{}", session.updated_at, session.id));
    Ok(Json(json!({ "sessions": sessions, "next": next })))
}

/// What `next` of a page says: time and id.
fn place(text: &str) -> Result<(i64, SessionId), Problem> {
    let read =
        text.split_once('-').and_then(|(time, id)| Some((time.parse().ok()?, id.parse().ok()?)));
    read.ok_or_else(|| Problem::invalid("`after` is what `next` of the page before said"))
}

/// One session.
#[utoipa::path(
    get,
    path = "/api/v2/sessions/{id}",
    responses((status = 200, description = "What was asked for", body = Session), Missing),
)]
pub(super) async fn one(app: App, Path(asked): Path<String>) -> Result<Json<Session>, Problem> {
    let (tenant, session) = (app.tenant(), id::<SessionId>("session", &asked)?);
    let found = with_store(&app, move |store| store.session(&tenant, &session)).await?;
    found.map(Json).ok_or_else(|| missing("session", &asked))
}

/// The other title of a session.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SessionRenaming, example = json!({ "title": "Tea" }))]
#[allow(dead_code, reason = "it only describes")]
struct Renamed {
    #[schema(pattern = r"\S")]
    title: String,
}

/// Gives a session another title.
#[utoipa::path(
    patch,
    path = "/api/v2/sessions/{id}",
    request_body = Renamed,
    responses((status = 200, description = "What was asked for", body = Session), Invalid, Missing),
)]
pub(super) async fn rename(
    app: App,
    Path(asked): Path<String>,
    titled: Result<Json<Titled>, JsonRejection>,
) -> Result<Json<Session>, Problem> {
    let session: SessionId = id("session", &asked)?;
    let Some(new) =
        body(titled)?.title.map(|given| title(&given)).filter(|title| !title.is_empty())
    else {
        return Err(Problem::invalid("`title` is missing or blank"));
    };
    let tenant = app.tenant();
    let renamed = with_store(&app, move |store| {
        store.rename_session(&tenant, &session, &new)?;
        store.session(&tenant, &session)
    });
    renamed.await?.map(Json).ok_or_else(|| missing("session", &asked))
}

/// Stops a session's turns, and deletes it with all of them.
#[utoipa::path(
    delete,
    path = "/api/v2/sessions/{id}",
    responses((status = 204, description = "It was done"), Missing),
)]
pub(super) async fn delete(app: App, Path(asked): Path<String>) -> Result<StatusCode, Problem> {
    let (tenant, session) = (app.tenant(), id::<SessionId>("session", &asked)?);
    app.conversations.stop_session(&tenant, &session);
    match with_store(&app, move |store| store.delete_session(&tenant, &session)).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(missing("session", &asked)),
    }
}

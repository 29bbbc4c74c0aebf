//! Turns as they are kept: read, judged, stopped.

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use rag_core::{Feedback, SessionId, TurnId};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::super::problem::Problem;
use super::{body, id, missing, query, with_store};
use crate::app::App;
use crate::conversations::shown;
use crate::http::schemas::native;
use crate::http::schemas::refusals::{Invalid, Missing};

/// Turns on a page, unless asked for otherwise, and at most.
const PAGE: usize = 50;
const MOST: usize = 200;

/// The most bytes of a comment.
const MOST_COMMENT: usize = 8_192;

/// Which turns are meant.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    after: Option<String>,
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<usize>,
}

/// The turns of a session as they were asked. Those with the same `parent` are branches.
#[utoipa::path(
    get,
    path = "/api/v2/sessions/{id}/turns",
    params(Asked),
    responses((status = 200, description = "What was asked for", body = native::Turns), Invalid, Missing),
)]
pub(super) async fn list(
    app: App,
    Path(session): Path<String>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let Asked { after, limit } = query(asked)?;
    let limit = limit.unwrap_or(PAGE);
    if !(1..=MOST).contains(&limit) {
        return Err(Problem::invalid(format!("`limit` lies between 1 and {MOST}")));
    }
    let after = after.as_deref().map(|after| id::<TurnId>("turn", after)).transpose()?;
    let (tenant, meant) = (app.tenant(), id::<SessionId>("session", &session)?);
    let found = with_store(&app, move |store| {
        let Some(session) = store.session(&tenant, &meant)? else { return Ok(None) };
        let mut turns = store.turns(&tenant, &session.id, after.as_ref(), limit + 1)?;
        let is_more = turns.len() > limit;
        turns.truncate(limit);
        let next = turns.last().filter(|_| is_more).map(|turn| turn.id.clone());
        // Passages make them large, so here and not on the runtime.
        let turns: Vec<Value> = turns.iter().map(shown).collect();
        Ok(Some(json!({ "session": session, "turns": turns, "next": next })))
    });
    found.await?.map(Json).ok_or_else(|| missing("session", &session))
}

/// One turn, with how its answer came about.
#[utoipa::path(
    get,
    path = "/api/v2/turns/{id}",
    responses((status = 200, description = "What was asked for", body = native::Turn), Missing),
)]
pub(super) async fn one(app: App, Path(asked): Path<String>) -> Result<Json<Value>, Problem> {
    let (tenant, turn) = (app.tenant(), id::<TurnId>("turn", &asked)?);
    let found = with_store(&app, move |store| store.turn(&tenant, &turn)).await?;
    found.map(|turn| Json(shown(&turn))).ok_or_else(|| missing("turn", &asked))
}

/// What is thought of an answer; `null` takes it back.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Judgement, example = json!({ "feedback": { "helpful": true } }))]
pub(super) struct Judged {
    #[serde(deserialize_with = "present")]
    #[schema(required)]
    feedback: Option<Feedback>,
}

/// A field that may be `null`, but not missing.
fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Feedback>, D::Error> {
    Option::deserialize(from)
}

/// Notes what a reader thinks of an answer.
#[utoipa::path(
    patch,
    path = "/api/v2/turns/{id}",
    request_body = Judged,
    responses((status = 200, description = "What was asked for", body = native::Turn), Invalid, Missing),
)]
pub(super) async fn judge(
    app: App,
    Path(asked): Path<String>,
    judged: Result<Json<Judged>, JsonRejection>,
) -> Result<Json<Value>, Problem> {
    let (tenant, turn) = (app.tenant(), id::<TurnId>("turn", &asked)?);
    let Judged { feedback } = body(judged)?;
    let comment = feedback.as_ref().and_then(|feedback| feedback.comment.as_ref());
    if comment.is_some_and(|comment| comment.len() > MOST_COMMENT) {
        return Err(Problem::invalid(format!("`comment` has {MOST_COMMENT} bytes at most")));
    }
    let noted = with_store(&app, move |store| {
        store.set_feedback(&tenant, &turn, feedback.as_ref())?;
        store.turn(&tenant, &turn)
    });
    noted.await?.map(|turn| Json(shown(&turn))).ok_or_else(|| missing("turn", &asked))
}

/// Ends a turn where it is. One that has ended stays as it is.
#[utoipa::path(
    delete,
    path = "/api/v2/turns/{id}",
    responses((status = 204, description = "It is stopped, or had ended"), Missing),
)]
pub(super) async fn stop(app: App, Path(asked): Path<String>) -> Result<StatusCode, Problem> {
    let (tenant, turn) = (app.tenant(), id::<TurnId>("turn", &asked)?);
    if let Some(live) = app.conversations.live(&tenant, &turn) {
        live.stop();
        return Ok(StatusCode::NO_CONTENT);
    }
    match with_store(&app, move |store| store.turn(&tenant, &turn)).await? {
        Some(_) => Ok(StatusCode::NO_CONTENT),
        None => Err(missing("turn", &asked)),
    }
}

//! `GET /api/v2/turns`: what was asked last, in any session.

use axum::Json;
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use dialog_service::{Stage, TurnRecord};
use rag_core::SavedTurn;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use super::super::problem::Problem;
use super::{query, with_store};
use crate::app::App;
use crate::http::schemas::refusals::Invalid;

/// Turns that are told, unless asked for otherwise, and at most.
const SOME: usize = 20;
const MOST: usize = 100;

/// How many are wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<usize>,
}

/// Turns in short.
#[derive(ToSchema)]
#[allow(dead_code)]
struct LatestTurns {
    turns: Vec<Value>,
}

/// The tenant's turns that were asked last, the latest first, each in short.
#[utoipa::path(
    get,
    path = "/api/v2/turns",
    params(Asked),
    responses((status = 200, description = "What was asked for", body = LatestTurns), Invalid),
)]
pub(super) async fn list(
    app: App,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let limit = query(asked)?.limit.unwrap_or(SOME);
    if !(1..=MOST).contains(&limit) {
        return Err(Problem::invalid(format!("`limit` lies between 1 and {MOST}")));
    }
    let tenant = app.tenant();
    let turns = with_store(&app, move |store| {
        // Records are large, so they are read here and not on the runtime.
        let turns: Vec<Value> = store.latest_turns(&tenant, limit)?.iter().map(in_short).collect();
        Ok(turns)
    });
    Ok(Json(json!({ "turns": turns.await? })))
}

fn in_short(turn: &SavedTurn) -> Value {
    let record: TurnRecord = serde_json::from_str(&turn.record).unwrap_or_default();
    let seconds = record.done.as_ref().and_then(|done| done.timings.get(&Stage::Total));
    let cost: f64 = record.spent.iter().filter_map(|spent| spent.cost).sum();
    json!({
        "id": turn.id,
        "session": turn.session,
        "status": turn.status,
        "question": turn.question,
        "model": record.model,
        "asked_at": turn.asked_at,
        "seconds": seconds.map(std::time::Duration::as_secs_f64),
        "cost": cost,
    })
}

//! Responses that are kept: reading and deleting them.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use llm_core::Operation;
use llm_providers::openai::RequestError;
use llm_providers::openai::responses::server::listed_items;
use response_store::StoredResponse;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::schemas::refusals::ModelFailures;
use super::super::schemas::responses::ModelResponse;
use super::{Failure, failed, going_on, whose};
use crate::app::App;

/// Items of a page.
const MOST_ITEMS: usize = 100;

/// How a response is read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in super::super) struct Reading {
    stream: Option<String>,
}

/// Which items are listed.
#[derive(Debug, Deserialize)]
#[serde(default)]
pub(in super::super) struct Page {
    limit: usize,
    order: Order,
    after: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Order {
    Asc,
    Desc,
}

impl Default for Page {
    fn default() -> Self {
        Self { limit: 20, order: Order::Desc, after: None }
    }
}

/// The response object, as it was when it was answered.
#[utoipa::path(
    get,
    path = "/v1/responses/{id}",
    responses((status = 200, description = "What was asked for", body = ModelResponse), ModelFailures),
)]
pub(in super::super) async fn retrieve(
    app: App,
    Path(id): Path<String>,
    Query(reading): Query<Reading>,
) -> Result<Response, Failure> {
    if reading.stream.is_some_and(|stream| stream == "true") {
        let problem = "is not supported: responses are whole when they are kept";
        return Err(RequestError::at("stream", problem).into());
    }
    let response = app.responses.find(whose(&app), id.clone()).await.map_err(failed)?;
    let StoredResponse { body, .. } = response.ok_or_else(|| missing(&id))?;
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// Removes the response. What goes on from it stays, and cannot be gone on from any more.
#[utoipa::path(
    delete,
    path = "/v1/responses/{id}",
    responses((status = 200, description = "It was done", body = Value), ModelFailures),
)]
pub(in super::super) async fn delete(
    app: App,
    Path(id): Path<String>,
) -> Result<Json<Value>, Failure> {
    match app.responses.delete(whose(&app), id.clone()).await.map_err(failed)? {
        true => Ok(Json(json!({ "id": id, "object": "response", "deleted": true }))),
        false => Err(missing(&id)),
    }
}

/// All that the response was an answer to: what came before it, and its own input.
#[utoipa::path(
    get,
    path = "/v1/responses/{id}/input_items",
    params(
        ("after" = Option<String>, Query, description = "The id of the item before the first"),
        ("limit" = Option<u32>, Query, description = "The most items"),
        ("order" = Option<String>, Query, description = "`asc` or `desc`"),
    ),
    responses((status = 200, description = "What was asked for", body = Value), ModelFailures),
)]
pub(in super::super) async fn input(
    app: App,
    Path(id): Path<String>,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Json<Value>, Failure> {
    let Query(page) = page.map_err(|rejection| Failure::invalid(&rejection.body_text()))?;
    if !(1..=MOST_ITEMS).contains(&page.limit) {
        let problem = format!("lies between 1 and {MOST_ITEMS}");
        return Err(RequestError::at("limit", problem).into());
    }
    let conversation = going_on::conversation(&app, &id).await?.ok_or_else(|| missing(&id))?;
    let list = app.on_thread(Operation::Chat, move || {
        let items = items(conversation)?;
        paged(items, &page)
    });
    Ok(Json(list.await??))
}

fn items(mut conversation: Vec<StoredResponse>) -> Result<Vec<Value>, RequestError> {
    let Some(last) = conversation.pop() else { return Ok(Vec::new()) };
    let mut items = going_on::items(&conversation)?;
    items.extend(going_on::list(&last.input)?);
    let seed = last.id.strip_prefix("resp_").unwrap_or(&last.id);
    Ok(listed_items(items, seed))
}

fn paged(mut items: Vec<Value>, page: &Page) -> Result<Value, RequestError> {
    if page.order == Order::Desc {
        items.reverse();
    }
    let begin = match &page.after {
        None => 0,
        Some(after) => {
            let place = items.iter().position(|item| item["id"] == after.as_str());
            place.ok_or_else(|| RequestError::at("after", "names no item of the response"))? + 1
        }
    };
    let rest = items.split_off(begin);
    let has_more = rest.len() > page.limit;
    let data: Vec<Value> = rest.into_iter().take(page.limit).collect();
    let id = |item: Option<&Value>| item.map(|item| item["id"].clone());
    Ok(json!({
        "object": "list",
        "first_id": id(data.first()),
        "last_id": id(data.last()),
        "has_more": has_more,
        "data": data,
    }))
}

fn missing(id: &str) -> Failure {
    let shown: String = id.chars().take(80).collect();
    Failure::not_found(&format!("there is no response `{shown}`, or it is not kept any more"))
}

//! `POST /api/v2/search`: retrieval alone, with what each score is made of.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use rag_retrieve::Retrieval;

use super::problem::Problem;
use crate::app::App;
use crate::http::schemas::refusals::{Invalid, Missing};
use crate::search::{SearchError, SearchSpec, search};

/// Passages for a question.
#[utoipa::path(
    post,
    path = "/api/v2/search",
    request_body = SearchSpec,
    responses((status = 200, description = "What was asked for", body = Retrieval), Invalid, Missing),
)]
pub(super) async fn passages(
    app: App,
    spec: Result<Json<SearchSpec>, JsonRejection>,
) -> Result<Json<Retrieval>, Problem> {
    let Json(spec) = spec.map_err(|rejection| Problem::invalid(rejection.body_text()))?;
    let bundle = app.bundle.clone();
    search(&app, &bundle, spec).await.map(Json).map_err(|error| match error {
        SearchError::Invalid(detail) => Problem::invalid(detail),
        SearchError::NotFound(detail) => Problem::not_found(detail),
        SearchError::Failed(error) => Problem::internal(&error),
    })
}

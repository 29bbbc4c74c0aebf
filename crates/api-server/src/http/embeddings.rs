//! `POST /v1/embeddings`, in the OpenAI dialect.

use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use llm_core::{ErrorKind, ModelError, ModelKind, Operation};
use llm_providers::openai::server::{embeddings_body, parse_embedding_request};

use super::cache::Caching;
use super::schemas::chat::CacheHeader;
use super::schemas::models::{Embeddings, EmbeddingsRequest};
use super::schemas::refusals::ModelFailures;
use super::{Failure, answer};
use crate::app::App;

const OPERATION: Operation = Operation::Embed;

/// Embeds the inputs. Parsing and writing run on a thread, since both grow with the number of inputs.
#[utoipa::path(
    post,
    path = "/v1/embeddings",
    params(CacheHeader),
    request_body = EmbeddingsRequest,
    responses((status = 200, description = "What was asked for", body = Embeddings), ModelFailures),
)]
pub(super) async fn create(
    app: App,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Failure> {
    let caching = Caching::of(&headers, &app.config.cache, ModelKind::Embedding)?;
    let body = answer::read(body)?;
    let incoming = app.on_thread(OPERATION, move || parse_embedding_request(&body)).await??;
    let name = incoming.request.model.clone();
    let response = caching.bundle(&app.bundle).embed(incoming.request).await?;
    let encoding = incoming.encoding;
    let text =
        app.on_thread(OPERATION, move || embeddings_body(&response, &name, encoding)).await?;
    let text = text.map_err(|error| {
        ModelError::new(ErrorKind::Malformed, OPERATION, "the model gave no finite vector")
            .with_source(error)
    })?;
    let mut response = ([(header::CONTENT_TYPE, "application/json")], text).into_response();
    caching.announce(response.headers_mut());
    Ok(response)
}

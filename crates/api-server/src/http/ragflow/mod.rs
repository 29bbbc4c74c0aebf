//! `/api/v1`: RAGFlow's HTTP API, translated to our own services. Nothing below knows of it. `docs/ragflow.md` lists what is
//! spoken, and what is not.

mod accounts;
mod asking;
mod caller;
mod chat_datasets;
mod chat_shape;
mod chats;
mod chunk_shape;
mod chunks;
mod completions;
mod dataset_shape;
mod datasets;
mod document_shape;
mod documents;
mod envelope;
mod fields;
mod marked;
mod metadata_condition;
mod model_names;
mod names;
mod openai;
mod paging;
mod parser_config;
mod parsing;
mod prompt_template;
mod related;
mod retrieval;
mod sessions;
mod system;
mod uploads;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post, put};
use rag_core::StoreError;
use rag_store::EmbeddedStore;

use crate::app::App;
use crate::parts::Parts;
use envelope::Refusal;

/// What is told of parts of the dialect that are not spoken, by the beginning of their addresses.
const NOT_SPOKEN: [(&str, &str); 21] = [
    ("agents", "agents"),
    ("agentbots", "agents"),
    ("agents_openai", "agents"),
    ("canvas", "agents"),
    ("memories", "memories"),
    ("messages", "memories"),
    ("workspaces", "workspaces"),
    ("workspace-files", "workspaces"),
    ("files", "files apart from datasets"),
    ("file", "files apart from datasets"),
    ("searches", "search apps"),
    ("searchbots", "search apps"),
    ("chatbots", "embedded chats"),
    ("chat-channels", "channels"),
    ("connectors", "connectors"),
    ("mcp", "servers of tools over this API"),
    ("plugin", "plugins"),
    ("langfuse", "Langfuse's keys"),
    ("providers", "providers over this API: they are in the configuration, and"),
    ("compilation-templates", "compilation templates"),
    ("compilation-template-groups", "compilation templates"),
];

/// A request that brings no key that opens the server.
pub(super) fn unauthorized() -> Response {
    Refusal::unauthorized().into_response()
}

/// A request of somebody who may not do that.
pub(super) fn forbidden(reason: &str) -> Response {
    Refusal::forbidden(reason).into_response()
}

/// A request whose key nobody could look up.
pub(super) fn busy() -> Response {
    Refusal::busy().into_response()
}

/// What a request gets whose body did not arrive in time.
pub(super) fn too_slow() -> Response {
    Refusal::too_slow().into_response()
}

/// The addresses of the dialect.
pub(super) fn routes(most_body_bytes: usize) -> Router<Arc<Parts>> {
    let mut routes = Router::new()
        .merge(dataset_routes())
        .merge(chunk_routes())
        .merge(chat_routes())
        .merge(system_routes());
    for (address, _) in NOT_SPOKEN {
        for path in [format!("/api/v1/{address}"), format!("/api/v1/{address}/{{*rest}}")] {
            routes = routes.route(&path, any(not_spoken));
        }
    }
    routes
        .route("/api/v1/{*rest}", any(unknown))
        .layer(DefaultBodyLimit::max(most_body_bytes))
        .method_not_allowed_fallback(async || {
            Refusal::new(Refusal::EXCEPTION, "<MethodNotAllowed '405: Method Not Allowed'>")
        })
}

fn dataset_routes() -> Router<Arc<Parts>> {
    const DOCUMENT: &str = "/api/v1/datasets/{dataset}/documents/{document}";
    // Files are written as they come, each bounded by itself.
    let upload = post(uploads::upload).layer(DefaultBodyLimit::disable());
    Router::new()
        .route(
            "/api/v1/datasets",
            post(datasets::create).get(datasets::list).delete(datasets::delete),
        )
        .route("/api/v1/datasets/{dataset}", get(datasets::one).put(datasets::update))
        .route(
            "/api/v1/datasets/{dataset}/documents",
            get(documents::list).delete(documents::delete).merge(upload),
        )
        .route(
            DOCUMENT,
            get(documents::download_in).put(documents::update).patch(documents::update),
        )
        .route(
            "/api/v1/datasets/{dataset}/documents/batch-update-status",
            post(documents::update_status),
        )
        .route("/api/v1/datasets/{dataset}/documents/parse", post(parsing::parse))
        .route("/api/v1/datasets/{dataset}/documents/stop", post(parsing::stop))
        .route("/api/v1/documents/{document}", get(documents::download))
        .route("/api/v1/document/download/{document}", get(documents::download))
        .route("/api/v1/document/get/{document}", get(documents::download))
}

fn chunk_routes() -> Router<Arc<Parts>> {
    const CHUNKS: &str = "/api/v1/datasets/{dataset}/documents/{document}/chunks";
    const CHUNK: &str = "/api/v1/datasets/{dataset}/documents/{document}/chunks/{chunk}";
    Router::new()
        .route("/api/v1/datasets/{dataset}/chunks", post(parsing::parse).delete(parsing::stop))
        .route(
            CHUNKS,
            get(chunks::list)
                .post(chunks::add)
                .patch(chunks::update_availability)
                .delete(chunks::delete),
        )
        .route(CHUNK, get(chunks::one).put(chunks::update).patch(chunks::update))
        .route("/api/v1/retrieval", post(retrieval::retrieve))
        .route("/api/v1/datasets/search", post(retrieval::retrieve))
}

fn chat_routes() -> Router<Arc<Parts>> {
    const SESSION: &str = "/api/v1/chats/{chat}/sessions/{session}";
    Router::new()
        .route("/api/v1/chats", post(chats::create).get(chats::list).delete(chats::delete))
        .route(
            "/api/v1/chats/{chat}",
            get(chats::one).put(chats::update).patch(chats::update).delete(chats::delete_one),
        )
        .route(
            "/api/v1/chats/{chat}/sessions",
            post(sessions::create).get(sessions::list).delete(sessions::delete),
        )
        .route(SESSION, get(sessions::one).put(sessions::update).patch(sessions::update))
        .route(
            "/api/v1/chats/{chat}/sessions/{session}/messages/{message}",
            axum::routing::delete(sessions::delete_message),
        )
        .route(
            "/api/v1/chats/{chat}/sessions/{session}/messages/{message}/feedback",
            put(sessions::judge),
        )
        .route("/api/v1/chats/{chat}/completions", post(completions::of_chat))
        .route("/api/v1/chat/completions", post(completions::of_body))
        .route("/api/v1/openai/{chat}/chat/completions", post(openai::completions))
        .route("/api/v1/chats_openai/{chat}/chat/completions", post(openai::completions))
        .route("/api/v1/chat/recommendation", post(related::questions))
        .route("/api/v1/sessions/related_questions", post(related::questions))
}

fn system_routes() -> Router<Arc<Parts>> {
    Router::new()
        .route("/api/v1/auth/login", post(accounts::log_in))
        .route("/api/v1/auth/logout", post(accounts::log_out))
        .route("/api/v1/users/me", get(accounts::me))
        .route("/api/v1/tenants", get(accounts::tenants))
        .route("/api/v1/tenants/{tenant}/users", get(accounts::members))
        .route("/api/v1/system/tokens", get(accounts::tokens).post(accounts::new_token))
        .route("/api/v1/system/tokens/{token}", axum::routing::delete(accounts::revoke_token))
        .route("/api/v1/system/ping", get(system::ping))
        .route("/api/v1/system/version", get(system::version))
        .route("/api/v1/system/healthz", get(system::health))
        .route("/v1/system/healthz", get(system::health))
        .route("/api/v1/system/status", get(system::status))
        .route("/api/v1/system/config", get(system::config))
        .route("/api/v1/models", get(system::models))
        .route("/api/v1/models/default", get(system::default_models))
}

/// A part of the dialect that is known, and not spoken.
async fn not_spoken(uri: Uri) -> Refusal {
    let first = uri.path().trim_start_matches("/api/v1/").split('/').next().unwrap_or_default();
    let known = NOT_SPOKEN.iter().find(|(address, _)| *address == first);
    known.map_or_else(|| Refusal::no_address(uri.path()), |(_, what)| Refusal::unsupported(what))
}

async fn unknown(uri: Uri) -> Refusal {
    Refusal::no_address(uri.path())
}

/// Runs work of the store on a thread of the callers.
async fn with_store<T: Send + 'static>(
    app: &App,
    work: impl FnOnce(&EmbeddedStore) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Refusal> {
    let store = app.store.clone();
    Ok(app.callers.run(move || work(&store)).await??)
}

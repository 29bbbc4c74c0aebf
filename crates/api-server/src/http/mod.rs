//! The HTTP surfaces.

mod accounts;
mod admission;
mod answer;
mod authenticate;
mod cache;
mod chat;
mod connections;
mod conversations;
mod cookie;
mod embeddings;
mod failure;
mod knowledge;
mod messages;
mod models;
mod observe;
mod operations;
mod page;
mod permission;
mod problem;
mod providers;
mod ragflow;
mod rerank;
mod responses;
mod search;
mod sse;
mod trace;
mod unsupported;
mod usage;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};
use tower_http::catch_panic::CatchPanicLayer;

use crate::parts::Parts;
use failure::Failure;

pub(crate) use admission::{PlaceLimits, Places};
pub use connections::Shutdown;
pub(crate) use connections::{ConnectionLimits, Endpoint, serve};

/// Everything that is reachable. Clones share the application.
pub(crate) fn router(app: Arc<Parts>) -> Router {
    let limit = app.current.load().config.server.max_body_bytes;
    let openai = Router::new()
        .route("/v1/chat/completions", post(chat::completions))
        .route("/v1/responses", post(responses::create))
        .route("/v1/embeddings", post(embeddings::create))
        .route("/v1/rerank", post(rerank::create))
        .route("/v1/models", get(models::list))
        .route("/v1/models/{*id}", get(models::one))
        .layer(DefaultBodyLimit::max(limit))
        .layer(from_fn_with_state(app.clone(), admission::admit));
    let anthropic = Router::new()
        .route("/v1/messages", post(messages::create))
        .route("/v1/messages/count_tokens", post(messages::count_tokens))
        .layer(DefaultBodyLimit::max(limit))
        .layer(from_fn_with_state(app.clone(), admission::admit));
    let native = Router::new()
        .merge(accounts::routes())
        .merge(providers::routes())
        .merge(knowledge::routes())
        .merge(conversations::routes())
        .route("/api/v2/search", post(search::passages))
        .route("/api/v2/usage", get(usage::sums))
        .route("/api/v2/usage/latency", get(usage::latency))
        .route("/api/v2/usage/records", get(usage::records))
        .layer(DefaultBodyLimit::max(limit))
        .layer(from_fn_with_state(app.clone(), admission::admit));
    let ragflow = ragflow::routes(limit).layer(from_fn_with_state(app.clone(), admission::admit));
    let pages = Router::new()
        .route("/", get(page::index))
        .route("/{file}", get(page::file))
        .route("/assets/{*file}", get(page::hashed))
        .layer(from_fn(page::security_headers));
    Router::new()
        .merge(openai)
        .merge(anthropic)
        .merge(native)
        .merge(ragflow)
        .merge(operations())
        .merge(pages)
        .fallback(async || Failure::not_found("there is nothing at this address"))
        .method_not_allowed_fallback(async || Failure::method_not_allowed())
        .layer(CatchPanicLayer::custom(|_| Failure::internal().into()))
        .layer(from_fn_with_state(app.clone(), authenticate::authenticate))
        .layer(from_fn_with_state(app.clone(), observe::refuse_other_sites))
        .layer(from_fn_with_state(app.clone(), observe::observe))
        .layer(from_fn_with_state(app.clone(), trace::trace))
        .with_state(app)
}

/// What orchestrators and Prometheus ask.
fn operations() -> Router<Arc<Parts>> {
    Router::new()
        .route("/healthz", get(operations::alive))
        .route("/readyz", get(operations::ready))
        .route("/metrics", get(operations::metrics))
}

/// The same alone, for an address of its own, where nobody is asked for a key.
pub(crate) fn operations_router(app: Arc<Parts>, address: SocketAddr) -> Router {
    let nothing = "there is nothing at this address; it has /metrics, /healthz and /readyz";
    let router = operations().fallback(async move || Failure::not_found(nothing));
    // Whoever may reach another address is the operator's choice.
    let router = match address.ip().is_loopback() {
        true => router.layer(from_fn_with_state(app.clone(), observe::refuse_other_sites)),
        false => router,
    };
    router.with_state(app)
}

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
mod dialect;
mod embeddings;
mod failure;
mod knowledge;
mod mcp;
mod messages;
mod models;
mod observe;
mod openapi;
mod operations;
mod page;
mod permission;
mod problem;
mod providers;
mod ragflow;
mod rerank;
mod responses;
mod schemas;
mod search;
mod speech;
mod sse;
mod trace;
mod transcription;
mod unsupported;
mod usage;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::Uri;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::get;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::routes;

use crate::parts::Parts;
use dialect::{Dialect, Refused};
use failure::Failure;
use openapi::{Described, Surface, tagged};

pub(crate) use admission::{PlaceLimits, Places};
pub use connections::Shutdown;
pub(crate) use connections::{ConnectionLimits, Endpoint, serve};
pub(crate) use schemas::native::WrittenFilter;

/// Everything that is reachable. Clones share the application.
pub(crate) fn router(app: Arc<Parts>) -> Router {
    let pages = Router::new()
        .route("/", get(page::index))
        .route("/{file}", get(page::file))
        .route("/assets/{*file}", get(page::hashed))
        .layer(from_fn(page::security_headers))
        .merge(openapi::pages());
    // It bounds its bodies itself.
    let mcp = tools().split_for_parts().0;
    let mcp = mcp.layer(from_fn_with_state(app.clone(), admission::admit));
    let mut all = Router::new().merge(operations().split_for_parts().0).merge(pages).merge(mcp);
    for Surface { dialect, routes } in surfaces() {
        all = all.merge(served(dialect, routes, app.clone()));
    }
    all.fallback(async |uri: Uri| refused(&uri, Refused::NotFound))
        .method_not_allowed_fallback(async |uri: Uri| refused(&uri, Refused::MethodNotAllowed))
        .layer(CatchPanicLayer::custom(|_| Failure::internal().into()))
        .layer(from_fn_with_state(app.clone(), authenticate::authenticate))
        .layer(from_fn_with_state(app.clone(), observe::refuse_other_sites))
        .layer(from_fn_with_state(app.clone(), observe::observe))
        .layer(from_fn_with_state(app.clone(), trace::trace))
        .with_state(app)
}

fn refused(uri: &Uri, why: Refused) -> Response {
    Dialect::of(uri.path()).refuse(uri.path(), why)
}

/// The description of everything that is reachable, as JSON text.
pub(crate) fn description() -> &'static str {
    openapi::text()
}

/// What answers callers, by dialect. All of it is described: `GET /openapi.json`.
fn surfaces() -> [Surface; 4] {
    let openai = Described::new()
        .routes(routes!(chat::completions))
        .routes(routes!(responses::create))
        .routes(routes!(responses::kept::retrieve, responses::kept::delete))
        .routes(routes!(responses::kept::input))
        .routes(routes!(embeddings::create))
        .routes(routes!(rerank::create))
        .routes(routes!(speech::create))
        .routes(routes!(transcription::transcribe))
        .routes(routes!(transcription::translate))
        .routes(routes!(models::list))
        .routes(routes!(models::one));
    let anthropic =
        Described::new().routes(routes!(messages::create)).routes(routes!(messages::count_tokens));
    let usage = Described::new()
        .routes(routes!(usage::sums))
        .routes(routes!(usage::latency))
        .routes(routes!(usage::records));
    let native = accounts::routes()
        .merge(providers::routes())
        .merge(knowledge::routes())
        .merge(conversations::routes())
        .merge(tagged("Search", Described::new().routes(routes!(search::passages))))
        .merge(tagged("Usage", usage));
    [
        Surface { dialect: Dialect::OpenAi, routes: tagged("Models", openai) },
        Surface { dialect: Dialect::Anthropic, routes: tagged("Messages", anthropic) },
        Surface { dialect: Dialect::Native, routes: native },
        Surface { dialect: Dialect::Ragflow, routes: ragflow::routes() },
    ]
}

/// What orchestrators, monitoring and readers of the description ask; it is let in whatever is going on.
fn operations() -> Described {
    let routes = Described::new()
        .routes(routes!(operations::alive))
        .routes(routes!(operations::ready))
        .routes(routes!(operations::metrics))
        .routes(routes!(openapi::json));
    tagged("Operations", routes)
}

/// What programs ask that speak the Model Context Protocol.
fn tools() -> Described {
    tagged("Model Context Protocol", Described::new().routes(routes!(mcp::serve)))
}

/// A surface with what surrounds each of its requests.
fn served(dialect: Dialect, routes: Described, app: Arc<Parts>) -> Router<Arc<Parts>> {
    let (mut routes, _) = routes.split_for_parts();
    if dialect == Dialect::Ragflow {
        routes = routes.merge(ragflow::refusals());
    }
    let broken = move |_| dialect.refuse("", Refused::Internal);
    routes
        .layer(DefaultBodyLimit::max(app.current.load().config.server.max_body_bytes))
        .layer(CatchPanicLayer::custom(broken))
        .layer(from_fn_with_state(app, admission::admit))
}

/// The same alone, for an address of its own, where nobody is asked for a key.
pub(crate) fn operations_router(app: Arc<Parts>, address: SocketAddr) -> Router {
    let nothing = "there is nothing at this address; it has /metrics, /healthz and /readyz";
    let router =
        operations().split_for_parts().0.fallback(async move || Failure::not_found(nothing));
    // Whoever may reach another address is the operator's choice.
    let router = match address.ip().is_loopback() {
        true => router.layer(from_fn_with_state(app.clone(), observe::refuse_other_sites)),
        false => router,
    };
    router.with_state(app)
}

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
mod schemas;
mod sessions;
mod system;
mod uploads;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use rag_core::Store;
use rag_core::StoreError;
use utoipa_axum::router::UtoipaMethodRouterExt;
use utoipa_axum::routes;

use super::dialect::Refused;
use super::openapi::{Described, also_at, tagged};
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

/// What a caller is told for whom nothing is done at `path`.
pub(super) fn refused(path: &str, why: Refused) -> Response {
    let refusal = match why {
        Refused::Unauthorized => Refusal::unauthorized(),
        Refused::Forbidden(reason) => Refusal::forbidden(reason),
        Refused::OtherSite => Refusal::other_site(),
        Refused::NotFound => Refusal::no_address(path),
        Refused::MethodNotAllowed => Refusal::no_method(),
        Refused::Busy => Refusal::busy(),
        Refused::TooSlow => Refusal::too_slow(),
        Refused::Internal => Refusal::failed(),
    };
    refusal.into_response()
}

/// What is known of the dialect and not spoken, and all that is not known of it.
pub(super) fn refusals() -> Router<Arc<Parts>> {
    let mut routes = Router::new().route("/api/v1/{*rest}", any(unknown));
    for (address, _) in NOT_SPOKEN {
        for path in [format!("/api/v1/{address}"), format!("/api/v1/{address}/{{*rest}}")] {
            routes = routes.route(&path, any(not_spoken));
        }
    }
    routes
}

/// The addresses of the dialect.
pub(super) fn routes() -> Described {
    tagged("RAGFlow: datasets", dataset_routes())
        .merge(tagged("RAGFlow: documents", document_routes()))
        .merge(tagged("RAGFlow: chunks", chunk_routes()))
        .merge(tagged("RAGFlow: chats", chat_routes()))
        .merge(tagged("RAGFlow: sessions", session_routes()))
        .merge(tagged("RAGFlow: system", system_routes()))
}

fn dataset_routes() -> Described {
    Described::new()
        .routes(routes!(datasets::create, datasets::list, datasets::delete))
        .routes(routes!(datasets::one, datasets::update))
}

fn document_routes() -> Described {
    // Files are written as they come, each bounded by itself.
    let upload = routes!(uploads::upload).layer(DefaultBodyLimit::disable());
    let chunks = "/api/v1/datasets/{dataset}/chunks";
    Described::new()
        .routes(routes!(documents::list, documents::delete))
        .routes(upload)
        .routes(routes!(documents::download_in, documents::update))
        .routes(routes!(documents::update_status))
        .routes(routes!(parsing::parse))
        .routes(routes!(parsing::stop))
        .routes(also_at(chunks, routes!(parsing::parse)))
        .routes(routes!(parsing::stop_older))
        .routes(routes!(documents::download))
        .routes(also_at("/api/v1/document/download/{document}", routes!(documents::download)))
        .routes(also_at("/api/v1/document/get/{document}", routes!(documents::download)))
}

fn chunk_routes() -> Described {
    Described::new()
        .routes(routes!(chunks::list, chunks::add, chunks::update_availability, chunks::delete))
        .routes(routes!(chunks::one, chunks::update))
        .routes(routes!(retrieval::retrieve))
        .routes(also_at("/api/v1/datasets/search", routes!(retrieval::retrieve)))
}

fn chat_routes() -> Described {
    let openai = "/api/v1/chats_openai/{chat}/chat/completions";
    let related = "/api/v1/sessions/related_questions";
    Described::new()
        .routes(routes!(chats::create, chats::list, chats::delete))
        .routes(routes!(chats::one, chats::update, chats::delete_one))
        .routes(routes!(completions::of_chat))
        .routes(routes!(completions::of_body))
        .routes(routes!(openai::completions))
        .routes(also_at(openai, routes!(openai::completions)))
        .routes(routes!(related::questions))
        .routes(also_at(related, routes!(related::questions)))
}

fn session_routes() -> Described {
    Described::new()
        .routes(routes!(sessions::create, sessions::list, sessions::delete))
        .routes(routes!(sessions::one, sessions::update))
        .routes(routes!(sessions::delete_message))
        .routes(routes!(sessions::judge))
}

fn system_routes() -> Described {
    Described::new()
        .routes(routes!(accounts::log_in))
        .routes(routes!(accounts::log_out))
        .routes(routes!(accounts::me))
        .routes(routes!(accounts::tenants))
        .routes(routes!(accounts::members))
        .routes(routes!(accounts::tokens, accounts::new_token))
        .routes(routes!(accounts::revoke_token))
        .routes(routes!(system::ping))
        .routes(routes!(system::version))
        .routes(routes!(system::health))
        .routes(also_at("/v1/system/healthz", routes!(system::health)))
        .routes(routes!(system::status))
        .routes(routes!(system::config))
        .routes(routes!(system::models))
        .routes(routes!(system::default_models))
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
    work: impl FnOnce(&dyn Store) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Refusal> {
    let store = app.store.clone();
    Ok(app.callers.run(move || work(&*store)).await??)
}

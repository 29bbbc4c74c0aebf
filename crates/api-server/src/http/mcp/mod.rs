//! `/mcp`: the documents as tools, for programs that speak the Model Context Protocol (streamable HTTP).
//!
//! Each request stands for itself: there are no sessions, so any replica answers it, and a client that leaves ends what it
//! asked for. Who asks was found by the layers before, as was what a page of another site may do; so the protocol's own
//! list of hosts is not used.

mod ask;
mod definitions;
mod documents;
mod reply;
mod search;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use rmcp::ServerHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, ErrorData, Implementation, ListToolsResult,
    PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::{RequestContext, RoleServer};
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use serde::de::DeserializeOwned;

use super::schemas::events::AnswerEvent;
use crate::app::App;
use reply::{Failure, Reply};

/// What the client's model is told of the server.
const INSTRUCTIONS: &str = "Answers questions about the documents of this server. `ask` gives an answer with citations; \
    `search` gives passages to answer from; `read_document` gives more of a document that was found; `list_datasets` \
    tells what there is.";

/// Answers one message of a client: a request, a notification or an answer of the Model Context Protocol.
#[utoipa::path(
    post,
    path = "/mcp",
    request_body(content = Object, description = "JSON-RPC 2.0"),
    responses(
        (status = 200, description = "The answer, whole or as it comes", content((Object = "application/json"), (AnswerEvent = "text/event-stream"))),
        (status = 202, description = "A notification was taken"),
        (status = 400, description = "It is no message"),
        (status = 406, description = "The client takes neither JSON nor events"),
        (status = 413, description = "The body is too large"),
        (status = 415, description = "The body is no JSON"),
        (status = 422, description = "It is no message of the protocol"),
    ),
)]
pub(super) async fn serve(app: App, request: Request) -> Response {
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .disable_allowed_hosts()
        .with_max_request_body_bytes(app.config.server.max_body_bytes)
        .with_cancellation_token(app.shutdown.cut.child_token());
    let tools = Tools { app };
    let service = StreamableHttpService::new(
        move || Ok(tools.clone()),
        Arc::new(NeverSessionManager::default()),
        config,
    );
    service.handle(request).await.map(Body::new)
}

/// The tools, for one caller.
#[derive(Clone)]
struct Tools {
    app: App,
}

impl ServerHandler for Tools {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().build();
        ServerConfig::new(capabilities)
            .with_server_info(Implementation::new("colloquy", env!("CARGO_PKG_VERSION")))
            .with_instructions(INSTRUCTIONS)
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(definitions::tools()))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        definitions::tools().into_iter().find(|tool| tool.name == name)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        if self.get_tool(&request.name).is_none() {
            let name: String = request.name.chars().take(64).collect();
            return Err(ErrorData::invalid_params(format!("there is no tool `{name}`"), None));
        }
        tokio::select! {
            biased;
            // The client left, or took its call back.
            () = context.ct.cancelled() => Err(ErrorData::internal_error("cancelled", None)),
            done = self.run(request, &context) => Ok(reply::written(done).into()),
        }
    }
}

impl Tools {
    async fn run(
        &self,
        request: CallToolRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Result<Reply, Failure> {
        let CallToolRequestParams { name, arguments, .. } = request;
        let arguments = serde_json::Value::Object(arguments.unwrap_or_default());
        match name.as_ref() {
            definitions::SEARCH => search::search(&self.app, read(arguments)?).await,
            definitions::ASK => ask::ask(&self.app, read(arguments)?, context).await,
            definitions::READ_DOCUMENT => documents::read(&self.app, read(arguments)?).await,
            _ => documents::list(&self.app, read(arguments)?).await,
        }
    }
}

/// The arguments of a tool; the caller's model hears what is wrong with them.
fn read<T: DeserializeOwned>(arguments: serde_json::Value) -> Result<T, Failure> {
    serde_json::from_value(arguments)
        .map_err(|error| Failure::new(format!("the arguments are not in order: {error}")))
}

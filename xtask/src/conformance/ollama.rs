//! Ollama's own API: chat, completions, embeddings at both endpoints, the list of models.

use anyhow::Result;
use llm_core::{ChatRequest, EmbeddingRequest, Message};
use llm_providers::ollama::embeddings::{EmbeddingEndpoint, parse_embedding_request};
use llm_providers::ollama::{self, ContextWindow, Ollama, RenderedRequest};
use llm_providers::openai::RequestError;
use serde_json::Value;
use testkit::conformance::{
    Outcome, compare_answer, compare_embedding, compare_failure, normalise_ollama_request,
};
use testkit::{Chunking, Exchange, ReplayServer};

use super::{compare_sent, expected_vectors};

/// Whether the exchange is of this API.
pub(super) fn covers(exchange: &Exchange) -> bool {
    endpoint(exchange).is_some()
}

/// Replays an exchange and tells how it differs from its recording.
pub(super) async fn replay(server: &ReplayServer, exchange: &Exchange) -> Result<Vec<String>> {
    match endpoint(exchange) {
        Some(Endpoint::Embed(endpoint)) => replay_embedding(server, exchange, endpoint).await,
        Some(Endpoint::Tags) => replay_models(server, exchange).await,
        Some(endpoint) => replay_chat(server, exchange, endpoint).await,
        None => Ok(Vec::new()),
    }
}

#[derive(Clone, Copy)]
enum Endpoint {
    Chat,
    Generate,
    Embed(EmbeddingEndpoint),
    Tags,
}

fn endpoint(exchange: &Exchange) -> Option<Endpoint> {
    match exchange.wire.as_str() {
        "ollama-chat" => Some(Endpoint::Chat),
        "ollama-generate" => Some(Endpoint::Generate),
        "ollama-embed" => Some(Endpoint::Embed(EmbeddingEndpoint::Embed)),
        "ollama-embeddings" => Some(Endpoint::Embed(EmbeddingEndpoint::Embeddings)),
        "ollama-tags" => Some(Endpoint::Tags),
        _ => None,
    }
}

impl Endpoint {
    fn parse(self, body: Value) -> Result<ChatRequest, RequestError> {
        match self {
            Endpoint::Generate => ollama::parse_completion(body),
            _ => ollama::parse_request_value(body),
        }
    }

    fn render(self, request: ChatRequest) -> Result<RenderedRequest, llm_core::ModelError> {
        match self {
            Endpoint::Generate => ollama::render_completion(request),
            _ => ollama::render_request(request),
        }
    }
}

/// The client for an exchange, talking to the replay server. It asks for no more room than the recorded one did.
fn client(
    server: &ReplayServer,
    exchange: &Exchange,
    embeddings: EmbeddingEndpoint,
) -> Result<Ollama> {
    let origin = server.add(exchange.clone(), Chunking::Random { longest: 700, seed: 1 });
    let path = exchange.request.url.splitn(4, '/').nth(3).unwrap_or_default();
    let base = path.split_once("api/").map_or("", |(base, _)| base);
    let provider = Ollama::builder(&exchange.provider, format!("{origin}/{base}"))
        .context(ContextWindow::Server)
        .embedding_endpoint(embeddings)
        .build()?;
    Ok(provider)
}

async fn replay_chat(
    server: &ReplayServer,
    exchange: &Exchange,
    endpoint: Endpoint,
) -> Result<Vec<String>> {
    let body = exchange.request.body.clone();
    let is_recorded = body.is_some();
    let request = match body.map(|body| endpoint.parse(body)).transpose() {
        Ok(request) => request.unwrap_or_else(|| any_question(exchange)),
        // A request that we refuse ourselves passes when the server refused it, too.
        Err(_) if exchange.response.status >= 400 => return Ok(Vec::new()),
        Err(refusal) => return Ok(vec![format!("refused: {refusal}")]),
    };
    let warnings = match endpoint.render(request.clone()) {
        Ok(rendered) => rendered.warnings,
        Err(error) => return Ok(vec![format!("not rendered: {error}")]),
    };
    let provider = client(server, exchange, EmbeddingEndpoint::default())?;
    let model = match endpoint {
        Endpoint::Generate => provider.completion(request.model.clone()),
        _ => provider.chat(request.model.clone()),
    };
    let outcome = Outcome::of(model.chat(request).await).await;
    let mut differences = if exchange.response.status >= 400 {
        compare_failure(exchange, &outcome)
    } else {
        exchange.expect.as_ref().map(|expect| compare_answer(expect, &outcome)).unwrap_or_default()
    };
    differences.extend(warnings.iter().map(|warning| format!("warned: {}", warning.message)));
    differences.extend(compare_sent(server, exchange, &[], is_recorded, normalise_ollama_request));
    Ok(differences)
}

fn any_question(exchange: &Exchange) -> ChatRequest {
    let request = ChatRequest::new(vec![Message::user("hi")]);
    ChatRequest { stream: exchange.response.framing == "ndjson", ..request }
}

async fn replay_embedding(
    server: &ReplayServer,
    exchange: &Exchange,
    endpoint: EmbeddingEndpoint,
) -> Result<Vec<String>> {
    let request = match exchange.request.body.clone().map(parse_embedding_request).transpose() {
        // Any request with as many inputs as there are vectors.
        Ok(request) => request.unwrap_or_else(|| {
            EmbeddingRequest::documents(vec!["text"; expected_vectors(exchange)])
        }),
        Err(_) if exchange.response.status >= 400 => return Ok(Vec::new()),
        Err(refusal) => return Ok(vec![format!("refused: {refusal}")]),
    };
    let model = client(server, exchange, endpoint)?.embedding(request.model.clone());
    let result = model.embed(request).await;
    let mut differences = if exchange.response.status >= 400 {
        compare_failure(exchange, &Outcome { response: Default::default(), error: result.err() })
    } else {
        let expect = exchange.expect.as_ref();
        expect.map(|expect| compare_embedding(expect, &result)).unwrap_or_default()
    };
    let is_recorded = exchange.request.body.is_some();
    differences.extend(compare_sent(server, exchange, &[], is_recorded, normalise_ollama_request));
    Ok(differences)
}

async fn replay_models(server: &ReplayServer, exchange: &Exchange) -> Result<Vec<String>> {
    let result = client(server, exchange, EmbeddingEndpoint::default())?.list_models().await;
    let body: Value = serde_json::from_slice(&exchange.response.bytes()).unwrap_or_default();
    let listed = body.get("models").and_then(Value::as_array);
    let listed = listed.into_iter().flatten().filter_map(|model| model["name"].as_str());
    let mut differences = match result {
        Ok(models) if models.iter().map(|model| model.id.as_str()).eq(listed) => Vec::new(),
        Ok(models) => vec![format!("models: {models:?}")],
        Err(error) if exchange.response.status >= 400 => {
            compare_failure(exchange, &Outcome { response: Default::default(), error: Some(error) })
        }
        Err(error) => vec![format!("failed: {error:?}")],
    };
    differences.extend(compare_sent(server, exchange, &[], true, normalise_ollama_request));
    Ok(differences)
}

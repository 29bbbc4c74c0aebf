//! Recordings of Anthropic's Messages dialect: at Anthropic, Azure and Vertex.

use std::sync::Arc;

use anyhow::Result;
use llm_core::{ChatRequest, Warning};
use llm_providers::anthropic::{
    Surface, Target, VertexProject, parse_count_tokens_request, parse_request_value,
    render_count_tokens, render_request,
};
use llm_providers::credentials::FixedToken;
use llm_providers::{Anthropic, Quirks, catalogue};
use serde_json::Value;
use testkit::conformance::{Outcome, compare_answer, compare_failure, normalise_messages_request};
use testkit::{Chunking, Exchange, ReplayServer};

use super::compare_sent;

const MESSAGES: &str = "/messages";
const MODELS: &str = "/models";
const COUNT_TOKENS: &str = "/messages/count_tokens";

/// Whether an exchange is of this dialect, and its address has a form that the client uses.
pub(super) fn covers(exchange: &Exchange) -> bool {
    match exchange.wire.as_str() {
        "anthropic-messages" => {
            let address = address(exchange);
            address.ends_with(MESSAGES) || is_on_vertex(address)
        }
        "anthropic-count-tokens" => address(exchange).ends_with(COUNT_TOKENS),
        "anthropic-models" => address(exchange).ends_with(MODELS),
        _ => false,
    }
}

/// Replays an exchange and tells the differences.
pub(super) async fn replay(server: &ReplayServer, exchange: &Exchange) -> Result<Vec<String>> {
    match exchange.wire.as_str() {
        "anthropic-count-tokens" => replay_count(server, exchange).await,
        "anthropic-models" => replay_models(server, exchange).await,
        _ => replay_chat(server, exchange).await,
    }
}

async fn replay_chat(server: &ReplayServer, exchange: &Exchange) -> Result<Vec<String>> {
    let is_error = exchange.response.status >= 400;
    let body = exchange.request.body.clone();
    let is_recorded = body.is_some();
    let mut request =
        match body.map(|body| parse_request_value(with_model(body, exchange))).transpose() {
            Ok(request) => request.unwrap_or_default(),
            // A request that we refuse ourselves passes when its provider refused it, too.
            Err(_) if is_error => return Ok(Vec::new()),
            Err(refusal) => return Ok(vec![format!("refused: {refusal}")]),
        };
    request.stream = exchange.kind == "chat-stream" || request.stream;
    let warnings = match render_request(request.clone(), &target(exchange)) {
        Ok(rendered) => announced(rendered.warnings),
        Err(error) => return Ok(vec![format!("not rendered: {error}")]),
    };
    let model = client(server, exchange)?.chat(request.model.clone());
    let outcome = Outcome::of(model.chat(request).await).await;

    let mut differences = match &exchange.expect {
        _ if is_error => compare_failure(exchange, &outcome),
        Some(expect) => compare_answer(expect, &outcome),
        // Without a reader's word, a stream with an error in it must fail at least.
        None if exchange.has_feature("in_body_error") && outcome.error.is_none() => {
            vec!["the failure in the answer was not told".to_owned()]
        }
        None => Vec::new(),
    };
    differences.extend(compare_sent(
        server,
        exchange,
        &warnings,
        is_recorded,
        normalise_messages_request,
    ));
    Ok(differences)
}

async fn replay_count(server: &ReplayServer, exchange: &Exchange) -> Result<Vec<String>> {
    let is_error = exchange.response.status >= 400;
    let body = exchange.request.body.clone();
    let is_recorded = body.is_some();
    let request = match body.map(|body| parse_count_tokens_request(body.to_string().as_bytes())) {
        None => ChatRequest::default(),
        Some(Ok(request)) => request,
        Some(Err(_)) if is_error => return Ok(Vec::new()),
        Some(Err(refusal)) => return Ok(vec![format!("refused: {refusal}")]),
    };
    let warnings = match render_count_tokens(request.clone(), &target(exchange)) {
        Ok(rendered) => announced(rendered.warnings),
        Err(error) => return Ok(vec![format!("not rendered: {error}")]),
    };
    let result = client(server, exchange)?.count_tokens(request).await;
    let recorded: Value = serde_json::from_slice(&exchange.response.bytes()).unwrap_or_default();
    let mut differences = match result {
        _ if is_error => {
            let outcome = Outcome { response: Default::default(), error: result.err() };
            compare_failure(exchange, &outcome)
        }
        Ok(count) if recorded.get("input_tokens").and_then(Value::as_u64) == Some(count) => {
            Vec::new()
        }
        result => vec![format!("counted: {result:?}")],
    };
    differences.extend(compare_sent(
        server,
        exchange,
        &warnings,
        is_recorded,
        normalise_messages_request,
    ));
    Ok(differences)
}

async fn replay_models(server: &ReplayServer, exchange: &Exchange) -> Result<Vec<String>> {
    let result = client(server, exchange)?.list_models().await;
    let recorded: Value = serde_json::from_slice(&exchange.response.bytes()).unwrap_or_default();
    let names = recorded.get("data").and_then(Value::as_array).map(|models| {
        models.iter().filter_map(|model| model.get("id")?.as_str()).collect::<Vec<_>>()
    });
    let mut differences = match result {
        result if exchange.response.status >= 400 => {
            let outcome = Outcome { response: Default::default(), error: result.err() };
            compare_failure(exchange, &outcome)
        }
        Ok(models) if names == Some(models.iter().map(|model| model.id.as_str()).collect()) => {
            Vec::new()
        }
        result => vec![format!("listed: {result:?}")],
    };
    differences.extend(compare_sent(server, exchange, &[], true, |body| body));
    Ok(differences)
}

/// The client for an exchange, talking to the replay server.
fn client(server: &ReplayServer, exchange: &Exchange) -> Result<Anthropic> {
    let origin = server.add(exchange.clone(), Chunking::Random { longest: 700, seed: 1 });
    let url = address(exchange);
    let url = match surface(exchange) {
        Surface::Vertex => url.rsplit_once('/').map_or(url, |(base, _)| base),
        _ => [COUNT_TOKENS, MESSAGES, MODELS]
            .iter()
            .find_map(|path| url.strip_suffix(path))
            .unwrap_or(url),
    };
    let base_path = url.splitn(4, '/').nth(3).unwrap_or_default();
    let builder = match surface(exchange) {
        Surface::Vertex => {
            let project = VertexProject { project: "p".into(), location: "global".into() };
            Anthropic::on_vertex(
                &exchange.provider,
                &project,
                Arc::new(FixedToken::new("replay".into())),
            )
        }
        _ => Anthropic::builder(&exchange.provider).api_key("sk-replay".into()),
    };
    let builder = builder.base_url(format!("{origin}/{base_path}")).quirks(quirks(exchange));
    Ok(builder.build()?)
}

/// What is not compared, since the client announced that it differs: a form of the answer that the model cannot enforce
/// is asked for in the system prompt.
fn announced(mut warnings: Vec<Warning>) -> Vec<Warning> {
    let emulated = warnings.iter().find(|warning| warning.code == "emulated_parameter").cloned();
    if let Some(warning) = emulated {
        for param in ["system", "output_config.format"] {
            warnings.push(Warning { param: Some(param.to_owned()), ..warning.clone() });
        }
    }
    warnings
}

fn target(exchange: &Exchange) -> Target {
    Target { surface: surface(exchange), output_limit: None, quirks: quirks(exchange) }
}

fn quirks(exchange: &Exchange) -> Quirks {
    catalogue::find(&exchange.provider).map(|entry| entry.quirks.clone()).unwrap_or_default()
}

fn surface(exchange: &Exchange) -> Surface {
    if is_on_vertex(address(exchange)) { Surface::Vertex } else { Surface::Messages }
}

fn is_on_vertex(address: &str) -> bool {
    address.contains("/publishers/anthropic/models/")
        && [":rawPredict", ":streamRawPredict"].iter().any(|verb| address.ends_with(verb))
}

/// The recorded URL without its query (`?beta=true` of some clients).
fn address(exchange: &Exchange) -> &str {
    let url = exchange.request.url.as_str();
    url.split_once('?').map_or(url, |(address, _)| address)
}

/// On Vertex the address names the model, as it stands there.
fn with_model(mut body: Value, exchange: &Exchange) -> Value {
    let named = address(exchange)
        .rsplit_once('/')
        .and_then(|(_, last)| last.split_once(':'))
        .map(|(model, _)| model.to_owned());
    let model = named.or_else(|| exchange.model.clone());
    if let (Some(fields), Some(model)) = (body.as_object_mut(), model) {
        fields.entry("model").or_insert_with(|| model.into());
    }
    body
}

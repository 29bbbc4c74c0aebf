//! OpenAI's dialect as many providers speak it: chat completions, Responses, embeddings.

use anyhow::Result;
use llm_core::{EmbeddingRequest, Warning};
use llm_providers::openai::RequestError;
use llm_providers::openai::chat::{parse_request_value, render_request};
use llm_providers::openai::responses;
use llm_providers::openai::server::parse_embedding_request;
use llm_providers::{OpenAi, Quirks, catalogue};
use serde_json::Value;
use testkit::conformance::{
    Outcome, compare_answer, compare_embedding, compare_failure, normalise_chat_request,
    normalise_responses_request,
};
use testkit::{Chunking, Exchange, ReplayServer};

use super::{azure, compare_sent, expected_vectors};

/// Whether a client for the exchange's wire format exists, and its address has the form that the client uses.
pub(super) fn covers(exchange: &Exchange) -> bool {
    wire(exchange).is_some_and(|wire| {
        address(exchange, wire).ends_with(&path(exchange, wire))
            || stored_response(exchange).is_some()
    })
}

/// Replays an exchange and tells how it differs from its recording.
pub(super) async fn replay(server: &ReplayServer, exchange: &Exchange) -> Result<Vec<String>> {
    let mut exchange = exchange.clone();
    azure::tidy(&mut exchange);
    name_model(&mut exchange);
    match wire(&exchange) {
        Some(Wire::Chat) => replay_chat(server, &exchange).await,
        Some(Wire::Responses) if stored_response(&exchange).is_some() => {
            replay_stored(server, &exchange).await
        }
        Some(Wire::Responses) => replay_responses(server, &exchange).await,
        Some(Wire::Embeddings) => replay_embedding(server, &exchange).await,
        None => Ok(Vec::new()),
    }
}

/// The URL of an exchange. Azure puts the version of its API behind the address.
fn address(exchange: &Exchange, wire: Wire) -> &str {
    let url = exchange.request.url.as_str();
    match url.split_once('?') {
        Some((address, _)) if wire == Wire::Responses || azure::is_on_azure(exchange) => address,
        _ => url,
    }
}

/// The wire formats that can be replayed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wire {
    Chat,
    Responses,
    Embeddings,
}

impl Wire {
    fn path(self) -> &'static str {
        match self {
            Wire::Chat => "/chat/completions",
            Wire::Responses => "/responses",
            Wire::Embeddings => "/embeddings",
        }
    }
}

/// The path that the provider has for it.
fn path(exchange: &Exchange, wire: Wire) -> String {
    let quirks = quirks(exchange);
    let own = quirks.paths.get(wire.path().trim_start_matches('/'));
    own.map_or_else(|| wire.path().to_owned(), |path| format!("/{path}"))
}

fn wire(exchange: &Exchange) -> Option<Wire> {
    match (exchange.wire.as_str(), exchange.op.as_str()) {
        ("openai-chat", "chat") => Some(Wire::Chat),
        ("openai-responses", "chat") => Some(Wire::Responses),
        ("openai-embeddings", "embedding") => Some(Wire::Embeddings),
        _ => None,
    }
}

/// Some recordings lack the model in the body, which our client sends everywhere.
fn name_model(exchange: &mut Exchange) {
    if let (Some(Value::Object(body)), Some(model)) = (&mut exchange.request.body, &exchange.model)
    {
        body.entry("model").or_insert_with(|| model.as_str().into());
    }
}

/// The client for an exchange, talking to the replay server.
fn client(server: &ReplayServer, exchange: &Exchange, wire: Wire) -> Result<OpenAi> {
    let origin = server.add(exchange.clone(), Chunking::Random { longest: 700, seed: 1 });
    if azure::is_on_azure(exchange) {
        let builder = azure::builder(&origin, exchange).quirks(quirks(exchange));
        return Ok(builder.api_key("sk-replay".into()).build()?);
    }
    let address = address(exchange, wire);
    let url = address.strip_suffix(&path(exchange, wire)).unwrap_or(address);
    let url = if stored_response(exchange).is_some() {
        address.rsplit_once(wire.path()).map_or(url, |(base, _)| base)
    } else {
        url
    };
    let base_path = url.splitn(4, '/').nth(3).unwrap_or_default();
    let query = exchange.request.url.get(address.len()..).unwrap_or_default();
    let provider = OpenAi::builder(&exchange.provider, format!("{origin}/{base_path}{query}"))
        .quirks(quirks(exchange))
        .api_key("sk-replay".into())
        .build()?;
    Ok(provider)
}

fn quirks(exchange: &Exchange) -> Quirks {
    catalogue::find(&exchange.provider).map(|entry| entry.quirks.clone()).unwrap_or_default()
}

async fn replay_chat(server: &ReplayServer, exchange: &Exchange) -> Result<Vec<String>> {
    let is_error = exchange.response.status >= 400;
    let body = exchange.request.body.clone();
    let is_recorded = body.is_some();
    let incoming = match body.map(parse_request_value).transpose() {
        Ok(incoming) => incoming.unwrap_or_default(),
        Err(refusal) => return Ok(compare_refusal(exchange, &refusal)),
    };
    let mut request = incoming.request;
    request.stream = exchange.kind == "chat-stream" || request.stream;
    let warnings = match render_request(request.clone(), &quirks(exchange)) {
        Ok(rendered) => rendered.warnings,
        Err(error) => return Ok(vec![format!("not rendered: {error}")]),
    };
    let model = client(server, exchange, Wire::Chat)?.chat(request.model.clone());
    let outcome = Outcome::of(model.chat(request).await).await;

    let mut differences = if is_error {
        compare_failure(exchange, &outcome)
    } else {
        exchange.expect.as_ref().map(|expect| compare_answer(expect, &outcome)).unwrap_or_default()
    };
    differences.extend(compare_sent(
        server,
        exchange,
        &warnings,
        is_recorded,
        normalise_chat_request,
    ));
    Ok(differences)
}

async fn replay_responses(server: &ReplayServer, exchange: &Exchange) -> Result<Vec<String>> {
    let body = exchange.request.body.clone();
    let is_recorded = body.is_some();
    let incoming = match body.map(responses::parse_request_value).transpose() {
        Ok(incoming) => incoming.unwrap_or_default(),
        Err(refusal) => return Ok(compare_refusal(exchange, &refusal)),
    };
    let mut request = incoming.request;
    request.stream = exchange.kind == "chat-stream" || request.stream;
    let warnings = match responses::render_request(request.clone(), &quirks(exchange)) {
        Ok(rendered) => rendered.warnings,
        Err(error) => return Ok(vec![format!("not rendered: {error}")]),
    };
    let model = client(server, exchange, Wire::Responses)?.responses(request.model.clone());
    let outcome = Outcome::of(model.chat(request).await).await;

    let mut differences = if exchange.response.status >= 400 {
        compare_failure(exchange, &outcome)
    } else {
        exchange.expect.as_ref().map(|expect| compare_answer(expect, &outcome)).unwrap_or_default()
    };
    let sent = compare_sent(server, exchange, &warnings, is_recorded, normalise_responses_request);
    differences.extend(sent);
    Ok(differences)
}

/// The id of the stored response that an exchange is about.
fn stored_response(exchange: &Exchange) -> Option<&str> {
    if exchange.wire != "openai-responses" {
        return None;
    }
    let (_, id) = address(exchange, Wire::Responses).rsplit_once("/responses/")?;
    let is_known = matches!(exchange.request.method.as_str(), "GET" | "DELETE");
    (is_known && !id.contains('/')).then_some(id)
}

async fn replay_stored(server: &ReplayServer, exchange: &Exchange) -> Result<Vec<String>> {
    let id = stored_response(exchange).unwrap_or_default();
    let stored = client(server, exchange, Wire::Responses)?.stored_responses();
    let is_streamed = exchange.response.framing == "sse";
    let outcome = match (exchange.request.method.as_str(), is_streamed) {
        ("DELETE", _) => match stored.delete(id).await {
            Ok(()) => Outcome { response: Default::default(), error: None },
            Err(error) => Outcome { response: Default::default(), error: Some(error) },
        },
        (_, true) => Outcome::of(stored.follow(id).await).await,
        (_, false) => Outcome::of(stored.get(id).await).await,
    };
    let mut differences = if exchange.response.status >= 400 {
        compare_failure(exchange, &outcome)
    } else {
        exchange.expect.as_ref().map(|expect| compare_answer(expect, &outcome)).unwrap_or_default()
    };
    differences.extend(compare_sent(server, exchange, &[], true, normalise_responses_request));
    Ok(differences)
}

/// A request that we refuse ourselves passes when its provider refused it for the same field.
fn compare_refusal(exchange: &Exchange, refusal: &RequestError) -> Vec<String> {
    let recorded: Value = serde_json::from_slice(&exchange.response.bytes()).unwrap_or_default();
    let their_param = recorded.pointer("/error/param").and_then(Value::as_str);
    let is_same = exchange.response.status >= 400
        && their_param.is_none_or(|param| Some(param) == refusal.param.as_deref());
    if is_same { Vec::new() } else { vec![format!("refused: {refusal}")] }
}

async fn replay_embedding(server: &ReplayServer, exchange: &Exchange) -> Result<Vec<String>> {
    let request = match &exchange.request.body {
        Some(body) => match parse_embedding_request(body.to_string().as_bytes()) {
            Ok(incoming) => incoming.request,
            Err(_) if exchange.response.status >= 400 => return Ok(Vec::new()),
            Err(refusal) => return Ok(vec![format!("refused: {refusal}")]),
        },
        // Any request with as many inputs as there are vectors.
        None => EmbeddingRequest::documents(vec!["text"; expected_vectors(exchange)]),
    };
    let model = client(server, exchange, Wire::Embeddings)?.embedding(request.model.clone());
    let result = model.embed(request).await;
    let mut differences = if exchange.response.status >= 400 {
        let outcome = Outcome { response: Default::default(), error: result.err() };
        compare_failure(exchange, &outcome)
    } else {
        exchange
            .expect
            .as_ref()
            .map(|expect| compare_embedding(expect, &result))
            .unwrap_or_default()
    };
    let is_recorded = exchange.request.body.is_some();
    let own = own_fields(exchange);
    differences.extend(compare_sent(
        server,
        exchange,
        &own,
        is_recorded,
        normalise_embedding_request,
    ));
    Ok(differences)
}

/// What our client tells whatever its callers do, and the recorded one did not: what the vectors are for.
fn own_fields(exchange: &Exchange) -> Vec<Warning> {
    let purpose = quirks(exchange).embedding.purpose.map(|purpose| purpose.field);
    let recorded = exchange.request.body.as_ref();
    let is_told = |field: &String| recorded.is_some_and(|body| body.get(field).is_some());
    let untold = purpose.filter(|field| !is_told(field));
    let warning =
        |param| Warning { code: String::new(), param: Some(param), message: String::new() };
    untold.map(warning).into_iter().collect()
}

/// One text or a list of one is the same, and so is how the numbers are written.
fn normalise_embedding_request(mut body: Value) -> Value {
    if let Some(fields) = body.as_object_mut() {
        fields.remove("encoding_format");
        fields.retain(|_, value| !value.is_null());
        if let Some(input) = fields.get_mut("input")
            && input.is_string()
        {
            *input = Value::Array(vec![input.take()]);
        }
    }
    body
}

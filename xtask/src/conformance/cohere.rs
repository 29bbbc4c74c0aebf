//! Cohere's own API, versions 2 and 1: chat, `generate`, embeddings, rerank, transcription, tokens, models.

use anyhow::Result;
use llm_core::{
    ChatRequest, EmbeddingRequest, Message, ModelError, RerankRequest, TranscriptionRequest,
    Warning,
};
use llm_providers::cohere::embeddings::parse_embedding_request;
use llm_providers::cohere::rerank::parse_rerank_request;
use llm_providers::cohere::{
    Cohere, CohereVersion, RenderedRequest, parse_request, render_request, v1,
};
use llm_providers::openai::RequestError;
use llm_providers::{Quirks, catalogue};
use serde_json::Value;
use testkit::conformance::{
    Outcome, compare_answer, compare_embedding, compare_failure, normalise_cohere_request,
};
use testkit::{Chunking, Exchange, ReplayServer};

use super::{compare_sent, expected_vectors};

/// What can be replayed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Call {
    Chat,
    Generate,
    Embed,
    Rerank,
    Transcribe,
    Tokenize,
    Models,
}

/// Whether the exchange can be replayed.
pub(super) fn covers(exchange: &Exchange) -> bool {
    call(exchange).is_some_and(|call| split_address(exchange, call).is_some())
}

fn call(exchange: &Exchange) -> Option<Call> {
    match exchange.wire.as_str() {
        "cohere-v2-chat" | "cohere-v1-chat" => Some(Call::Chat),
        "cohere-v1-generate" => Some(Call::Generate),
        "cohere-v2-embed" | "cohere-v1-embed" => Some(Call::Embed),
        "cohere-v2-rerank" | "cohere-v1-rerank" => Some(Call::Rerank),
        "cohere-v2-audio/transcriptions" => Some(Call::Transcribe),
        "cohere-v1-tokenize" => Some(Call::Tokenize),
        "cohere-v1-models" => Some(Call::Models),
        _ => None,
    }
}

/// The path before the version, the version, and what follows the operation's name.
fn split_address(exchange: &Exchange, call: Call) -> Option<(&str, CohereVersion, &str)> {
    let path = match call {
        Call::Chat => "/chat",
        Call::Generate => "/generate",
        Call::Embed => "/embed",
        Call::Rerank => "/rerank",
        Call::Transcribe => "/audio/transcriptions",
        Call::Tokenize => "/tokenize",
        Call::Models => "/models",
    };
    let url = exchange.request.url.as_str();
    let url = url.split_once('?').map_or(url, |(address, _)| address);
    let (before, after) = url.rsplit_once(path)?;
    let (base, version) = match before.rsplit_once('/')? {
        (base, "v2") => (base, CohereVersion::V2),
        (base, "v1") => (base, CohereVersion::V1),
        _ => return None,
    };
    let base_path = base.splitn(4, '/').nth(3).unwrap_or_default();
    let is_whole = after.is_empty() || call == Call::Models;
    is_whole.then_some((base_path, version, after))
}

/// Replays an exchange and tells the differences.
pub(super) async fn replay(server: &ReplayServer, exchange: &Exchange) -> Result<Vec<String>> {
    let Some(call) = call(exchange) else {
        return Ok(Vec::new());
    };
    let Some((base_path, version, after)) = split_address(exchange, call) else {
        return Ok(Vec::new());
    };
    let origin = server.add(exchange.clone(), Chunking::Random { longest: 700, seed: 1 });
    let client = Cohere::builder(&exchange.provider)
        .base_url(format!("{origin}/{base_path}"))
        .version(version)
        .quirks(quirks(exchange))
        .api_key("co-replay".into())
        .build()?;
    let replayed = match call {
        Call::Chat | Call::Generate => replay_chat(&client, exchange, call, version).await,
        Call::Embed => replay_embedding(&client, exchange).await,
        Call::Rerank => replay_rerank(&client, exchange).await,
        Call::Transcribe => replay_transcription(&client, exchange).await,
        Call::Tokenize => replay_tokens(&client, exchange).await,
        Call::Models => replay_models(&client, exchange, after.trim_start_matches('/')).await,
    };
    let (mut differences, warnings) = match replayed {
        Ok(replayed) => replayed,
        Err(refusal) => return Ok(vec![format!("refused: {refusal}")]),
    };
    differences.extend(compare_sent(
        server,
        exchange,
        &warnings,
        exchange.request.body.as_ref().is_some_and(|body| body != &serde_json::json!({})),
        normalise_cohere_request,
    ));
    Ok(differences)
}

/// Differences, and what the client announced that it would leave out.
type Replayed = Result<(Vec<String>, Vec<Warning>), RequestError>;

fn quirks(exchange: &Exchange) -> Quirks {
    catalogue::find(&exchange.provider).map(|entry| entry.quirks.clone()).unwrap_or_default()
}

async fn replay_chat(
    client: &Cohere,
    exchange: &Exchange,
    call: Call,
    version: CohereVersion,
) -> Replayed {
    let parse = match (call, version) {
        (Call::Generate, _) => v1::parse_generate,
        (_, CohereVersion::V2) => parse_request,
        (_, CohereVersion::V1) => v1::parse_request,
    };
    let mut request = match exchange.request.body.clone() {
        Some(body) => parse(body)?,
        None => ChatRequest::new(vec![Message::user("hi")]),
    };
    request.stream = exchange.kind.ends_with("-stream") || request.stream;
    let render = match (call, version) {
        (Call::Generate, _) => v1::render_generate,
        (_, CohereVersion::V2) => render_request,
        (_, CohereVersion::V1) => v1::render_request,
    };
    let warnings = match render(request.clone(), &quirks(exchange)) {
        Ok(RenderedRequest { warnings, .. }) => warnings,
        Err(error) => return Ok((vec![format!("not rendered: {error}")], Vec::new())),
    };
    let model = match call {
        Call::Generate => client.generate(request.model.clone()),
        _ => client.chat(request.model.clone()),
    };
    let outcome = Outcome::of(model.chat(request).await).await;
    let differences = if exchange.response.status >= 400 {
        compare_failure(exchange, &outcome)
    } else {
        compare_chat(exchange, outcome)
    };
    Ok((differences, warnings))
}

fn compare_chat(exchange: &Exchange, mut outcome: Outcome) -> Vec<String> {
    let mut expect = exchange.expect.clone().unwrap_or_default();
    let usage = &mut outcome.response.usage;
    // The independent reader took what v1 bills for its usage; ours has both counts.
    let is_billed = expect.usage.as_ref().is_some_and(|usage| usage.get("billed_units").is_none());
    if is_billed && expect.usage != usage.raw {
        usage.raw = usage.raw.as_ref().and_then(|raw| raw.get("billed_units").cloned());
    }
    if exchange.has_feature("in_body_error") {
        // To the independent reader `ERROR` is a word like others; to us the answer failed.
        expect.finish = None;
        if outcome.error.take().is_none() {
            return vec!["the failure in the answer was not told".to_owned()];
        }
    }
    compare_answer(&expect, &outcome)
}

fn failure(exchange: &Exchange, error: Option<ModelError>) -> Vec<String> {
    compare_failure(exchange, &Outcome { response: Default::default(), error })
}

async fn replay_embedding(client: &Cohere, exchange: &Exchange) -> Replayed {
    let request = match exchange.request.body.clone() {
        Some(body) => parse_embedding_request(body)?,
        // Any request with as many inputs as there are vectors.
        None => EmbeddingRequest::documents(vec!["text"; expected_vectors(exchange)]),
    };
    let result = client.embedding(request.model.clone()).embed(request).await;
    let differences = match &exchange.expect {
        _ if exchange.response.status >= 400 => failure(exchange, result.err()),
        Some(expect) => compare_embedding(expect, &result),
        None => result.err().map(|error| format!("failed: {error:?}")).into_iter().collect(),
    };
    Ok((differences, Vec::new()))
}

async fn replay_rerank(client: &Cohere, exchange: &Exchange) -> Replayed {
    let recorded: Value = serde_json::from_slice(&exchange.response.bytes()).unwrap_or_default();
    let entries = recorded.get("results").and_then(Value::as_array).cloned().unwrap_or_default();
    let index = |entry: &Value| entry.get("index").and_then(Value::as_u64).unwrap_or_default();
    let most = entries.iter().map(index).max().unwrap_or_default();
    let request = match exchange.request.body.clone() {
        Some(body) if body.get("query").is_some() => parse_rerank_request(body)?,
        _ => RerankRequest {
            query: "question".into(),
            documents: vec!["text".into(); most as usize + 1],
            ..RerankRequest::default()
        },
    };
    let result = client.rerank(request.model.clone()).rerank(request).await;
    let differences = match result {
        result if exchange.response.status >= 400 => failure(exchange, result.err()),
        Err(error) => vec![format!("failed: {error:?}")],
        Ok(response) => {
            let found: Vec<u64> = response.results.iter().map(|r| r.index as u64).collect();
            let expected: Vec<u64> = entries.iter().map(index).collect();
            let differ = found != expected;
            differ.then(|| format!("ranking: {found:?}, not {expected:?}")).into_iter().collect()
        }
    };
    Ok((differences, Vec::new()))
}

/// The recorder did not keep the sound.
async fn replay_transcription(client: &Cohere, exchange: &Exchange) -> Replayed {
    let request = TranscriptionRequest { audio: "RIFF".into(), ..Default::default() };
    let result = client.transcription("m").transcribe(request).await;
    let recorded: Value = serde_json::from_slice(&exchange.response.bytes()).unwrap_or_default();
    let differences = match result {
        result if exchange.response.status >= 400 => failure(exchange, result.err()),
        Ok(heard) if recorded.get("text") == Some(&heard.text.clone().into()) => Vec::new(),
        result => vec![format!("heard: {result:?}")],
    };
    Ok((differences, Vec::new()))
}

async fn replay_tokens(client: &Cohere, exchange: &Exchange) -> Replayed {
    let body = exchange.request.body.clone().unwrap_or_default();
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let result = client.tokenize(text("model"), text("text")).await;
    let recorded: Value = serde_json::from_slice(&exchange.response.bytes()).unwrap_or_default();
    let differences = match result {
        result if exchange.response.status >= 400 => failure(exchange, result.err()),
        Ok(tokens) if recorded.get("tokens") == Some(&tokens.ids.clone().into()) => Vec::new(),
        result => vec![format!("tokens: {result:?}")],
    };
    Ok((differences, Vec::new()))
}

async fn replay_models(client: &Cohere, exchange: &Exchange, name: &str) -> Replayed {
    let recorded: Value = serde_json::from_slice(&exchange.response.bytes()).unwrap_or_default();
    let list = recorded.get("models").and_then(Value::as_array).cloned();
    let list = list.unwrap_or_else(|| vec![recorded]);
    let expected: Vec<&str> = list.iter().filter_map(|model| model.get("name")?.as_str()).collect();
    let result = match name {
        "" => client.list_models().await,
        name => client.find_model(name).await.map(|model| vec![model]),
    };
    let differences = match result {
        result if exchange.response.status >= 400 => failure(exchange, result.err()),
        Ok(models) if models.iter().map(|model| model.id.as_str()).eq(expected) => Vec::new(),
        result => vec![format!("listed: {result:?}")],
    };
    Ok((differences, Vec::new()))
}

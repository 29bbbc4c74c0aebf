//! Hugging Face's inference API: text generation and feature extraction. Its completions are OpenAI's.

use anyhow::Result;
use llm_core::{ChatRequest, EmbeddingRequest, Message};
use llm_providers::HuggingFace;
use llm_providers::huggingface::parse_generation;
use serde_json::Value;
use testkit::conformance::{Outcome, compare_answer, compare_embedding, compare_failure};
use testkit::{Chunking, Exchange, ReplayServer};

use super::{compare_sent, expected_vectors};

const FEATURES: &str = "/pipeline/feature-extraction";

/// Whether the exchange is of this API.
pub(super) fn covers(exchange: &Exchange) -> bool {
    exchange.wire == "hf-inference" && exchange.request.url.contains("/models/")
}

/// Replays an exchange and tells how it differs from its recording.
pub(super) async fn replay(server: &ReplayServer, exchange: &Exchange) -> Result<Vec<String>> {
    let origin = server.add(exchange.clone(), Chunking::Random { longest: 700, seed: 1 });
    let path = exchange.request.url.splitn(4, '/').nth(3).unwrap_or_default();
    let (base, model) = path.split_once("models/").unwrap_or(("", path));
    let provider =
        HuggingFace::builder(&exchange.provider).base_url(format!("{origin}/{base}")).build()?;
    let outcome = match model.strip_suffix(FEATURES) {
        Some(model) => {
            let request = embedding_request(exchange);
            let result = provider.embedding(model).embed(request).await;
            let expect = exchange.expect.as_ref();
            let differences = expect.map(|expect| compare_embedding(expect, &result));
            if let Some(differences) = differences.filter(|differences| !differences.is_empty()) {
                return Ok(differences);
            }
            Outcome { response: Default::default(), error: result.err() }
        }
        None => {
            let parsed = exchange.request.body.clone().map(|body| parse_generation(model, body));
            let request = match parsed.transpose() {
                Ok(request) => {
                    request.unwrap_or_else(|| ChatRequest::new(vec![Message::user("hi")]))
                }
                Err(_) if exchange.response.status >= 400 => return Ok(Vec::new()),
                Err(refusal) => return Ok(vec![format!("refused: {refusal}")]),
            };
            Outcome::of(provider.generation(model).chat(request).await).await
        }
    };
    let mut differences = match (exchange.response.status >= 400, &exchange.expect) {
        (true, _) => compare_failure(exchange, &outcome),
        (false, Some(expect)) if !model.ends_with(FEATURES) => compare_answer(expect, &outcome),
        (false, _) => outcome.error.iter().map(|error| format!("failed: {error:?}")).collect(),
    };
    let is_recorded = exchange.request.body.is_some();
    differences.extend(compare_sent(server, exchange, &[], is_recorded, normalise));
    Ok(differences)
}

fn embedding_request(exchange: &Exchange) -> EmbeddingRequest {
    let inputs = exchange.request.body.as_ref().and_then(|body| body.get("inputs"));
    match inputs {
        Some(Value::String(text)) => EmbeddingRequest::documents([text.clone()]),
        Some(Value::Array(texts)) => {
            EmbeddingRequest::documents(texts.iter().filter_map(Value::as_str))
        }
        _ => EmbeddingRequest::documents(vec!["text"; expected_vectors(exchange)]),
    }
}

/// One text or a list of one is the same, and so are an answer in one piece and no word about that.
fn normalise(mut body: Value) -> Value {
    if let Some(fields) = body.as_object_mut() {
        let is_nothing = |name: &str, value: &Value| {
            value.is_null() || name == "stream" && *value == Value::Bool(false)
        };
        fields.retain(|name, value| !is_nothing(name, value));
        if let Some(Value::Array(texts)) = fields.get_mut("inputs")
            && let [text] = &mut texts[..]
        {
            let text = text.take();
            fields.insert("inputs".to_owned(), text);
        }
    }
    body
}

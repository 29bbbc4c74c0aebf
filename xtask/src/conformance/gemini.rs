//! Gemini's dialect: `generateContent` in both services, embeddings, counts of tokens, lists of models.

use anyhow::Result;
use llm_core::{ChatRequest, EmbeddingRequest, Message};
use llm_providers::gemini::{self, Gemini, Service, embeddings};
use serde_json::{Value, json};
use testkit::conformance::{
    Outcome, compare_answer, compare_embedding, compare_failure, compare_requests,
    normalise_gemini_request,
};
use testkit::{Chunking, Exchange, Expectation, ReplayServer};

/// Whether the exchange is of this dialect.
pub(super) fn covers(exchange: &Exchange) -> bool {
    const WIRES: [&str; 5] = [
        "gemini-generate",
        "gemini-embed",
        "gemini-count-tokens",
        "gemini-models",
        "vertex-predict",
    ];
    let path = exchange.request.url.split('?').next().unwrap_or_default();
    // A question for one model is none for the list.
    let is_whole_list = exchange.wire != "gemini-models" || path.ends_with("/models");
    WIRES.contains(&exchange.wire.as_str()) && is_whole_list
}

/// Replays an exchange and tells how it differs from its recording.
pub(super) async fn replay(server: &ReplayServer, exchange: &Exchange) -> Result<Vec<String>> {
    let mut exchange = exchange.clone();
    // Recorders mask projects with characters that no address holds.
    exchange.request.url = exchange.request.url.replace(['<', '>'], "");
    match exchange.wire.as_str() {
        "gemini-generate" => replay_chat(server, &exchange).await,
        "gemini-count-tokens" => replay_count(server, &exchange).await,
        "gemini-models" => replay_models(server, &exchange).await,
        _ => replay_embedding(server, exchange).await,
    }
}

/// What an address tells.
struct Address<'a> {
    service: Service,
    /// What stands before the model, without the origin.
    base: &'a str,
    model: &'a str,
    method: &'a str,
}

impl<'a> Address<'a> {
    fn of(url: &'a str) -> Option<Self> {
        const RESOURCES: [&str; 4] = ["publishers/", "endpoints/", "tunedModels/", "models/"];
        let url = url.split('?').next()?;
        let path = url.splitn(4, '/').nth(3)?;
        let begin = RESOURCES.iter().filter_map(|kind| path.find(kind)).min()?;
        let is_vertex = path.contains("publishers/") || path.contains("locations/");
        let service = if is_vertex { Service::Vertex } else { Service::GeminiApi };
        let (base, resource) = path.split_at(begin);
        let (model, method) = resource.rsplit_once(':')?;
        let model = model.strip_prefix("models/").unwrap_or(model);
        let model = model.strip_prefix("publishers/google/models/").unwrap_or(model);
        Some(Self { service, base, model, method })
    }
}

fn client(
    server: &ReplayServer,
    exchange: &Exchange,
    base: &str,
    service: Service,
) -> Result<Gemini> {
    let origin = server.add(exchange.clone(), Chunking::Random { longest: 700, seed: 1 });
    let provider = Gemini::builder(&exchange.provider)
        .base_url(format!("{origin}/{base}"))
        .service(service)
        .api_key("replay".into())
        .build()?;
    Ok(provider)
}

async fn replay_chat(server: &ReplayServer, exchange: &Exchange) -> Result<Vec<String>> {
    let Some(address) = Address::of(&exchange.request.url) else {
        return Ok(vec!["the address names no model".to_owned()]);
    };
    let stream = address.method == "streamGenerateContent";
    let request = match &exchange.request.body {
        Some(body) => match gemini::parse_request_value(address.model, stream, body.clone()) {
            Ok(request) => request,
            // A request that we refuse ourselves passes when its provider refused it, too.
            Err(_) if exchange.response.status == 400 => return Ok(Vec::new()),
            Err(refusal) => return Ok(vec![format!("refused: {refusal}")]),
        },
        None => any_question(address.model, stream),
    };
    let warnings = match gemini::render_request(request.clone(), address.service) {
        Ok(rendered) => rendered.warnings,
        Err(error) => return Ok(vec![format!("not rendered: {error}")]),
    };
    let provider = client(server, exchange, address.base, address.service)?;
    let outcome = Outcome::of(provider.chat(address.model).chat(request).await).await;
    let mut differences = if exchange.response.status >= 400 {
        compare_failure(exchange, &outcome)
    } else {
        let expect = exchange.expect.as_ref().map(words_for_numbers);
        let expect = expect.map(|expect| with_block(expect, exchange));
        expect.map(|expect| compare_answer(&expect, &outcome)).unwrap_or_default()
    };
    differences.extend(warnings.iter().map(|warning| format!("warned: {}", warning.message)));
    differences.extend(compare_sent(server, exchange, normalise_gemini_request));
    Ok(differences)
}

fn any_question(model: &str, stream: bool) -> ChatRequest {
    let request = ChatRequest::new(vec![Message::user("text")]);
    ChatRequest { model: model.to_owned(), stream, ..request }
}

/// Clients may ask for enumerations as numbers; the vocabulary keeps the provider's word as text.
fn words_for_numbers(expect: &Expectation) -> Expectation {
    let mut expect = expect.clone();
    if let Some(finish @ Value::Number(_)) = &mut expect.finish {
        *finish = finish.to_string().into();
    }
    expect
}

/// A blocked prompt has no answer, which is a failure of the call; an independent reader finds an answer that is empty.
fn with_block(mut expect: Expectation, exchange: &Exchange) -> Expectation {
    let body = exchange.response.bytes();
    let body = String::from_utf8_lossy(&body);
    if body.contains("\"blockReason\"") && !body.contains("\"candidates\"") {
        expect.error = Some(json!({ "blocked": true }));
        expect.finish = None;
    }
    expect
}

fn compare_sent(
    server: &ReplayServer,
    exchange: &Exchange,
    normalise: fn(Value) -> Value,
) -> Vec<String> {
    match &server.taken(&exchange.id)[..] {
        [sent] if exchange.request.body.is_some() => {
            compare_requests(exchange, sent, &[], normalise)
        }
        [_] => Vec::new(),
        sent => vec![format!("{} requests were sent", sent.len())],
    }
}

async fn replay_count(server: &ReplayServer, exchange: &Exchange) -> Result<Vec<String>> {
    let Some(address) = Address::of(&exchange.request.url) else {
        return Ok(vec!["the address names no model".to_owned()]);
    };
    let body = exchange.request.body.clone().unwrap_or_default();
    let body = match body.get("generateContentRequest") {
        Some(whole) => whole.clone(),
        None => body,
    };
    let request = match gemini::parse_request_value(address.model, false, body) {
        Ok(request) => request,
        Err(refusal) => return Ok(vec![format!("refused: {refusal}")]),
    };
    let provider = client(server, exchange, address.base, address.service)?;
    let result = provider.count_tokens(request).await;
    let mut differences = match result {
        Err(error) if exchange.response.status >= 400 => {
            compare_failure(exchange, &Outcome { response: Default::default(), error: Some(error) })
        }
        Err(error) => vec![format!("failed: {error:?}")],
        Ok(count) => {
            let recorded: Value = serde_json::from_slice(&exchange.response.bytes())?;
            let is_same = recorded["totalTokens"] == json!(count.total_tokens);
            if is_same { Vec::new() } else { vec![format!("counted {}", count.total_tokens)] }
        }
    };
    differences.extend(compare_sent(server, exchange, normalise_count));
    Ok(differences)
}

/// A request on its own is the same as one in its field, and names no model there.
fn normalise_count(mut body: Value) -> Value {
    let mut request = match body.get_mut("generateContentRequest") {
        Some(request) => request.take(),
        None => body,
    };
    if let Some(fields) = request.as_object_mut() {
        fields.remove("model");
    }
    normalise_gemini_request(request)
}

async fn replay_models(server: &ReplayServer, exchange: &Exchange) -> Result<Vec<String>> {
    let path = exchange.request.url.splitn(4, '/').nth(3).unwrap_or_default();
    let base = path.split("models").next().unwrap_or_default();
    let mut recorded: Value = serde_json::from_slice(&exchange.response.bytes())?;
    // Of a list that goes on, one page was recorded.
    recorded.as_object_mut().map(|page| page.remove("nextPageToken"));
    let mut page = exchange.clone();
    page.response.body = Some(recorded.to_string());
    let provider = client(server, &page, base, Service::GeminiApi)?;
    let models = match provider.list_models().await {
        Ok(models) => models,
        Err(error) => return Ok(vec![format!("failed: {error:?}")]),
    };
    let recorded = recorded["models"].as_array().map_or(0, Vec::len);
    let mut differences = Vec::new();
    if models.len() != recorded {
        differences.push(format!("{} models, not {recorded}", models.len()));
    }
    differences.extend(compare_sent(server, exchange, |body| body));
    Ok(differences)
}

async fn replay_embedding(server: &ReplayServer, mut exchange: Exchange) -> Result<Vec<String>> {
    as_batch(&mut exchange);
    let Some(address) = Address::of(&exchange.request.url) else {
        return Ok(vec!["the address names no model".to_owned()]);
    };
    let parse = match address.method {
        "predict" => embeddings::parse_predict,
        _ => embeddings::parse_batch,
    };
    let request = match exchange.request.body.clone().map(|body| parse(address.model, body)) {
        Some(Ok(request)) => request,
        Some(Err(refusal)) => return Ok(vec![format!("refused: {refusal}")]),
        // Any request with as many inputs as there are vectors.
        None => EmbeddingRequest::documents(vec!["text"; recorded_vectors(&exchange)]),
    };
    let provider = client(server, &exchange, address.base, address.service)?;
    let result = provider.embedding(address.model).embed(request).await;
    let mut differences = if exchange.response.status >= 400 {
        let outcome = Outcome { response: Default::default(), error: result.err() };
        compare_failure(&exchange, &outcome)
    } else {
        let expect = exchange.expect.clone().unwrap_or_default();
        compare_embedding(&expect, &result)
    };
    differences.extend(compare_sent(server, &exchange, normalise_embedding));
    Ok(differences)
}

/// `embedContent` is a batch of one, which our client always sends to the Gemini API.
fn as_batch(exchange: &mut Exchange) {
    let is_one = exchange.request.url.contains(":embedContent");
    if let (true, Some(body)) = (is_one, &mut exchange.request.body) {
        *body = json!({ "requests": [body.take()] });
        exchange.request.url = exchange.request.url.replace(":embedContent", ":batchEmbedContents");
    }
}

fn recorded_vectors(exchange: &Exchange) -> usize {
    let body: Value = serde_json::from_slice(&exchange.response.bytes()).unwrap_or_default();
    ["embeddings", "predictions"].iter().find_map(|name| body[*name].as_array()).map_or(1, Vec::len)
}

/// The role of a text to embed means nothing, and the address names the model already.
fn normalise_embedding(body: Value) -> Value {
    let mut body = normalise_gemini_request(body);
    let requests = body.get_mut("requests").and_then(Value::as_array_mut);
    for request in requests.into_iter().flatten().filter_map(Value::as_object_mut) {
        request.remove("model");
        if let Some(Value::Object(content)) = request.get_mut("content") {
            content.remove("role");
        }
    }
    body
}

#[cfg(test)]
mod tests {
    use crate::conformance::{Args, RECORDINGS, run};

    /// The same as `cargo xtask conformance`, where there are recordings.
    #[test]
    fn recordings_replay() {
        let dialect = ["gemini", "vertex"].map(str::to_owned).to_vec();
        let args = Args { dir: RECORDINGS.into(), dialect };
        if !args.dir.is_dir() {
            eprintln!("skipped: there are no recordings at {}", args.dir.display());
            return;
        }
        run(args).unwrap();
    }
}

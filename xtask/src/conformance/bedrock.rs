//! AWS Bedrock: Converse and ConverseStream, chat, embeddings and rerank through InvokeModel, rerank, counts of tokens.

use anyhow::Result;
use llm_core::{
    ChatRequest, EmbeddingRequest, Message, ModelError, Part, RerankRequest, RerankResponse,
    ToolCall, Warning,
};
use llm_providers::bedrock::converse::{DIALECT, parse_request};
use llm_providers::bedrock::embeddings::parse_embedding_request;
use llm_providers::bedrock::invoke;
use llm_providers::bedrock::{Bedrock, Credentials, EmbeddingFamily, InvokeFamily};
use llm_providers::cohere::rerank::parse_rerank_request;
use serde_json::{Value, json};
use testkit::conformance::{
    Outcome, compare_answer, compare_embedding, compare_failure, compare_requests,
    normalise_chat_request, normalise_cohere_request, normalise_converse_request,
    normalise_messages_request,
};
use testkit::{Chunking, Exchange, ReplayServer};

/// What can be replayed.
#[derive(Clone, Copy)]
enum Call {
    Converse { stream: bool },
    Invoke { family: InvokeFamily, stream: bool },
    Embed(EmbeddingFamily),
    Rerank,
    InvokeRerank,
    CountTokens,
}

/// Whether the exchange can be replayed.
pub(super) fn covers(exchange: &Exchange) -> bool {
    call(exchange).is_some()
}

fn call(exchange: &Exchange) -> Option<Call> {
    let action = exchange.request.url.rsplit('/').next().unwrap_or_default();
    match (exchange.wire.as_str(), action) {
        ("bedrock-converse", "converse") => Some(Call::Converse { stream: false }),
        ("bedrock-converse", "converse-stream") => Some(Call::Converse { stream: true }),
        ("bedrock-rerank", "rerank") => Some(Call::Rerank),
        ("bedrock-count-tokens", "count-tokens") => Some(Call::CountTokens),
        (wire, "invoke") if wire.starts_with("bedrock-invoke:") && exchange.op == "embedding" => {
            EmbeddingFamily::of(&model(exchange)).map(Call::Embed)
        }
        (wire, "invoke") if wire.starts_with("bedrock-invoke:") && exchange.op == "rerank" => {
            Some(Call::InvokeRerank)
        }
        // An inference profile, whose id tells nothing; what came back is a vector.
        ("bedrock-invoke:other", "invoke") if asks_for_vector(exchange) => {
            Some(Call::Embed(EmbeddingFamily::Titan))
        }
        (wire, "invoke" | "invoke-with-response-stream")
            if wire.starts_with("bedrock-invoke:") && exchange.op == "chat" =>
        {
            let stream = action != "invoke";
            invoke_family(exchange).map(|family| Call::Invoke { family, stream })
        }
        _ => None,
    }
}

fn has_field(exchange: &Exchange, name: &str) -> bool {
    exchange.request.body.as_ref().is_some_and(|body| body.get(name).is_some())
}

fn asks_for_vector(exchange: &Exchange) -> bool {
    has_field(exchange, "inputText") && !has_field(exchange, "textGenerationConfig")
}

/// What the model's id tells, except where the body is of an older form, or the id is none.
fn invoke_family(exchange: &Exchange) -> Option<InvokeFamily> {
    if has_field(exchange, "max_tokens_to_sample") {
        return Some(InvokeFamily::ClaudePrompt);
    }
    if has_field(exchange, "anthropic_version") {
        return Some(InvokeFamily::Claude);
    }
    InvokeFamily::of(&model(exchange))
}

/// Replays an exchange; gives how it differs from the recording.
pub(super) async fn replay(server: &ReplayServer, exchange: &Exchange) -> Result<Vec<String>> {
    let exchange = &with_escaped_path(exchange);
    let origin = server.add(exchange.clone(), Chunking::Random { longest: 700, seed: 1 });
    let client = Bedrock::builder(&exchange.provider, "us-east-1")
        .runtime_url(&origin)
        .agent_url(&origin)
        .credentials(Credentials::new("AKIDREPLAY", "replay"))
        .build()?;
    let mut differences = match call(exchange) {
        Some(Call::Converse { stream }) => replay_chat(&client, exchange, stream).await,
        Some(Call::Embed(family)) => replay_embedding(&client, exchange, family).await,
        Some(Call::Invoke { family, stream }) => {
            replay_invoke(&client, exchange, family, stream).await
        }
        Some(Call::Rerank) => replay_rerank(&client, exchange).await,
        Some(Call::InvokeRerank) => replay_invoke_rerank(&client, exchange).await,
        Some(Call::CountTokens) => replay_count(&client, exchange).await,
        None => return Ok(Vec::new()),
    };
    let is_compared = match call(exchange) {
        // Our client counts chat requests in Converse's form, not bodies of InvokeModel.
        Some(Call::CountTokens) => converse_input(exchange).is_some(),
        _ => exchange.request.body.is_some(),
    };
    match &server.taken(&exchange.id)[..] {
        [sent] if is_compared => {
            let normalise = |body| match call(exchange) {
                Some(Call::Invoke { family, .. }) => normalise_invoke(body, family),
                _ => normalise(body),
            };
            differences.extend(compare_requests(exchange, sent, &announced(exchange), normalise));
        }
        [_] => {}
        sent => differences.push(format!("{} requests were sent", sent.len())),
    }
    Ok(differences)
}

/// Clients differ in whether they escape the `:` of a model's id; ours does.
fn with_escaped_path(exchange: &Exchange) -> Exchange {
    let mut exchange = exchange.clone();
    let url = exchange.request.url.clone();
    if let Some((origin, path)) = url.split_once("/model/") {
        exchange.request.url = format!("{origin}/model/{}", path.replace(':', "%3A"));
    }
    exchange
}

/// The model's id, out of the path.
fn model(exchange: &Exchange) -> String {
    let path = exchange.request.url.split_once("/model/").map_or("", |(_, path)| path);
    let id = path.rsplit_once('/').map_or(path, |(id, _)| id);
    id.replace("%3A", ":").replace("%2F", "/")
}

async fn replay_chat(client: &Bedrock, exchange: &Exchange, stream: bool) -> Vec<String> {
    let model = model(exchange);
    let request = match &exchange.request.body {
        Some(body) => match parse_request(&model, stream, body.clone()) {
            Ok(request) => request,
            Err(refusal) => return vec![format!("refused: {refusal}")],
        },
        None => ChatRequest {
            model: model.clone(),
            stream,
            ..ChatRequest::new(vec![Message::user("hi")])
        },
    };
    let mut outcome = Outcome::of(client.chat(model).chat(request).await).await;
    if exchange.response.status >= 400 {
        return failure(exchange, outcome.error);
    }
    list_server_calls(&mut outcome);
    match &exchange.expect {
        Some(expect) => compare_answer(expect, &outcome),
        None if exchange.has_feature("in_body_error") && outcome.error.is_none() => {
            vec!["the failure in the stream was not told".to_owned()]
        }
        None => Vec::new(),
    }
}

/// What the client says that it leaves out (sampling beside thinking).
fn announced(exchange: &Exchange) -> Vec<Warning> {
    let (Some(Call::Invoke { family, stream }), Some(body)) =
        (call(exchange), exchange.request.body.clone())
    else {
        return Vec::new();
    };
    let request = invoke::parse_request(family, &model(exchange), stream, body).ok();
    let rendered = request.and_then(|it| invoke::render_request(it, family, None).ok());
    rendered.map(|rendered| rendered.warnings).unwrap_or_default()
}

async fn replay_invoke(
    client: &Bedrock,
    exchange: &Exchange,
    family: InvokeFamily,
    stream: bool,
) -> Vec<String> {
    let model = model(exchange);
    let body = exchange.request.body.clone().filter(|body| body != &json!({}));
    let request = match body {
        Some(body) => match invoke::parse_request(family, &model, stream, body) {
            Ok(request) => request,
            Err(refusal) => return vec![format!("refused: {refusal}")],
        },
        None => ChatRequest { stream, ..ChatRequest::new(vec![Message::user("hi")]) },
    };
    let chat = client.invoke_chat_of(family, model);
    let outcome = Outcome::of(chat.chat(request).await).await;
    if exchange.response.status >= 400 {
        return failure(exchange, outcome.error);
    }
    let mut expect = exchange.expect.clone().unwrap_or_default();
    // The independent reader knows no end of these dialects in this framing; the service's own count comes last in it.
    let is_counted = |usage: &Value| usage.get("invocationLatency").is_some();
    if expect.usage.as_ref().is_some_and(is_counted) {
        expect.complete = None;
    }
    compare_answer(&expect, &outcome)
}

async fn replay_invoke_rerank(client: &Bedrock, exchange: &Exchange) -> Vec<String> {
    let body = exchange.request.body.clone().unwrap_or_default();
    let request = match parse_rerank_request(body) {
        Ok(request) => request,
        Err(refusal) => return vec![format!("refused: {refusal}")],
    };
    let result = client.invoke_rerank(model(exchange)).rerank(request).await;
    compare_ranking(exchange, result)
}

/// The independent reader lists calls of the provider's own tools among the others; to us they are blocks, since nobody is
/// to run them.
fn list_server_calls(outcome: &mut Outcome) {
    for part in outcome.response.choices.iter_mut().flat_map(|choice| &mut choice.message.parts) {
        if let Part::Other { dialect, value } = part
            && dialect == DIALECT
            && let Some(call) = value.get("toolUse")
        {
            *part = Part::ToolCall(ToolCall {
                name: call.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
                arguments: call.get("input").unwrap_or(&Value::Null).to_string(),
                ..ToolCall::default()
            });
        }
    }
}

fn failure(exchange: &Exchange, error: Option<ModelError>) -> Vec<String> {
    let outcome = Outcome { response: Default::default(), error };
    let mut differences = compare_failure(exchange, &outcome);
    let found = outcome.error.as_ref().and_then(ModelError::request_id);
    let recorded = exchange.response.headers.get("x-amzn-requestid").map(String::as_str);
    if found != recorded {
        differences.push(format!("request id: {found:?}, not {recorded:?}"));
    }
    differences
}

async fn replay_embedding(
    client: &Bedrock,
    exchange: &Exchange,
    family: EmbeddingFamily,
) -> Vec<String> {
    let model = model(exchange);
    let request = match &exchange.request.body {
        Some(body) => match parse_embedding_request(&model, family, body.clone()) {
            Ok(request) => request,
            Err(refusal) => return vec![format!("refused: {refusal}")],
        },
        None => EmbeddingRequest::documents(["text"]),
    };
    let result = client.embedding_of(family, model).embed(request).await;
    if exchange.response.status >= 400 {
        return failure(exchange, result.err());
    }
    match (&exchange.expect, &result) {
        (Some(expect), _) => compare_embedding(expect, &result),
        (None, Err(error)) => vec![format!("failed: {error:?}")],
        (None, Ok(_)) => Vec::new(),
    }
}

async fn replay_rerank(client: &Bedrock, exchange: &Exchange) -> Vec<String> {
    let recorded: Value = serde_json::from_slice(&exchange.response.bytes()).unwrap_or_default();
    let entries = recorded.get("results").and_then(Value::as_array).cloned().unwrap_or_default();
    let index = |entry: &Value| entry.get("index").and_then(Value::as_u64).unwrap_or_default();
    let most = entries.iter().map(index).max().unwrap_or_default();
    let request = RerankRequest {
        query: "question".into(),
        documents: vec!["text".into(); most as usize + 1],
        ..RerankRequest::default()
    };
    let result = client.rerank("cohere.rerank-v3-5:0").rerank(request).await;
    compare_ranking(exchange, result)
}

fn compare_ranking(exchange: &Exchange, result: Result<RerankResponse, ModelError>) -> Vec<String> {
    let recorded: Value = serde_json::from_slice(&exchange.response.bytes()).unwrap_or_default();
    let entries = recorded.get("results").and_then(Value::as_array).cloned().unwrap_or_default();
    let index = |entry: &Value| entry.get("index").and_then(Value::as_u64).unwrap_or_default();
    if exchange.response.status >= 400 {
        return failure(exchange, result.err());
    }
    match result {
        Err(error) => vec![format!("failed: {error:?}")],
        Ok(response) => {
            let found: Vec<u64> = response.results.iter().map(|r| r.index as u64).collect();
            let expected: Vec<u64> = entries.iter().map(index).collect();
            let differ = found != expected;
            differ.then(|| format!("ranking: {found:?}, not {expected:?}")).into_iter().collect()
        }
    }
}

fn converse_input(exchange: &Exchange) -> Option<&Value> {
    exchange.request.body.as_ref()?.pointer("/input/converse")
}

async fn replay_count(client: &Bedrock, exchange: &Exchange) -> Vec<String> {
    let model = model(exchange);
    let request = match converse_input(exchange) {
        Some(body) => match parse_request(&model, false, body.clone()) {
            Ok(request) => request,
            Err(refusal) => return vec![format!("refused: {refusal}")],
        },
        None => ChatRequest { model, ..ChatRequest::new(vec![Message::user("hi")]) },
    };
    let result = client.count_tokens(request).await;
    if exchange.response.status >= 400 {
        return failure(exchange, result.err());
    }
    let recorded: Value = serde_json::from_slice(&exchange.response.bytes()).unwrap_or_default();
    match result {
        Ok(count) if recorded.get("inputTokens") == Some(&json!(count)) => Vec::new(),
        other => vec![format!("count: {other:?}, not {recorded}")],
    }
}

/// The path says whether to stream, whatever stands in the body.
fn normalise_invoke(mut body: Value, family: InvokeFamily) -> Value {
    if let Some(fields) = body.as_object_mut() {
        fields.remove("stream");
        fields.remove("schemaVersion");
        if let Some(Value::Object(config)) = fields.get_mut("inferenceConfig")
            && let Some(limit) = config.remove("max_new_tokens")
        {
            config.insert("maxTokens".into(), limit);
        }
    }
    match family {
        InvokeFamily::Claude => normalise_messages_request(body),
        InvokeFamily::Nova => normalise_converse_request(body),
        InvokeFamily::ChatCompletions => normalise_chat_request(body),
        // Empty lists are left out there and elsewhere.
        InvokeFamily::CommandR | InvokeFamily::Command => normalise_cohere_request(body),
        _ => {
            if let Some(Value::Object(config)) = body.get_mut("textGenerationConfig") {
                config.retain(|_, value| *value != json!([]));
            }
            body
        }
    }
}

fn normalise(body: Value) -> Value {
    if let Some(converse) = body.pointer("/input/converse") {
        return normalise_converse_request(converse.clone());
    }
    if body.get("messages").is_some() {
        return normalise_converse_request(body);
    }
    normalise_embedding(body)
}

/// `float` is what one gets who asks for no type, and the purpose of texts is that of documents unless said.
fn normalise_embedding(mut body: Value) -> Value {
    if let Some(fields) = body.as_object_mut() {
        fields.retain(|name, value| !(name == "embedding_types" && *value == json!(["float"])));
    }
    body
}

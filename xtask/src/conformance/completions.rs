//! Recordings of completions, the interface before chat.

use anyhow::Result;
use llm_core::{ChatRequest, Message};
use llm_providers::openai::completions::render_completion_request;
use llm_providers::{OpenAi, Quirks, catalogue};
use serde_json::{Map, Value};
use testkit::conformance::{Outcome, compare_answer, compare_failure};
use testkit::{Chunking, Exchange, ReplayServer};

use super::{azure, compare_sent};

/// What stands behind the base URL.
const PATHS: [&str; 2] = ["/fim/completions", "/completions"];

/// Whether an exchange is of this interface. Some houses have others of the same name, and Writer streams another form,
/// whose end cannot be told from a break.
pub(super) fn covers(exchange: &Exchange) -> bool {
    let is_whole = exchange.kind != "completion-stream";
    let is_known = match exchange.wire.as_str() {
        "openai-completions" | "hf-inference" => true,
        "writer-completions" => is_whole,
        _ => false,
    };
    let address = address(exchange);
    let is_other = ["/agents/", "/prompts/", "/organization/"].iter().any(|p| address.contains(p));
    is_known && address.ends_with("/completions") && !is_other
}

/// Replays an exchange and tells how it differs from its recording.
pub(super) async fn replay(server: &ReplayServer, exchange: &Exchange) -> Result<Vec<String>> {
    let mut exchange = exchange.clone();
    azure::tidy(&mut exchange);
    say_stream(&mut exchange);
    let exchange = &exchange;
    let body = exchange.request.body.clone();
    let is_recorded = body.is_some();
    let mut request = body.map(request_of).unwrap_or_default();
    if request.model.is_empty() {
        request.model = exchange.model.clone().unwrap_or_default();
    }
    let warnings = render_completion_request(request.clone(), &quirks(exchange))?.warnings;
    let model = client(server, exchange)?.completions(request.model.clone());
    let outcome = Outcome::of(model.chat(request).await).await;
    let mut differences = if exchange.response.status >= 400 {
        compare_failure(exchange, &outcome)
    } else {
        exchange.expect.as_ref().map(|expect| compare_answer(expect, &outcome)).unwrap_or_default()
    };
    differences.extend(compare_sent(server, exchange, &warnings, is_recorded, normalise));
    Ok(differences)
}

/// One recorder leaves out of the request that it asked for a stream.
fn say_stream(exchange: &mut Exchange) {
    if let ("completion-stream", Some(Value::Object(body))) =
        (exchange.kind.as_str(), &mut exchange.request.body)
    {
        body.entry("stream").or_insert(Value::Bool(true));
    }
}

fn client(server: &ReplayServer, exchange: &Exchange) -> Result<OpenAi> {
    let origin = server.add(exchange.clone(), Chunking::Random { longest: 700, seed: 1 });
    let builder = if azure::is_on_azure(exchange) {
        azure::builder(&origin, exchange)
    } else {
        let path = address(exchange).splitn(4, '/').nth(3).unwrap_or_default();
        let base = PATHS.iter().find_map(|end| path.strip_suffix(end)).unwrap_or(path);
        OpenAi::builder(&exchange.provider, format!("{origin}/{base}"))
    };
    Ok(builder.quirks(quirks(exchange)).api_key("sk-replay".into()).build()?)
}

fn quirks(exchange: &Exchange) -> Quirks {
    catalogue::find(&exchange.provider).map(|entry| entry.quirks.clone()).unwrap_or_default()
}

fn request_of(body: Value) -> ChatRequest {
    let Value::Object(mut fields) = without_nulls(body) else {
        return ChatRequest::default();
    };
    let mut request = ChatRequest::default();
    if let Some(Value::String(prompt)) = fields.get("prompt") {
        request.messages = vec![Message::user(prompt.as_str())];
        fields.remove("prompt");
    }
    request.model = taken(&mut fields, "model").unwrap_or_default();
    request.stream = taken(&mut fields, "stream").unwrap_or_default();
    request.max_output_tokens = taken(&mut fields, "max_tokens");
    request.sampling.temperature = taken(&mut fields, "temperature");
    request.sampling.top_p = taken(&mut fields, "top_p");
    request.sampling.frequency_penalty = taken(&mut fields, "frequency_penalty");
    request.sampling.presence_penalty = taken(&mut fields, "presence_penalty");
    request.sampling.seed = taken(&mut fields, "seed");
    request.sampling.logit_bias = taken(&mut fields, "logit_bias").unwrap_or_default();
    request.n = taken(&mut fields, "n");
    request.user = taken(&mut fields, "user");
    request.top_logprobs = taken(&mut fields, "logprobs");
    request.stop = taken(&mut fields, "stop").unwrap_or_default();
    request.extra_body = fields;
    request
}

/// Takes a field that is of type `T`; another stays.
fn taken<T: serde::de::DeserializeOwned>(fields: &mut Map<String, Value>, name: &str) -> Option<T> {
    let value = serde_json::from_value(fields.get(name)?.clone()).ok()?;
    fields.remove(name);
    Some(value)
}

/// A list of one is that one, and what says nothing is left out.
fn normalise(body: Value) -> Value {
    let Value::Object(mut fields) = without_nulls(body) else {
        return Value::Null;
    };
    fields.retain(|name, value| match name.as_str() {
        "stream" => *value != Value::Bool(false),
        "stream_options" => false,
        "logit_bias" => value.as_object().is_some_and(|bias| !bias.is_empty()),
        _ => true,
    });
    for name in ["stop", "prompt"] {
        if let Some(Value::Array(items)) = fields.get_mut(name)
            && let [Value::String(item)] = &items[..]
        {
            let item = item.clone();
            fields.insert(name.to_owned(), item.into());
        }
    }
    fields.into()
}

fn without_nulls(mut body: Value) -> Value {
    if let Value::Object(fields) = &mut body {
        fields.retain(|_, value| !value.is_null());
    }
    body
}

fn address(exchange: &Exchange) -> &str {
    let url = exchange.request.url.as_str();
    url.split_once('?').map_or(url, |(address, _)| address)
}

//! Recordings of what has no type of its own: the request goes out as it was recorded, and the answer comes back byte by
//! byte.

use std::sync::Arc;

use anyhow::{Context, Result};
use llm_core::ModelError;
use llm_providers::credentials::FixedToken;
use llm_providers::form::{File, Form};
use llm_providers::{Anthropic, Gemini, OpenAi, RawBody, RawRequest, RawResponse};
use testkit::conformance::{Outcome, compare_failure, compare_form, compare_requests};
use testkit::{Chunking, Exchange, ReplayServer, SeenRequest};

/// Families of wire formats, of which other suites have looked at those with a type before.
const FAMILIES: [&str; 4] = ["anthropic-", "gemini-", "mistral-", "openai-"];

/// Formats of other houses that are asked in the same way: JSON, with the key as bearer.
const OTHERS: [&str; 3] = ["replicate", "watsonx-generation", "writer-completions"];

/// Formats that have a type, or deserve one: bytes that come back prove nothing about them.
const TYPED: [&str; 8] = [
    "anthropic-count-tokens",
    "anthropic-messages",
    "gemini-count-tokens",
    "gemini-embed",
    "gemini-generate",
    "gemini-interactions",
    "openai-chat",
    "openai-responses",
];

/// Headers that say which form of an interface is asked.
const BETAS: [&str; 2] = ["openai-beta", "anthropic-beta"];

/// Whether an exchange is of one of these formats.
pub(super) fn covers(exchange: &Exchange) -> bool {
    let wire = exchange.wire.as_str();
    let is_of_family = FAMILIES.iter().any(|family| wire.starts_with(family));
    is_of_family && !TYPED.contains(&wire) || OTHERS.contains(&wire)
}

/// Replays an exchange and tells how it differs from its recording.
pub(super) async fn replay(server: &ReplayServer, exchange: &Exchange) -> Result<Vec<String>> {
    let origin = server.add(exchange.clone(), Chunking::Random { longest: 4000, seed: 1 });
    let answer = ask(exchange, &origin).await?;
    let mut differences = match answer {
        Ok(answer) => compare_bytes(exchange, &answer),
        Err(error) if exchange.response.status >= 400 => {
            let outcome = Outcome { response: Default::default(), error: Some(error) };
            compare_failure(exchange, &outcome)
        }
        Err(error) => vec![format!("failed: {error:?}")],
    };
    match &server.taken(&exchange.id)[..] {
        [sent] => differences.extend(compare_sent(exchange, sent.clone())),
        sent => differences.push(format!("{} requests were sent", sent.len())),
    }
    Ok(differences)
}

async fn ask(exchange: &Exchange, origin: &str) -> Result<Result<RawResponse, ModelError>> {
    let request = request_of(exchange)?;
    let name = &exchange.provider;
    let family = exchange.wire.split('-').next().unwrap_or_default();
    Ok(match (family, name.as_str()) {
        ("anthropic", _) => {
            let builder = Anthropic::builder(name).base_url(origin).api_key("replay".into());
            builder.build()?.raw(request).await
        }
        ("gemini", "vertex") => {
            let builder = Gemini::vertex(name, "p", "global").base_url(origin);
            let tokens = Arc::new(FixedToken::new("replay".into()));
            builder.token_source(tokens).build()?.raw(request).await
        }
        ("gemini", _) => {
            let builder = Gemini::builder(name).base_url(origin).api_key("replay".into());
            builder.build()?.raw(request).await
        }
        _ => OpenAi::builder(name, origin).api_key("replay".into()).build()?.raw(request).await,
    })
}

fn request_of(exchange: &Exchange) -> Result<RawRequest> {
    let recorded = &exchange.request;
    let method = recorded.method.parse().context("the recorded method")?;
    let path = recorded.url.splitn(4, '/').nth(3).unwrap_or_default();
    let mut request = RawRequest::new(method, without_key(path));
    for name in BETAS {
        if let Some(value) = recorded.headers.get(name) {
            request = request.header(name, value);
        }
    }
    request.body = if let Some(parts) = recorded.form() {
        let form = parts.into_iter().fold(Form::new(), |form, part| match part.file_name {
            Some(name) => form.file(part.name, File { name, media_type: None, data: part.data }),
            None => form.text(part.name, String::from_utf8_lossy(&part.data)),
        });
        RawBody::Form(form)
    } else if let Some(data) = recorded.bytes() {
        RawBody::Bytes { media_type: "application/octet-stream".into(), data: data.into() }
    } else if let Some(body) = &recorded.body {
        RawBody::Json(body.clone())
    } else {
        RawBody::Empty
    };
    Ok(request)
}

/// Keys go into headers, whatever the recorder's client did.
fn without_key(path: &str) -> String {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let pairs: Vec<&str> = query.split('&').filter(|pair| !pair.starts_with("key=")).collect();
    if pairs.concat().is_empty() { path.to_owned() } else { format!("{path}?{}", pairs.join("&")) }
}

fn compare_bytes(exchange: &Exchange, answer: &RawResponse) -> Vec<String> {
    let mut differences = Vec::new();
    if answer.status != exchange.response.status {
        differences.push(format!("status: {}", answer.status));
    }
    if answer.body != exchange.response.bytes() {
        differences.push("the body is another".to_owned());
    }
    differences
}

fn compare_sent(exchange: &Exchange, mut sent: SeenRequest) -> Vec<String> {
    // Recorders put names in angle brackets where numbers of accounts stood.
    sent.path = sent.path.replace("%3C", "<").replace("%3E", ">");
    let mut differences = if exchange.request.form().is_some() {
        compare_form(exchange, &sent)
    } else {
        compare_requests(exchange, &sent, &[], |body| body)
    };
    if let (None, Some(body)) = (exchange.request.form(), exchange.request.bytes())
        && sent.body != body
    {
        differences.push("the body that was sent is another".to_owned());
    }
    let expected = without_key(&exchange.request.url);
    let expected = expected.split_once('?').map_or("", |(_, query)| query);
    if sent.query != expected {
        differences.push(format!("query: {}, not {expected}", sent.query));
    }
    for name in BETAS {
        let found = sent.headers.get(name).and_then(|value| value.to_str().ok());
        let expected = exchange.request.headers.get(name).map(String::as_str);
        if found != expected {
            differences.push(format!("{name}: {found:?}, not {expected:?}"));
        }
    }
    differences
}

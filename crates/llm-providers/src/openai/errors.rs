//! Failures of providers that speak the OpenAI dialect, told by table from status, code and type. Pure.

use std::time::SystemTime;

use http::HeaderMap;
use llm_core::{ErrorKind, ModelError, Operation, Retry};
use serde_json::Value;

use crate::retry_after::{retry_after, should_retry, wait_in_message};

/// Words of providers in `code` or `type`, and what they mean. The first row whose word (and status, where it names one)
/// fits decides; words weigh more than the status.
const WORDS: &[(Option<u16>, &str, ErrorKind)] = &[
    (None, "invalid_api_key", ErrorKind::Authentication),
    (None, "authentication_error", ErrorKind::Authentication),
    (None, "invalid_authentication", ErrorKind::Authentication),
    (None, "unauthorized", ErrorKind::Authentication),
    (None, "unauthenticated", ErrorKind::Authentication),
    (None, "wrong_api_key", ErrorKind::Authentication),
    (None, "insufficient_quota", ErrorKind::Quota),
    (None, "billing_hard_limit_reached", ErrorKind::Quota),
    (None, "billing_not_active", ErrorKind::Quota),
    (None, "insufficient_balance", ErrorKind::Quota),
    (None, "insufficient_credits", ErrorKind::Quota),
    (None, "access_terminated", ErrorKind::Quota),
    (None, "quota_exceeded", ErrorKind::Quota),
    (None, "context_length_exceeded", ErrorKind::ContextLength),
    (None, "exceed_context_size_error", ErrorKind::ContextLength),
    (None, "model_max_prompt_tokens_exceeded", ErrorKind::ContextLength),
    (None, "content_filter", ErrorKind::ContentFilter),
    (None, "content_policy_violation", ErrorKind::ContentFilter),
    (None, "responsibleaipolicyviolation", ErrorKind::ContentFilter),
    (None, "moderation_blocked", ErrorKind::ContentFilter),
    (None, "model_not_found", ErrorKind::NotFound),
    (None, "deploymentnotfound", ErrorKind::NotFound),
    (None, "unknown_model", ErrorKind::NotFound),
    (None, "not_found_error", ErrorKind::NotFound),
    (None, "unsupported_parameter", ErrorKind::Unsupported),
    (None, "unsupported_value", ErrorKind::Unsupported),
    (None, "not_supported_error", ErrorKind::Unsupported),
    (None, "unsupported_country_region_territory", ErrorKind::Permission),
    (None, "permission_error", ErrorKind::Permission),
    (None, "permission_denied", ErrorKind::Permission),
    (None, "missing_permissions", ErrorKind::Permission),
    (None, "rate_limit_exceeded", ErrorKind::RateLimit),
    (None, "rate_limit_error", ErrorKind::RateLimit),
    (None, "ratelimitreached", ErrorKind::RateLimit),
    (None, "too_many_requests", ErrorKind::RateLimit),
    (None, "engine_overloaded", ErrorKind::Overloaded),
    (None, "overloaded_error", ErrorKind::Overloaded),
    (None, "server_overloaded", ErrorKind::Overloaded),
    (None, "capacity_exceeded", ErrorKind::Overloaded),
    (None, "system_busy", ErrorKind::Overloaded),
    // The model wrote a tool call that does not fit its schema; sampling again may do better.
    (None, "tool_use_failed", ErrorKind::Malformed),
    (None, "server_error", ErrorKind::Upstream),
    // Words of text-embeddings-inference and text-generation-inference (`error_type`).
    (None, "validation", ErrorKind::InvalidRequest),
    (None, "tokenizer", ErrorKind::InvalidRequest),
    (None, "empty", ErrorKind::InvalidRequest),
    (None, "backend", ErrorKind::Upstream),
    (None, "generation", ErrorKind::Upstream),
    (None, "incomplete_generation", ErrorKind::Upstream),
    (None, "unhealthy", ErrorKind::Overloaded),
    // Codes that our own server writes.
    (None, "overloaded", ErrorKind::Overloaded),
    (None, "timeout", ErrorKind::Timeout),
    (None, "upstream_error", ErrorKind::Upstream),
    (None, "upstream_connection", ErrorKind::Connection),
    // Codes that a response fails with, where there is no status to judge by.
    (None, "vector_store_timeout", ErrorKind::Timeout),
    (None, "image_content_policy_violation", ErrorKind::ContentFilter),
    (None, "invalid_prompt", ErrorKind::ContentFilter),
    (None, "previous_response_not_found", ErrorKind::NotFound),
    (None, "invalid_image", ErrorKind::InvalidRequest),
    (None, "invalid_image_format", ErrorKind::InvalidRequest),
    (None, "invalid_base64_image", ErrorKind::InvalidRequest),
    (None, "invalid_image_url", ErrorKind::InvalidRequest),
    (None, "invalid_image_mode", ErrorKind::InvalidRequest),
    (None, "image_too_large", ErrorKind::InvalidRequest),
    (None, "image_too_small", ErrorKind::InvalidRequest),
    (None, "image_parse_error", ErrorKind::InvalidRequest),
    (None, "image_file_too_large", ErrorKind::InvalidRequest),
    (None, "unsupported_image_media_type", ErrorKind::InvalidRequest),
    (None, "empty_image_file", ErrorKind::InvalidRequest),
    (None, "failed_to_download_image", ErrorKind::InvalidRequest),
    (None, "image_file_not_found", ErrorKind::NotFound),
    (None, "internal_server_error", ErrorKind::Upstream),
    (Some(429), "tokens", ErrorKind::RateLimit),
    (Some(429), "requests", ErrorKind::RateLimit),
];

/// Phrases of providers that give neither a status nor a code of their own for a failure (xAI answers 400 to a wrong key;
/// servers of open models have no code for a prompt that is too long). They only ever replace `InvalidRequest` and
/// `RateLimit` by a kind that is never retried.
const PHRASES: &[(&str, ErrorKind)] = &[
    ("maximum context length", ErrorKind::ContextLength),
    ("context length exceeded", ErrorKind::ContextLength),
    ("exceeds the maximum number of tokens", ErrorKind::ContextLength),
    ("maximum prompt length", ErrorKind::ContextLength),
    ("prompt is too long", ErrorKind::ContextLength),
    ("exceeds the available context size", ErrorKind::ContextLength),
    ("exceeds the context length", ErrorKind::ContextLength),
    ("longer than the context length", ErrorKind::ContextLength),
    ("incorrect api key", ErrorKind::Authentication),
    ("invalid api key", ErrorKind::Authentication),
    ("exceeded your current quota", ErrorKind::Quota),
];

/// The failure that a response with an error status tells.
pub fn from_response(
    operation: Operation,
    status: u16,
    headers: &HeaderMap,
    body: &[u8],
    now: SystemTime,
) -> ModelError {
    let value = serde_json::from_slice(body)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(body).trim().to_owned()));
    let error = from_body(operation, Some(status), &value);
    let error = match request_id(headers) {
        Some(id) => error.with_request_id(id),
        None => error,
    };
    with_hint(error, headers, now)
}

/// The failure that a body tells. `status` is the response's; a body that came with success may name one itself.
pub fn from_body(operation: Operation, status: Option<u16>, body: &Value) -> ModelError {
    let report = Report::read(body);
    let status = status.or(report.status);
    let kind = report.kind(status);
    let mut error = ModelError::new(kind, operation, report.message(status));
    if let Some(status) = status {
        error = error.with_status(status);
    }
    if let Some(code) = report.code.or(report.kind_word) {
        error = error.with_code(code);
    }
    if let Some(param) = report.param {
        error = error.with_param(param);
    }
    if error.code() == Some("tool_use_failed") {
        error = error.with_retry(Retry::Now);
    }
    error
}

/// The provider's id of the request, in any of the headers that providers use.
pub fn request_id(headers: &HeaderMap) -> Option<String> {
    const NAMES: [&str; 7] = [
        "x-request-id",
        "request-id",
        "apim-request-id",
        "x-generation-id",
        "mistral-correlation-id",
        "x-amzn-requestid",
        "dg-request-id",
    ];
    NAMES.iter().find_map(|name| Some(headers.get(*name)?.to_str().ok()?.to_owned()))
}

fn with_hint(error: ModelError, headers: &HeaderMap, now: SystemTime) -> ModelError {
    let may_retry = matches!(
        error.kind(),
        ErrorKind::RateLimit | ErrorKind::Overloaded | ErrorKind::Upstream | ErrorKind::Timeout
    );
    if !may_retry {
        return error;
    }
    if should_retry(headers) == Some(false) {
        return error.with_retry(Retry::No);
    }
    // A request that is larger than the whole limit stays so, whenever it comes.
    if error.status() == Some(413) {
        return error.with_retry(Retry::Exhausted);
    }
    match retry_after(headers, now).or_else(|| wait_in_message(error.message())) {
        Some(wait) => error.with_retry(Retry::After(wait)),
        None => error,
    }
}

/// What a body says, whatever its shape.
#[derive(Debug, Default)]
struct Report {
    message: Option<String>,
    /// `type`.
    kind_word: Option<String>,
    code: Option<String>,
    param: Option<String>,
    status: Option<u16>,
}

impl Report {
    /// Reads `{"error": {…}}`, `{"error": "…", "code": …}`, a bare error object, `{"detail": …}`, an array of one of these,
    /// or plain text.
    fn read(body: &Value) -> Self {
        match body {
            Value::Array(items) => items.first().map(Self::read).unwrap_or_default(),
            Value::String(text) => Self { message: plain_line(text), ..Self::default() },
            Value::Object(outer) => match outer.get("error") {
                Some(error @ Value::Object(_)) => Self::read_object(error),
                Some(Value::String(text)) => {
                    Self { message: Some(text.clone()), ..Self::read_object(body) }
                }
                _ => Self::read_object(body),
            },
            _ => Self::default(),
        }
    }

    fn read_object(error: &Value) -> Self {
        let text = |name: &str| error.get(name).and_then(Value::as_str).map(str::to_owned);
        let number = ["code", "status_code", "status"]
            .iter()
            .find_map(|name| error.get(*name)?.as_u64())
            .filter(|status| (400..600).contains(status));
        let mut report = Self {
            message: text("message").or_else(|| text("detail")).or_else(|| detail(error)),
            kind_word: text("type").or_else(|| text("error_type")),
            code: text("code"),
            param: text("param"),
            status: number.map(|status| status as u16),
        };
        report.look_behind(error);
        report
    }

    /// A router gives its upstream's error as JSON text in `metadata.raw`; Azure puts the reason into `innererror`, with
    /// what its filter found.
    fn look_behind(&mut self, error: &Value) {
        let raw = error.pointer("/metadata/raw").and_then(Value::as_str);
        let inner = raw.and_then(|raw| serde_json::from_str::<Value>(raw).ok());
        let inner = inner.as_ref().map(Self::read);
        if let Some(inner) = inner {
            self.code = self.code.take().or(inner.code);
            self.kind_word = self.kind_word.take().or(inner.kind_word);
            self.param = self.param.take().or(inner.param);
            if let (Some(message), Some(behind)) = (&mut self.message, inner.message) {
                message.push_str(": ");
                message.push_str(&behind);
            }
        } else if let (Some(message), Some(raw)) = (&mut self.message, raw) {
            message.push_str(": ");
            message.push_str(raw);
        }
        if self.code.is_none() {
            let code = error.pointer("/innererror/code").and_then(Value::as_str);
            self.code = code.map(str::to_owned);
        }
        let details = error.get("details").and(detail(error));
        if let (Some(message), Some(details)) = (&mut self.message, details)
            && *message != details
        {
            message.push_str(&format!(": {details}"));
        }
        let found = error.pointer("/innererror/content_filter_result").map(filtered);
        if let (Some(message), Some(found)) = (&mut self.message, found.filter(|f| !f.is_empty())) {
            message.push_str(&format!(" (filtered: {})", found.join(", ")));
        }
    }

    fn kind(&self, status: Option<u16>) -> ErrorKind {
        let words = [&self.code, &self.kind_word];
        let by_word = words.into_iter().flatten().find_map(|word| kind_of_word(status, word));
        // Azure calls a prompt that is too long for a model of another house a limit that is reached.
        if let Some(kind) = by_word.filter(|kind| *kind != ErrorKind::RateLimit) {
            return kind;
        }
        let of_status = || status.map_or(ErrorKind::Unknown, kind_of_status);
        let kind = by_word.unwrap_or_else(of_status);
        let is_vague =
            matches!(kind, ErrorKind::InvalidRequest | ErrorKind::RateLimit | ErrorKind::Unknown);
        if !is_vague {
            return kind;
        }
        let message = self.message.as_deref().unwrap_or_default().to_ascii_lowercase();
        PHRASES.iter().find(|(phrase, _)| message.contains(phrase)).map_or(kind, |(_, kind)| *kind)
    }

    fn message(&self, status: Option<u16>) -> String {
        match (&self.message, status) {
            (Some(message), _) if !message.is_empty() => shorten(message),
            (_, Some(status)) => format!("the provider answered with status {status}"),
            _ => "the provider reported a failure without saying which".to_owned(),
        }
    }
}

fn kind_of_word(status: Option<u16>, word: &str) -> Option<ErrorKind> {
    WORDS
        .iter()
        .find(|(on_status, known, _)| {
            known.eq_ignore_ascii_case(word) && (on_status.is_none() || *on_status == status)
        })
        .map(|(_, _, kind)| *kind)
}

/// What a status means when nothing better is known.
pub(crate) fn kind_of_status(status: u16) -> ErrorKind {
    match status {
        401 => ErrorKind::Authentication,
        402 => ErrorKind::Quota,
        403 => ErrorKind::Permission,
        404 | 410 => ErrorKind::NotFound,
        408 | 504 => ErrorKind::Timeout,
        424 => ErrorKind::Upstream,
        429 => ErrorKind::RateLimit,
        // 498 is Groq's "no capacity for this tier", 529 an overload.
        498 | 503 | 529 => ErrorKind::Overloaded,
        499 => ErrorKind::Cancelled,
        400..=499 => ErrorKind::InvalidRequest,
        500..=599 => ErrorKind::Upstream,
        _ => ErrorKind::Unknown,
    }
}

/// The names of what Azure's content filter found.
fn filtered(results: &Value) -> Vec<&str> {
    let results = results.as_object().into_iter().flatten();
    let found = results.filter(|(_, result)| result.get("filtered") == Some(&Value::Bool(true)));
    found.map(|(name, _)| name.as_str()).collect()
}

/// `{"detail": [{"loc": ["body", "messages"], "msg": "field required"}]}`, as FastAPI writes it; Azure calls it `details`.
fn detail(error: &Value) -> Option<String> {
    let details = error.get("detail").or_else(|| error.get("details"))?;
    let Some(first) = details.as_array().and_then(|details| details.first()) else {
        return details.get("message").and_then(Value::as_str).map(str::to_owned);
    };
    let message = first.get("msg")?.as_str()?;
    let place: Vec<&str> = first.get("loc")?.as_array()?.iter().filter_map(Value::as_str).collect();
    Some(format!("{}: {message}", place.join(".")))
}

/// The text of a body that is no JSON, unless it is a page of HTML.
fn plain_line(text: &str) -> Option<String> {
    let line = text.lines().next().unwrap_or_default();
    (!line.is_empty() && !line.starts_with('<')).then(|| line.to_owned())
}

/// Long messages repeat the prompt.
fn shorten(message: &str) -> String {
    const MOST: usize = 600;
    match message.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &message[..end]),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::HeaderName;
    use llm_core::RetryHint;

    use super::*;

    fn check(status: u16, headers: &[(&str, &str)], body: &str, kind: ErrorKind, retry: Retry) {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()))
            .collect();
        let error =
            from_response(Operation::Chat, status, &headers, body.as_bytes(), SystemTime::now());
        assert_eq!((error.kind(), error.retry()), (kind, retry), "{status} {body}: {error:?}");
    }

    #[test]
    fn words_weigh_more_than_the_status() {
        let openai = |kind: &str, code: &str| {
            format!(r#"{{"error":{{"message":"m","type":"{kind}","param":null,"code":{code}}}}}"#)
        };
        let bad = "invalid_request_error";
        for (status, body, kind, retry) in [
            (401, openai(bad, "\"invalid_api_key\""), ErrorKind::Authentication, Retry::Exhausted),
            (429, openai("insufficient_quota", "null"), ErrorKind::Quota, Retry::Exhausted),
            (429, openai("tokens", "\"rate_limit_exceeded\""), ErrorKind::RateLimit, Retry::Now),
            (429, openai("requests", "null"), ErrorKind::RateLimit, Retry::Now),
            (
                413,
                openai("tokens", "\"rate_limit_exceeded\""),
                ErrorKind::RateLimit,
                Retry::Exhausted,
            ),
            (400, openai(bad, "\"context_length_exceeded\""), ErrorKind::ContextLength, Retry::No),
            (400, openai(bad, "\"model_not_found\""), ErrorKind::NotFound, Retry::No),
            (400, openai(bad, "\"unsupported_value\""), ErrorKind::Unsupported, Retry::No),
            (400, openai(bad, "\"tool_use_failed\""), ErrorKind::Malformed, Retry::Now),
            (400, openai(bad, "null"), ErrorKind::InvalidRequest, Retry::No),
            (403, openai(bad, "null"), ErrorKind::Permission, Retry::Exhausted),
            (500, openai("server_error", "null"), ErrorKind::Upstream, Retry::Now),
            (418, openai("odd", "null"), ErrorKind::InvalidRequest, Retry::No),
        ] {
            check(status, &[], &body, kind, retry);
        }
    }

    #[test]
    fn reads_every_shape_of_body() {
        for (status, body, kind, retry) in [
            (
                400,
                r#"{"code":"Client specified an invalid argument","error":"Incorrect API key provided: x"}"#,
                ErrorKind::Authentication,
                Retry::Exhausted,
            ),
            (401, r#"{"detail":"Unauthorized"}"#, ErrorKind::Authentication, Retry::Exhausted),
            (
                422,
                r#"{"detail":[{"loc":["body","messages"],"msg":"field required"}]}"#,
                ErrorKind::InvalidRequest,
                Retry::No,
            ),
            (
                400,
                r#"{"object":"error","message":"This model's maximum context length is 10 tokens","type":"BadRequestError","code":400}"#,
                ErrorKind::ContextLength,
                Retry::No,
            ),
            (
                400,
                r#"[{"error":{"code":400,"message":"m","status":"INVALID_ARGUMENT"}}]"#,
                ErrorKind::InvalidRequest,
                Retry::No,
            ),
            (
                429,
                r#"{"error":{"code":429,"message":"Provider returned error","metadata":{"raw":"{\"error\":{\"code\":\"insufficient_quota\",\"message\":\"x\"}}"}}}"#,
                ErrorKind::Quota,
                Retry::Exhausted,
            ),
            (502, "<html>bad gateway</html>", ErrorKind::Upstream, Retry::Now),
            (529, "", ErrorKind::Overloaded, Retry::Now),
            (302, "", ErrorKind::Unknown, Retry::No),
        ] {
            check(status, &[], body, kind, retry);
        }
    }

    #[test]
    fn headers_tell_when_to_come_back() {
        let body = r#"{"error":{"message":"m","type":"tokens","code":"rate_limit_exceeded"}}"#;
        let limited = ErrorKind::RateLimit;
        let after = |millis| Retry::After(Duration::from_millis(millis));
        check(429, &[("retry-after", "2")], body, limited, after(2000));
        check(429, &[("x-should-retry", "false")], body, limited, Retry::No);
        check(
            429,
            &[("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "1.5s")],
            body,
            limited,
            after(1500),
        );
        check(503, &[("retry-after", "1")], "", ErrorKind::Overloaded, after(1000));
        check(401, &[("retry-after", "1")], "", ErrorKind::Authentication, Retry::Exhausted);
        let azure =
            r#"{"error":{"code":"429","message":"Rate limit. Please retry after 7 seconds."}}"#;
        check(429, &[], azure, limited, after(7000));
        check(
            429,
            &[("retry-after-ms", "1500"), ("retry-after", "2")],
            azure,
            limited,
            after(1500),
        );
    }

    #[test]
    fn azure_tells_more_inside() {
        let error = |status, body: &str| {
            let body = serde_json::from_str(body).unwrap();
            let error = from_body(Operation::Chat, Some(status), &body);
            (error.kind(), error.message().to_owned())
        };
        let filtered = r#"{"error":{"code":"content_filter","message":"m","innererror":{"code":"x",
            "content_filter_result":{"hate":{"filtered":false},"jailbreak":{"filtered":true}}}}}"#;
        assert_eq!(
            error(400, filtered),
            (ErrorKind::ContentFilter, "m (filtered: jailbreak)".to_owned())
        );
        let invalid = r#"{"error":{"code":"Invalid input","message":"m","details":[
            {"loc":["body","tool_choice"],"msg":"must be text"}]}}"#;
        assert_eq!(
            error(422, invalid),
            (ErrorKind::InvalidRequest, "m: body.tool_choice: must be text".to_owned())
        );
        let long =
            r#"{"error":{"code":"RateLimitReached","message":"maximum prompt length is 5"}}"#;
        assert_eq!(error(429, long).0, ErrorKind::ContextLength);
        let unknown = r#"{"error":{"code":"DeploymentNotFound","message":"m"}}"#;
        assert_eq!(error(404, unknown).0, ErrorKind::NotFound);
    }

    #[test]
    fn keeps_what_the_provider_said() {
        let body = serde_json::json!({ "error": {
            "message": "no such model", "type": "invalid_request_error", "param": "model", "code": null,
        } });
        let error = from_body(Operation::Embed, Some(404), &body).at("openai", "x");
        assert_eq!(error.to_string(), "embedding request to openai/x failed: no such model");
        assert_eq!((error.param(), error.status()), (Some("model"), Some(404)));
        assert_eq!(error.code(), Some("invalid_request_error"));
    }
}

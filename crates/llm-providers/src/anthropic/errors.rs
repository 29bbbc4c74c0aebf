//! Failures of providers that speak this dialect, told by table from type and status. Pure.
//!
//! Bodies are Anthropic's `{"type": "error", "error": {"type", "message"}, "request_id"}`, and where another house serves
//! Claude also its own: Google's `{"error": {"code", "message", "status"}}` (alone or in an array) and Azure's
//! `{"error": {"code", "message"}}`.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use llm_core::{ErrorKind, ModelError, Operation, Retry};
use serde_json::Value;

use crate::openai::errors::kind_of_status;
use crate::retry_after::{retry_after, should_retry};

/// Words in `type`, `status` or `code`, and what they mean. Words weigh more than the status.
const WORDS: &[(&str, ErrorKind)] = &[
    ("invalid_request_error", ErrorKind::InvalidRequest),
    ("authentication_error", ErrorKind::Authentication),
    ("billing_error", ErrorKind::Quota),
    ("permission_error", ErrorKind::Permission),
    ("not_found_error", ErrorKind::NotFound),
    ("request_too_large", ErrorKind::InvalidRequest),
    ("rate_limit_error", ErrorKind::RateLimit),
    ("api_error", ErrorKind::Upstream),
    ("timeout_error", ErrorKind::Timeout),
    ("overloaded_error", ErrorKind::Overloaded),
    ("UNAUTHENTICATED", ErrorKind::Authentication),
    ("PERMISSION_DENIED", ErrorKind::Permission),
    ("NOT_FOUND", ErrorKind::NotFound),
    ("INVALID_ARGUMENT", ErrorKind::InvalidRequest),
    ("FAILED_PRECONDITION", ErrorKind::InvalidRequest),
    ("RESOURCE_EXHAUSTED", ErrorKind::RateLimit),
    ("UNAVAILABLE", ErrorKind::Overloaded),
    ("DEADLINE_EXCEEDED", ErrorKind::Timeout),
    ("INTERNAL", ErrorKind::Upstream),
    ("DeploymentNotFound", ErrorKind::NotFound),
    ("unknown_model", ErrorKind::NotFound),
    ("RateLimitReached", ErrorKind::RateLimit),
    ("too_many_requests", ErrorKind::RateLimit),
];

/// Phrases of failures that have no type of their own. They only ever replace `InvalidRequest` by a kind that is not
/// retried either: what a layer above does differently is to shorten the prompt, or to tell the operator.
const PHRASES: &[(&str, ErrorKind)] = &[
    ("prompt is too long", ErrorKind::ContextLength),
    ("exceed context limit", ErrorKind::ContextLength),
    ("exceeds the context window", ErrorKind::ContextLength),
    ("credit balance is too low", ErrorKind::Quota),
    ("api usage limits", ErrorKind::Quota),
    ("usage limit", ErrorKind::Quota),
    ("content filtering policy", ErrorKind::ContentFilter),
    ("api key is invalid", ErrorKind::Authentication),
];

/// The limits that the headers `anthropic-ratelimit-…` tell of.
const LIMITS: [&str; 4] = ["requests", "tokens", "input-tokens", "output-tokens"];

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

/// The failure that a body, or an `error` event of a stream, tells. `status` is the response's; in the middle of a stream
/// there is none.
pub fn from_body(operation: Operation, status: Option<u16>, body: &Value) -> ModelError {
    // Google puts failures of streams into an array.
    let body = body.get(0).unwrap_or(body);
    let details = body.get("error").unwrap_or(body);
    let text =
        |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let word = ["type", "status", "code"].iter().find_map(|name| text(details, name));
    let message = text(details, "message")
        .or_else(|| text(details, "detail"))
        .or_else(|| details.as_str().and_then(plain_line))
        .filter(|message| !message.is_empty());
    let status = status.or_else(|| {
        let code = details.get("code")?.as_u64()?;
        u16::try_from(code).ok().filter(|code| (400..600).contains(code))
    });

    let kind = kind(word.as_deref(), status, message.as_deref().unwrap_or_default());
    let message = match (message, status) {
        (Some(message), _) => shorten(message),
        (None, Some(status)) => format!("the provider answered with status {status}"),
        (None, None) => "the provider reported a failure without saying which".to_owned(),
    };
    let mut error = ModelError::new(kind, operation, message);
    if let Some(status) = status {
        error = error.with_status(status);
    }
    if let Some(word) = word {
        error = error.with_code(word);
    }
    match text(body, "request_id") {
        Some(id) => error.with_request_id(id),
        None => error,
    }
}

/// The provider's id of the request.
pub fn request_id(headers: &HeaderMap) -> Option<String> {
    const NAMES: [&str; 3] = ["x-request-id", "request-id", "apim-request-id"];
    NAMES.iter().find_map(|name| Some(headers.get(*name)?.to_str().ok()?.to_owned()))
}

fn kind(word: Option<&str>, status: Option<u16>, message: &str) -> ErrorKind {
    let by_word = word.and_then(|word| {
        WORDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(word)).map(|(_, kind)| *kind)
    });
    let kind = by_word.or(status.map(kind_of_status)).unwrap_or(ErrorKind::Unknown);
    if kind != ErrorKind::InvalidRequest {
        return kind;
    }
    let message = message.to_ascii_lowercase();
    PHRASES.iter().find(|(phrase, _)| message.contains(phrase)).map_or(kind, |(_, kind)| *kind)
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
    match retry_after(headers, now).or_else(|| limit_reset(headers, now)) {
        Some(wait) => error.with_retry(Retry::After(wait)),
        None => error,
    }
}

/// How long until the last of the used-up limits is there again. The headers hold a time (RFC 3339), read against the
/// response's own `date`, or `now` where that is missing.
fn limit_reset(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let theirs = text("date").and_then(|date| httpdate::parse_http_date(date).ok());
    LIMITS
        .iter()
        .filter(|limit| text(&format!("anthropic-ratelimit-{limit}-remaining")) == Some("0"))
        .filter_map(|limit| {
            let reset = text(&format!("anthropic-ratelimit-{limit}-reset"))?;
            let reset = SystemTime::from(reset.parse::<jiff::Timestamp>().ok()?);
            Some(reset.duration_since(theirs.unwrap_or(now)).unwrap_or_default())
        })
        .max()
}

/// The text of a body that is no JSON, unless it is a page of HTML.
fn plain_line(text: &str) -> Option<String> {
    let line = text.lines().next().unwrap_or_default();
    (!line.is_empty() && !line.starts_with('<')).then(|| line.to_owned())
}

/// Long messages repeat the prompt.
fn shorten(message: String) -> String {
    const MOST: usize = 600;
    match message.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &message[..end]),
        None => message,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderName;
    use llm_core::RetryHint;
    use serde_json::json;

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
    fn every_type_has_its_kind() {
        for (status, word, kind, retry) in [
            (400, "invalid_request_error", ErrorKind::InvalidRequest, Retry::No),
            (401, "authentication_error", ErrorKind::Authentication, Retry::Exhausted),
            (402, "billing_error", ErrorKind::Quota, Retry::Exhausted),
            (403, "permission_error", ErrorKind::Permission, Retry::Exhausted),
            (404, "not_found_error", ErrorKind::NotFound, Retry::No),
            (413, "request_too_large", ErrorKind::InvalidRequest, Retry::No),
            (429, "rate_limit_error", ErrorKind::RateLimit, Retry::Now),
            (500, "api_error", ErrorKind::Upstream, Retry::Now),
            (504, "timeout_error", ErrorKind::Timeout, Retry::Now),
            (529, "overloaded_error", ErrorKind::Overloaded, Retry::Now),
            (529, "some_new_error", ErrorKind::Overloaded, Retry::Now),
            (400, "some_new_error", ErrorKind::InvalidRequest, Retry::No),
        ] {
            let body = json!({ "type": "error", "error": { "type": word, "message": "m" } });
            check(status, &[], &body.to_string(), kind, retry);
            let bare = json!({ "error": { "type": word, "message": "m" } });
            check(status, &[], &bare.to_string(), kind, retry);
        }
    }

    #[test]
    fn phrases_tell_what_the_type_does_not() {
        for (message, kind, retry) in [
            ("prompt is too long: 9 tokens > 8 maximum", ErrorKind::ContextLength, Retry::No),
            (
                "input length and `max_tokens` exceed context limit: 9 + 9 > 8",
                ErrorKind::ContextLength,
                Retry::No,
            ),
            ("Your credit balance is too low", ErrorKind::Quota, Retry::Exhausted),
            (
                "You have reached your specified API usage limits.",
                ErrorKind::Quota,
                Retry::Exhausted,
            ),
            ("Output blocked by content filtering policy", ErrorKind::ContentFilter, Retry::No),
        ] {
            let error = json!({ "type": "invalid_request_error", "message": message });
            let body = json!({ "type": "error", "error": error }).to_string();
            check(400, &[], &body, kind, retry);
        }
    }

    #[test]
    fn reads_the_bodies_of_other_houses() {
        let google = r#"{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED"}}"#;
        check(429, &[], google, ErrorKind::RateLimit, Retry::Now);
        check(429, &[], &format!("[{google}]"), ErrorKind::RateLimit, Retry::Now);
        let azure = r#"{"error":{"code":"DeploymentNotFound","message":"m"}}"#;
        check(404, &[], azure, ErrorKind::NotFound, Retry::No);
        check(502, &[], "<html>", ErrorKind::Upstream, Retry::Now);
        check(503, &[], "", ErrorKind::Overloaded, Retry::Now);
        check(429, &[], "null", ErrorKind::RateLimit, Retry::Now);
    }

    #[test]
    fn headers_tell_when_to_come_back() {
        let body = r#"{"type":"error","error":{"type":"rate_limit_error","message":"m"}}"#;
        let limited = ErrorKind::RateLimit;
        let after = |seconds| Retry::After(Duration::from_secs(seconds));
        check(429, &[("retry-after", "12")], body, limited, after(12));
        check(429, &[("x-should-retry", "false")], body, limited, Retry::No);
        let limits = [
            ("date", "Thu, 29 May 2025 10:00:00 GMT"),
            ("anthropic-ratelimit-input-tokens-remaining", "0"),
            ("anthropic-ratelimit-input-tokens-reset", "2025-05-29T10:00:12Z"),
            ("anthropic-ratelimit-requests-remaining", "49"),
            ("anthropic-ratelimit-requests-reset", "2025-05-29T11:00:00Z"),
        ];
        check(429, &limits, body, limited, after(12));
        check(401, &[("retry-after", "1")], "", ErrorKind::Authentication, Retry::Exhausted);
    }

    #[test]
    fn the_request_is_named() {
        let body = json!({ "type": "error", "error": { "type": "api_error", "message": "m" },
            "request_id": "req_1" });
        let error = from_body(Operation::Chat, None, &body);
        assert_eq!((error.request_id(), error.code()), (Some("req_1"), Some("api_error")));
        let none = json!({ "error": { "message": "m" }, "request_id": null });
        assert_eq!(from_body(Operation::Chat, None, &none).request_id(), None);
    }
}

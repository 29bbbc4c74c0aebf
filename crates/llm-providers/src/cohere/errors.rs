//! Failures of Cohere, told by table from `error_type`, status and message. Pure.
//!
//! Bodies are `{"id", "message"}`, newer ones with an `error_type`. Statuses are those of "Errors" in the API reference;
//! 498 is its own ("a deny-listed token").

use std::time::SystemTime;

use http::HeaderMap;
use llm_core::{ErrorKind, ModelError, Operation, Retry};
use serde_json::Value;

use crate::openai::errors::kind_of_status;
use crate::retry_after::retry_after;

/// Words in `error_type`, and what they mean. Words weigh more than the status.
const WORDS: &[(&str, ErrorKind)] = &[
    ("TOO_MANY_TOKENS", ErrorKind::ContextLength),
    // The model wrote a tool call that does not fit its schema; sampling again may do better.
    ("INVALID_TOOL_GENERATION", ErrorKind::Malformed),
];

/// Statuses that mean something else here than elsewhere.
const STATUSES: &[(u16, ErrorKind)] =
    &[(498, ErrorKind::ContentFilter), (501, ErrorKind::Unsupported)];

/// Phrases of failures that have no type of their own. They only ever replace `InvalidRequest` and `RateLimit` by a kind
/// that is not retried.
const PHRASES: &[(&str, ErrorKind)] = &[
    ("too many tokens", ErrorKind::ContextLength),
    ("api calls / month", ErrorKind::Quota),
    ("invalid api token", ErrorKind::Authentication),
    ("no api key supplied", ErrorKind::Authentication),
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
    let may_wait = matches!(
        error.kind(),
        ErrorKind::RateLimit | ErrorKind::Overloaded | ErrorKind::Upstream | ErrorKind::Timeout
    );
    match retry_after(headers, now).filter(|_| may_wait) {
        Some(wait) => error.with_retry(Retry::After(wait)),
        None => error,
    }
}

/// The failure that a body, or the last event of a stream, tells: `message` (or `error`, or `detail`), `error_type`, `id`.
/// `status` is the response's; in the middle of a stream there is none.
pub fn from_body(operation: Operation, status: Option<u16>, body: &Value) -> ModelError {
    let text = |name: &str| body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let message = ["message", "error", "detail", "err"]
        .iter()
        .find_map(|name| text(name))
        .or_else(|| body.as_str().and_then(plain_line));
    let word = ["error_type", "type", "code"].iter().find_map(|name| text(name));
    let kind = kind(word, status, message.unwrap_or_default());
    let message = match (message, status) {
        (Some(message), _) => shorten(message),
        (None, Some(status)) => format!("the provider answered with status {status}"),
        (None, None) => "the provider ended the answer with a failure".to_owned(),
    };
    let mut error = ModelError::new(kind, operation, message);
    if let Some(status) = status {
        error = error.with_status(status);
    }
    if let Some(word) = word {
        error = error.with_code(word);
    }
    if let Some(id) = text("id") {
        error = error.with_request_id(id);
    }
    if error.code() == Some("INVALID_TOOL_GENERATION") {
        error = error.with_retry(Retry::Now);
    }
    error
}

/// The provider's id of the request.
pub fn request_id(headers: &HeaderMap) -> Option<String> {
    const NAMES: [&str; 3] = ["x-request-id", "apim-request-id", "x-debug-trace-id"];
    NAMES.iter().find_map(|name| Some(headers.get(*name)?.to_str().ok()?.to_owned()))
}

fn kind(word: Option<&str>, status: Option<u16>, message: &str) -> ErrorKind {
    let by_word = WORDS.iter().find(|(known, _)| word == Some(known)).map(|(_, kind)| *kind);
    if let Some(kind) = by_word {
        return kind;
    }
    let by_status = STATUSES.iter().find(|(known, _)| status == Some(*known));
    let kind = match (by_status, status) {
        (Some((_, kind)), _) => *kind,
        (None, Some(status)) => kind_of_status(status),
        (None, None) => ErrorKind::Unknown,
    };
    if !matches!(kind, ErrorKind::InvalidRequest | ErrorKind::RateLimit | ErrorKind::Unknown) {
        return kind;
    }
    let message = message.to_ascii_lowercase();
    PHRASES.iter().find(|(phrase, _)| message.contains(phrase)).map_or(kind, |(_, kind)| *kind)
}

/// The text of a body that is no JSON, unless it is a page of HTML.
fn plain_line(text: &str) -> Option<&str> {
    text.lines().next().filter(|line| !line.is_empty() && !line.starts_with('<'))
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

    use llm_core::RetryHint;
    use serde_json::json;

    use super::*;

    fn read(status: u16, body: &str) -> ModelError {
        let mut headers = HeaderMap::new();
        headers.insert("x-debug-trace-id", "t-1".parse().unwrap());
        headers.insert("retry-after", "3".parse().unwrap());
        from_response(Operation::Chat, status, &headers, body.as_bytes(), SystemTime::UNIX_EPOCH)
    }

    #[test]
    fn failures_have_their_kinds() {
        let wait = Retry::After(Duration::from_secs(3));
        let month = "You are using a Trial key, which is limited to 1000 API calls / month.";
        for (status, message, kind, retry) in [
            (400, "invalid request", ErrorKind::InvalidRequest, Retry::No),
            (400, "too many tokens: size limit exceeded", ErrorKind::ContextLength, Retry::No),
            (401, "invalid api token", ErrorKind::Authentication, Retry::Exhausted),
            (402, "add a payment method", ErrorKind::Quota, Retry::Exhausted),
            (403, "no", ErrorKind::Permission, Retry::Exhausted),
            (404, "model 'x' not found", ErrorKind::NotFound, Retry::No),
            (422, "unprocessable", ErrorKind::InvalidRequest, Retry::No),
            (429, "trial token rate limit exceeded", ErrorKind::RateLimit, wait),
            (429, month, ErrorKind::Quota, Retry::Exhausted),
            (498, "deny-listed", ErrorKind::ContentFilter, Retry::No),
            (499, "cancelled", ErrorKind::Cancelled, Retry::No),
            (500, "internal", ErrorKind::Upstream, wait),
            (501, "not implemented", ErrorKind::Unsupported, Retry::No),
            (503, "unavailable", ErrorKind::Overloaded, wait),
            (504, "timeout", ErrorKind::Timeout, wait),
        ] {
            let error = read(status, &json!({ "message": message }).to_string());
            assert_eq!((error.kind(), error.retry()), (kind, retry), "{status} {message}");
            assert_eq!((error.message(), error.request_id()), (message, Some("t-1")));
        }
    }

    #[test]
    fn types_weigh_more_than_the_status() {
        let body = json!({ "id": "i", "error_type": "TOO_MANY_TOKENS", "message": "m" });
        let error = from_body(Operation::Chat, Some(400), &body);
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::ContextLength, body["error_type"].as_str())
        );
        assert_eq!(error.request_id(), Some("i"));
        let body = json!({ "error": "m", "error_type": "INVALID_TOOL_GENERATION" });
        let error = from_body(Operation::Chat, None, &body);
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Malformed, Retry::Now));
        assert_eq!(error.message(), "m");
    }

    #[test]
    fn bodies_that_are_no_json_are_read_too() {
        assert_eq!(read(400, "bad\nmore").message(), "bad");
        assert_eq!(read(502, "<html>").message(), "the provider answered with status 502");
        assert_eq!(read(500, "null").message(), "the provider answered with status 500");
    }
}

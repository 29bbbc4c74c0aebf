//! Failures of Bedrock, told by table from the exception's name, then the status. Pure.
//!
//! Sources: the error lists of Converse, ConverseStream, InvokeModel and of "Common errors" in the Bedrock API
//! reference, and the recordings. The name stands in `x-amzn-errortype` (before a `:`), in the body's `__type` or `code`
//! (after a `#`), or in a stream's `:exception-type` (beginning in lower case).

use std::time::SystemTime;

use http::HeaderMap;
use llm_core::{ErrorKind, ModelError, Operation, Retry};
use serde_json::Value;

use super::event_stream::Frame;
use crate::retry_after::retry_after;

/// Exceptions, without `Exception` at their end, and what they mean.
const EXCEPTIONS: &[(&str, ErrorKind)] = &[
    ("validation", ErrorKind::InvalidRequest),
    ("serialization", ErrorKind::InvalidRequest),
    ("conflict", ErrorKind::InvalidRequest),
    ("malformedquerystring", ErrorKind::InvalidRequest),
    ("missingparameter", ErrorKind::InvalidRequest),
    ("unknownoperation", ErrorKind::NotFound),
    ("resourcenotfound", ErrorKind::NotFound),
    ("accessdenied", ErrorKind::Permission),
    ("optinrequired", ErrorKind::Permission),
    ("notauthorized", ErrorKind::Permission),
    ("unrecognizedclient", ErrorKind::Authentication),
    ("invalidsignature", ErrorKind::Authentication),
    ("signaturedoesnotmatch", ErrorKind::Authentication),
    ("incompletesignature", ErrorKind::Authentication),
    ("invalidclienttokenid", ErrorKind::Authentication),
    ("missingauthenticationtoken", ErrorKind::Authentication),
    ("expiredtoken", ErrorKind::Authentication),
    ("requestexpired", ErrorKind::Authentication),
    ("throttling", ErrorKind::RateLimit),
    ("toomanyrequests", ErrorKind::RateLimit),
    ("requestlimitexceeded", ErrorKind::RateLimit),
    ("servicequotaexceeded", ErrorKind::Quota),
    ("modelnotready", ErrorKind::Overloaded),
    ("serviceunavailable", ErrorKind::Overloaded),
    ("modeltimeout", ErrorKind::Timeout),
    ("modelerror", ErrorKind::Upstream),
    ("modelstreamerror", ErrorKind::Upstream),
    ("internalserver", ErrorKind::Upstream),
    ("internalfailure", ErrorKind::Upstream),
    ("dependencyfailed", ErrorKind::Upstream),
];

/// Phrases for what has no exception of its own. They only ever replace the kind on their left by one that is never
/// retried.
const PHRASES: &[(ErrorKind, &str, ErrorKind)] = &[
    (ErrorKind::InvalidRequest, "input is too long", ErrorKind::ContextLength),
    (ErrorKind::InvalidRequest, "prompt is too long", ErrorKind::ContextLength),
    (ErrorKind::InvalidRequest, "too many input tokens", ErrorKind::ContextLength),
    (ErrorKind::InvalidRequest, "input tokens exceeded", ErrorKind::ContextLength),
    (ErrorKind::InvalidRequest, "maximum context length", ErrorKind::ContextLength),
    (ErrorKind::InvalidRequest, "exceed context limit", ErrorKind::ContextLength),
    (ErrorKind::InvalidRequest, "model identifier is invalid", ErrorKind::NotFound),
    (ErrorKind::RateLimit, "tokens per day", ErrorKind::Quota),
];

/// The provider's id of the request.
pub fn request_id(headers: &HeaderMap) -> Option<String> {
    Some(headers.get("x-amzn-requestid")?.to_str().ok()?.to_owned())
}

/// The failure that a response with an error status tells.
pub fn from_response(
    operation: Operation,
    status: u16,
    headers: &HeaderMap,
    body: &[u8],
    now: SystemTime,
) -> ModelError {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let header = headers.get("x-amzn-errortype").and_then(|name| name.to_str().ok());
    let name = header.or_else(|| name_in(&value)).map(plain_name);
    let message = message_in(&value).unwrap_or_else(|| plain_text(status, body));
    let mut error = failure(operation, name, Some(status), message).with_status(status);
    if let Some(id) = request_id(headers) {
        error = error.with_request_id(id);
    }
    let may_wait = matches!(
        error.kind(),
        ErrorKind::RateLimit | ErrorKind::Overloaded | ErrorKind::Upstream | ErrorKind::Timeout
    );
    match retry_after(headers, now).filter(|_| may_wait) {
        Some(wait) => error.with_retry(Retry::After(wait)),
        None => error,
    }
}

/// The failure that a frame of a stream is, if it is one: an exception, or an error outside of the service's own list.
pub fn from_frame(operation: Operation, frame: Frame<'_>) -> Option<ModelError> {
    match frame.header(":message-type").unwrap_or("event") {
        "event" => None,
        "exception" => {
            let name = frame.header(":exception-type").unwrap_or_default();
            Some(from_exception(operation, name, frame.payload))
        }
        _ => {
            let code = frame.header(":error-code").unwrap_or("UnknownError");
            let error = from_exception(operation, code, frame.payload);
            Some(match frame.header(":error-message") {
                Some(message) if !message.is_empty() => {
                    ModelError::new(error.kind(), operation, message).with_code(code)
                }
                _ => error,
            })
        }
    }
}

/// The failure that an exception in a stream tells. `name` is its `:exception-type`, or the `:error-code` of a frame of
/// type `error`.
pub fn from_exception(operation: Operation, name: &str, payload: &[u8]) -> ModelError {
    let value: Value = serde_json::from_slice(payload).unwrap_or_default();
    let name = plain_name(name);
    let message = message_in(&value).unwrap_or_else(|| format!("the stream ended in {name}"));
    failure(operation, Some(name), None, message)
}

fn failure(
    operation: Operation,
    name: Option<&str>,
    status: Option<u16>,
    message: String,
) -> ModelError {
    let kind = name
        .and_then(kind_of_exception)
        .or_else(|| status.map(kind_of_status))
        .unwrap_or(ErrorKind::Unknown);
    let said = message.to_ascii_lowercase();
    let kind = PHRASES
        .iter()
        .find(|(from, phrase, _)| *from == kind && said.contains(phrase))
        .map_or(kind, |(_, _, kind)| *kind);
    let error = ModelError::new(kind, operation, message);
    match name {
        Some(name) => error.with_code(name),
        None => error,
    }
}

fn kind_of_exception(name: &str) -> Option<ErrorKind> {
    let name = name.to_ascii_lowercase();
    let name = name.strip_suffix("exception").unwrap_or(&name);
    EXCEPTIONS.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
}

fn kind_of_status(status: u16) -> ErrorKind {
    match status {
        400 | 405 | 409 | 413 | 415 | 422 => ErrorKind::InvalidRequest,
        401 => ErrorKind::Authentication,
        402 => ErrorKind::Quota,
        403 => ErrorKind::Permission,
        404 => ErrorKind::NotFound,
        408 | 504 => ErrorKind::Timeout,
        429 => ErrorKind::RateLimit,
        503 | 529 => ErrorKind::Overloaded,
        424 | 500..=599 => ErrorKind::Upstream,
        _ => ErrorKind::Unknown,
    }
}

/// `aws.protocol#ThrottlingException:http://…` is `ThrottlingException`.
fn plain_name(name: &str) -> &str {
    let name = name.split_once(':').map_or(name, |(name, _)| name);
    name.rsplit_once('#').map_or(name, |(_, name)| name).trim()
}

fn name_in(body: &Value) -> Option<&str> {
    ["__type", "code", "type"].iter().find_map(|field| body.get(*field)?.as_str())
}

fn message_in(body: &Value) -> Option<String> {
    let fields = ["message", "Message", "errorMessage"];
    let message = fields.iter().find_map(|field| body.get(*field)?.as_str())?;
    Some(message.to_owned()).filter(|message| !message.trim().is_empty())
}

/// The first line of a body that is no JSON.
fn plain_text(status: u16, body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('<'));
    match line {
        Some(line) if !line.starts_with('{') => line.chars().take(500).collect(),
        _ => format!("the provider answered with status {status}"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use llm_core::RetryHint;

    use super::*;

    fn read(status: u16, name: &str, message: &str, retry_after: Option<&str>) -> ModelError {
        let mut headers = HeaderMap::new();
        if !name.is_empty() {
            let name = format!("{name}:http://internal.amazon.com/coral/com.amazon.bedrock/");
            headers.insert("x-amzn-errortype", name.parse().unwrap());
        }
        if let Some(seconds) = retry_after {
            headers.insert("retry-after", seconds.parse().unwrap());
        }
        headers.insert("x-amzn-requestid", "r-1".parse().unwrap());
        let body = serde_json::json!({ "message": message }).to_string();
        from_response(Operation::Chat, status, &headers, body.as_bytes(), SystemTime::UNIX_EPOCH)
    }

    #[test]
    fn exceptions_have_their_kinds() {
        use ErrorKind as K;
        for (status, name, message, kind, retry) in [
            (400, "ValidationException", "bad", K::InvalidRequest, Retry::No),
            (
                400,
                "ValidationException",
                "Input is too long for requested model.",
                K::ContextLength,
                Retry::No,
            ),
            (
                400,
                "ValidationException",
                "The provided model identifier is invalid.",
                K::NotFound,
                Retry::No,
            ),
            (400, "", "bad", K::InvalidRequest, Retry::No),
            (403, "AccessDeniedException", "no", K::Permission, Retry::Exhausted),
            (403, "UnrecognizedClientException", "no", K::Authentication, Retry::Exhausted),
            (403, "InvalidSignatureException", "no", K::Authentication, Retry::Exhausted),
            (403, "ExpiredTokenException", "no", K::Authentication, Retry::Exhausted),
            (404, "ResourceNotFoundException", "no", K::NotFound, Retry::No),
            (400, "ServiceQuotaExceededException", "no", K::Quota, Retry::Exhausted),
            (408, "ModelTimeoutException", "no", K::Timeout, Retry::Now),
            (424, "ModelErrorException", "no", K::Upstream, Retry::Now),
            (429, "ThrottlingException", "Too many requests", K::RateLimit, Retry::Now),
            (429, "ThrottlingException", "Too many tokens per day", K::Quota, Retry::Exhausted),
            (429, "ModelNotReadyException", "wait", K::Overloaded, Retry::Now),
            (500, "InternalServerException", "no", K::Upstream, Retry::Now),
            (503, "ServiceUnavailableException", "no", K::Overloaded, Retry::Now),
            (418, "TeapotException", "no", K::Unknown, Retry::No),
        ] {
            let error = read(status, name, message, None);
            assert_eq!((error.kind(), error.retry()), (kind, retry), "{name} {message}");
            assert_eq!((error.status(), error.request_id()), (Some(status), Some("r-1")));
            assert_eq!(error.message(), message);
            assert_eq!(error.code().unwrap_or_default(), name);
        }
    }

    #[test]
    fn waits_when_told() {
        let error = read(429, "ThrottlingException", "m", Some("3"));
        assert_eq!(error.retry(), Retry::After(Duration::from_secs(3)));
        assert_eq!(read(403, "AccessDeniedException", "m", Some("3")).retry(), Retry::Exhausted);
    }

    #[test]
    fn names_and_messages_are_found_wherever_they_stand() {
        let read = |body: &str| {
            let headers = HeaderMap::new();
            from_response(Operation::Embed, 403, &headers, body.as_bytes(), SystemTime::UNIX_EPOCH)
        };
        let error = read(r#"{"__type":"com.amazon#UnrecognizedClientException","Message":"m"}"#);
        assert_eq!((error.kind(), error.message()), (ErrorKind::Authentication, "m"));
        assert_eq!(read("denied\nmore").message(), "denied");
        assert_eq!(read("<html>").message(), "the provider answered with status 403");

        let error =
            from_exception(Operation::Chat, "throttlingException", br#"{"message":"slow"}"#);
        assert_eq!((error.kind(), error.message()), (ErrorKind::RateLimit, "slow"));
        let error = from_exception(Operation::Chat, "newException", b"?");
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Unknown, Retry::No));
    }
}

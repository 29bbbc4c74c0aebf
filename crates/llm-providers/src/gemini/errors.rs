//! Failures that Gemini tells, by table from the reasons in `details`, the status word, and the HTTP status. Pure.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use llm_core::{ErrorKind, ModelError, Operation, Retry};
use serde_json::Value;

use crate::openai::errors::kind_of_status;
use crate::retry_after::retry_after;

/// Reasons of `google.rpc.ErrorInfo` (and of the older `errors` list), and what they mean. They weigh most: a wrong key
/// comes as `INVALID_ARGUMENT`.
const REASONS: &[(&str, ErrorKind)] = &[
    ("API_KEY_INVALID", ErrorKind::Authentication),
    ("API_KEY_EXPIRED", ErrorKind::Authentication),
    ("ACCESS_TOKEN_EXPIRED", ErrorKind::Authentication),
    ("ACCESS_TOKEN_TYPE_UNSUPPORTED", ErrorKind::Authentication),
    ("CREDENTIALS_MISSING", ErrorKind::Authentication),
    ("ACCOUNT_STATE_INVALID", ErrorKind::Authentication),
    ("API_KEY_SERVICE_BLOCKED", ErrorKind::Permission),
    ("API_KEY_HTTP_REFERRER_BLOCKED", ErrorKind::Permission),
    ("API_KEY_IP_ADDRESS_BLOCKED", ErrorKind::Permission),
    ("API_KEY_ANDROID_APP_BLOCKED", ErrorKind::Permission),
    ("API_KEY_IOS_APP_BLOCKED", ErrorKind::Permission),
    ("ACCESS_TOKEN_SCOPE_INSUFFICIENT", ErrorKind::Permission),
    ("IAM_PERMISSION_DENIED", ErrorKind::Permission),
    ("SERVICE_DISABLED", ErrorKind::Permission),
    ("CONSUMER_INVALID", ErrorKind::Permission),
    ("CONSUMER_SUSPENDED", ErrorKind::Permission),
    ("USER_PROJECT_DENIED", ErrorKind::Permission),
    ("BILLING_DISABLED", ErrorKind::Quota),
    ("RATE_LIMIT_EXCEEDED", ErrorKind::RateLimit),
    ("rateLimitExceeded", ErrorKind::RateLimit),
    ("MODEL_CAPACITY_EXHAUSTED", ErrorKind::Overloaded),
];

/// Words of `google.rpc.Code` in `status`, and what they mean.
const STATUS_WORDS: &[(&str, ErrorKind)] = &[
    ("INVALID_ARGUMENT", ErrorKind::InvalidRequest),
    ("FAILED_PRECONDITION", ErrorKind::InvalidRequest),
    ("OUT_OF_RANGE", ErrorKind::InvalidRequest),
    ("ALREADY_EXISTS", ErrorKind::InvalidRequest),
    ("UNAUTHENTICATED", ErrorKind::Authentication),
    ("PERMISSION_DENIED", ErrorKind::Permission),
    ("NOT_FOUND", ErrorKind::NotFound),
    ("RESOURCE_EXHAUSTED", ErrorKind::RateLimit),
    ("UNIMPLEMENTED", ErrorKind::Unsupported),
    ("CANCELLED", ErrorKind::Cancelled),
    ("ABORTED", ErrorKind::Overloaded),
    ("UNAVAILABLE", ErrorKind::Overloaded),
    ("DEADLINE_EXCEEDED", ErrorKind::Timeout),
    ("INTERNAL", ErrorKind::Upstream),
    ("UNKNOWN", ErrorKind::Upstream),
    ("DATA_LOSS", ErrorKind::Upstream),
];

/// Phrases for failures that have neither a reason nor a status of their own. They only ever replace a vague kind by one
/// that is never retried.
const PHRASES: &[(&str, ErrorKind)] = &[
    ("exceeds the maximum number of tokens", ErrorKind::ContextLength),
    ("input token count", ErrorKind::ContextLength),
    ("api key not valid", ErrorKind::Authentication),
    ("api key expired", ErrorKind::Authentication),
    ("api key not found", ErrorKind::Authentication),
    ("unregistered callers", ErrorKind::Authentication),
    ("user location is not supported", ErrorKind::Permission),
    ("is not enabled for", ErrorKind::Unsupported),
    ("is not supported by the model", ErrorKind::Unsupported),
    ("is not supported for this model", ErrorKind::Unsupported),
    ("unsupported mime type", ErrorKind::Unsupported),
];

/// The failure that a response with an error status tells. The wait comes from the body's `RetryInfo`, or from headers
/// where something in between sent those.
pub fn from_response(
    operation: Operation,
    status: u16,
    headers: &HeaderMap,
    body: &[u8],
    now: SystemTime,
) -> ModelError {
    let value = serde_json::from_slice(body)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(body).trim().to_owned()));
    let mut error = describe(operation, Some(status), &value);
    if let Some(id) = request_id(headers) {
        error.error = error.error.with_request_id(id);
    }
    let wait = error.wait.or_else(|| retry_after(headers, now));
    with_wait(error.error, wait)
}

/// The failure that a body tells: one object, or the first of an array. `status` is the response's; a body that came with
/// success (or in the middle of a stream) names one itself.
pub fn from_body(operation: Operation, status: Option<u16>, body: &Value) -> ModelError {
    let described = describe(operation, status, body);
    with_wait(described.error, described.wait)
}

/// The id of the request, where something between the provider and us gave one; Google itself sends none.
pub fn request_id(headers: &HeaderMap) -> Option<String> {
    const NAMES: [&str; 3] = ["x-request-id", "x-goog-request-id", "x-cloud-trace-context"];
    NAMES.iter().find_map(|name| Some(headers.get(*name)?.to_str().ok()?.to_owned()))
}

struct Described {
    error: ModelError,
    wait: Option<Duration>,
}

fn describe(operation: Operation, status: Option<u16>, body: &Value) -> Described {
    let body = body.as_array().and_then(|items| items.first()).unwrap_or(body);
    let error = body.get("error").filter(|error| error.is_object()).unwrap_or(body);
    let report = Report { error };
    let status = status.or_else(|| report.code());
    let kind = report.kind(status);
    let mut model_error = ModelError::new(kind, operation, report.message(body, status));
    if let Some(status) = status {
        model_error = model_error.with_status(status);
    }
    if let Some(code) = report.reason().or_else(|| report.text("status")) {
        model_error = model_error.with_code(code);
    }
    if let Some(field) = report.field() {
        model_error = model_error.with_param(field);
    }
    Described { error: model_error, wait: report.wait() }
}

fn with_wait(error: ModelError, wait: Option<Duration>) -> ModelError {
    let may_wait = matches!(
        error.kind(),
        ErrorKind::RateLimit | ErrorKind::Overloaded | ErrorKind::Upstream | ErrorKind::Timeout
    );
    match wait.filter(|_| may_wait) {
        Some(wait) => error.with_retry(Retry::After(wait)),
        None => error,
    }
}

/// `{code, message, status, details: [{"@type": …}], errors: […]}`
struct Report<'a> {
    error: &'a Value,
}

impl<'a> Report<'a> {
    fn text(&self, name: &str) -> Option<&'a str> {
        self.error.get(name)?.as_str().filter(|text| !text.is_empty())
    }

    fn code(&self) -> Option<u16> {
        let code = self.error.get("code")?.as_u64().filter(|code| (400..600).contains(code));
        code.and_then(|code| u16::try_from(code).ok())
    }

    /// The detail of a type (`RetryInfo`, `ErrorInfo`, `QuotaFailure` …).
    fn detail(&self, kind: &str) -> Option<&'a Value> {
        let details = self.error.get("details")?.as_array()?;
        details.iter().find(|detail| {
            let name = detail.get("@type").and_then(Value::as_str).unwrap_or_default();
            name.rsplit('.').next() == Some(kind)
        })
    }

    fn reason(&self) -> Option<&'a str> {
        let info = self.detail("ErrorInfo").and_then(|info| info.get("reason")?.as_str());
        info.or_else(|| self.error.pointer("/errors/0/reason")?.as_str())
    }

    fn field(&self) -> Option<&'a str> {
        self.detail("BadRequest")?.pointer("/fieldViolations/0/field")?.as_str()
    }

    /// `"48.9s"` in `RetryInfo`.
    fn wait(&self) -> Option<Duration> {
        let delay = self.detail("RetryInfo")?.get("retryDelay")?.as_str()?;
        let seconds = delay.strip_suffix('s')?.parse::<f64>().ok()?;
        Duration::try_from_secs_f64(seconds).ok()
    }

    /// A limit of a day, or one of nothing at all, does not come back while a caller waits.
    fn is_used_up(&self) -> bool {
        let violations = self.detail("QuotaFailure").and_then(|failure| failure.get("violations"));
        violations.and_then(Value::as_array).is_some_and(|violations| {
            violations.iter().any(|violation| {
                let text = |name: &str| violation.get(name).and_then(Value::as_str);
                text("quotaId").is_some_and(|id| id.contains("PerDay"))
                    || text("quotaValue") == Some("0")
            })
        })
    }

    fn kind(&self, status: Option<u16>) -> ErrorKind {
        let find = |table: &[(&str, ErrorKind)], word: Option<&str>| {
            let word = word?;
            table.iter().find(|(known, _)| *known == word).map(|(_, kind)| *kind)
        };
        let by_word =
            find(REASONS, self.reason()).or_else(|| find(STATUS_WORDS, self.text("status")));
        let kind = by_word.or_else(|| status.map(kind_of_status)).unwrap_or(ErrorKind::Unknown);
        match kind {
            ErrorKind::RateLimit if self.is_used_up() => ErrorKind::Quota,
            ErrorKind::InvalidRequest | ErrorKind::Permission | ErrorKind::Unknown => {
                let message = self.text("message").unwrap_or_default().to_ascii_lowercase();
                let phrase = PHRASES.iter().find(|(phrase, _)| message.contains(phrase));
                phrase.map_or(kind, |(_, kind)| *kind)
            }
            kind => kind,
        }
    }

    fn message(&self, body: &Value, status: Option<u16>) -> String {
        let plain = body.as_str().and_then(|text| text.lines().next());
        let plain = plain.filter(|line| !line.is_empty() && !line.starts_with('<'));
        match (self.text("message").or(plain), status) {
            (Some(message), _) => shorten(message),
            (None, Some(status)) => format!("the provider answered with status {status}"),
            (None, None) => "the provider reported a failure without saying which".to_owned(),
        }
    }
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
    use llm_core::RetryHint;
    use serde_json::json;

    use super::*;

    fn check(status: u16, body: Value, kind: ErrorKind, retry: Retry) {
        let (headers, now) = (HeaderMap::new(), SystemTime::UNIX_EPOCH);
        let error =
            from_response(Operation::Chat, status, &headers, body.to_string().as_bytes(), now);
        assert_eq!((error.kind(), error.retry()), (kind, retry), "{status} {body}: {error:?}");
        assert_eq!(error.status(), Some(status));
    }

    fn error(code: u16, status: &str, message: &str, details: Value) -> Value {
        json!({ "error": { "code": code, "status": status, "message": message, "details": details } })
    }

    fn detail(kind: &str, fields: Value) -> Value {
        let mut detail = json!({ "@type": format!("type.googleapis.com/google.rpc.{kind}") });
        detail.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        detail
    }

    #[test]
    fn words_weigh_more_than_the_status() {
        use ErrorKind as Kind;
        let bad_key = json!([detail("ErrorInfo", json!({ "reason": "API_KEY_INVALID" }))]);
        for (code, status, message, details, kind, retry) in [
            (400, "INVALID_ARGUMENT", "m", bad_key, Kind::Authentication, Retry::Exhausted),
            (400, "INVALID_ARGUMENT", "m", json!([]), Kind::InvalidRequest, Retry::No),
            (
                400,
                "INVALID_ARGUMENT",
                "The input token count (9) exceeds the maximum number of tokens allowed (8).",
                json!([]),
                Kind::ContextLength,
                Retry::No,
            ),
            (
                400,
                "FAILED_PRECONDITION",
                "User location is not supported for the API use.",
                json!([]),
                Kind::Permission,
                Retry::Exhausted,
            ),
            (401, "UNAUTHENTICATED", "m", json!([]), Kind::Authentication, Retry::Exhausted),
            (403, "PERMISSION_DENIED", "m", json!([]), Kind::Permission, Retry::Exhausted),
            (404, "NOT_FOUND", "m", json!([]), Kind::NotFound, Retry::No),
            (499, "CANCELLED", "m", json!([]), Kind::Cancelled, Retry::No),
            (500, "INTERNAL", "m", json!([]), Kind::Upstream, Retry::Now),
            (503, "UNAVAILABLE", "m", json!([]), Kind::Overloaded, Retry::Now),
            (504, "DEADLINE_EXCEEDED", "m", json!([]), Kind::Timeout, Retry::Now),
        ] {
            check(code, error(code, status, message, details), kind, retry);
        }
    }

    #[test]
    fn limits_tell_when_to_come_back() {
        let wait = detail("RetryInfo", json!({ "retryDelay": "48.5s" }));
        let of = |quota: &str| {
            detail(
                "QuotaFailure",
                json!({ "violations": [{ "quotaId": quota, "quotaValue": "50" }] }),
            )
        };
        let limit = |details: Value| error(429, "RESOURCE_EXHAUSTED", "m", details);
        let after = Retry::After(Duration::from_millis(48_500));
        check(429, limit(json!([of("PerMinutePerProject"), wait])), ErrorKind::RateLimit, after);
        check(
            429,
            limit(json!([of("PerDayPerProject"), wait])),
            ErrorKind::Quota,
            Retry::Exhausted,
        );
        check(429, limit(Value::Null), ErrorKind::RateLimit, Retry::Now);
        let array = json!([limit(json!([wait]))]);
        check(429, array, ErrorKind::RateLimit, after);
    }

    #[test]
    fn other_bodies_count_by_their_status() {
        check(502, json!("<html>Bad Gateway</html>"), ErrorKind::Upstream, Retry::Now);
        check(413, json!(null), ErrorKind::InvalidRequest, Retry::No);
        check(429, json!({ "error": "x" }), ErrorKind::RateLimit, Retry::Now);
        let in_stream = error(503, "UNAVAILABLE", "m", Value::Null);
        let error = from_body(Operation::Chat, None, &in_stream);
        assert_eq!((error.kind(), error.status()), (ErrorKind::Overloaded, Some(503)));
        assert_eq!(from_body(Operation::Chat, None, &json!({})).kind(), ErrorKind::Unknown);
    }
}

//! Failures of DashScope, told by code, then by status. Pure.

use std::time::SystemTime;

use http::HeaderMap;
use llm_core::{ErrorKind, ModelError, Operation, Retry};
use serde_json::Value;

use crate::openai::errors::kind_of_status;
use crate::retry_after::retry_after;

/// Codes and beginnings of codes ("Error codes"), and what they mean. The first row that fits decides.
const CODES: &[(&str, ErrorKind)] = &[
    ("InvalidApiKey", ErrorKind::Authentication),
    ("invalid_api_key", ErrorKind::Authentication),
    ("AllocationQuota.FreeTierOnly", ErrorKind::Quota),
    ("Arrearage", ErrorKind::Quota),
    ("PrepaidBillOverdue", ErrorKind::Quota),
    ("PostpaidBillOverdue", ErrorKind::Quota),
    ("CommodityNotPurchased", ErrorKind::Quota),
    ("AccessDenied", ErrorKind::Permission),
    ("Model.AccessDenied", ErrorKind::Permission),
    ("App.AccessDenied", ErrorKind::Permission),
    ("Workspace.AccessDenied", ErrorKind::Permission),
    ("Throttling", ErrorKind::RateLimit),
    ("LimitRequests", ErrorKind::RateLimit),
    ("DataInspectionFailed", ErrorKind::ContentFilter),
    ("data_inspection_failed", ErrorKind::ContentFilter),
    ("InvalidParameter.DataInspection", ErrorKind::ContentFilter),
    ("ModelNotFound", ErrorKind::NotFound),
    ("model_not_found", ErrorKind::NotFound),
    ("InvalidParameter.NotSupport", ErrorKind::Unsupported),
    ("UnsupportedOperation", ErrorKind::Unsupported),
    ("InvalidParameter", ErrorKind::InvalidRequest),
    ("InvalidURL", ErrorKind::InvalidRequest),
    ("BadRequest", ErrorKind::InvalidRequest),
    ("RequestTimeOut", ErrorKind::Timeout),
    ("InternalError.Timeout", ErrorKind::Timeout),
    ("ModelUnavailable", ErrorKind::Overloaded),
    ("ModelServingError", ErrorKind::Overloaded),
    ("ServiceUnavailable", ErrorKind::Overloaded),
    ("InternalError", ErrorKind::Upstream),
    ("SystemError", ErrorKind::Upstream),
];

/// Phrases behind `InvalidParameter`, which stands for everything that is wrong with a request.
const TOO_LONG: [&str; 2] = ["range of input length should be", "input length exceeds"];

/// The failure that a response with an error status tells.
pub fn from_response(
    operation: Operation,
    status: u16,
    headers: &HeaderMap,
    body: &[u8],
    now: SystemTime,
) -> ModelError {
    let body = serde_json::from_slice(body)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(body).trim().to_owned()));
    let error = from_body(operation, Some(status), &body);
    match retry_after(headers, now) {
        Some(wait) if matches!(error.kind(), ErrorKind::RateLimit | ErrorKind::Overloaded) => {
            error.with_retry(Retry::After(wait))
        }
        _ => error,
    }
}

/// The failure that a body or an event tells: `{"code", "message", "request_id"}`.
pub fn from_body(operation: Operation, status: Option<u16>, body: &Value) -> ModelError {
    let text = |name: &str| body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let (code, message) = (text("code"), text("message").or_else(|| body.as_str()));
    let status = status.or_else(|| u16::try_from(body.get("status_code")?.as_u64()?).ok());
    let by_code = code.and_then(kind_of_code);
    let by_status = || status.map_or(ErrorKind::Unknown, kind_of_status);
    let kind = by_code.unwrap_or_else(by_status);
    let is_too_long = message.is_some_and(|message| {
        let message = message.to_ascii_lowercase();
        TOO_LONG.iter().any(|phrase| message.contains(phrase))
    });
    let kind = match kind {
        ErrorKind::InvalidRequest if is_too_long => ErrorKind::ContextLength,
        kind => kind,
    };
    let message = message.or(code).map(shorten);
    let message = message.unwrap_or_else(|| "the provider did not say what failed".to_owned());
    let mut error = ModelError::new(kind, operation, message);
    if let Some(status) = status {
        error = error.with_status(status);
    }
    if let Some(code) = code {
        error = error.with_code(code);
    }
    match text("request_id") {
        Some(id) => error.with_request_id(id),
        None => error,
    }
}

fn kind_of_code(code: &str) -> Option<ErrorKind> {
    CODES.iter().find(|(known, _)| code.starts_with(known)).map(|(_, kind)| *kind)
}

/// Long messages repeat the prompt.
fn shorten(message: &str) -> String {
    const MOST: usize = 600;
    match message.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", message.get(..end).unwrap_or_default()),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn codes_decide_before_the_status() {
        for (status, code, message, kind) in [
            (400, "Arrearage", "overdue", ErrorKind::Quota),
            (
                400,
                "InvalidParameter",
                "Range of input length should be [1, 30720]",
                ErrorKind::ContextLength,
            ),
            (400, "InvalidParameter", "temperature", ErrorKind::InvalidRequest),
            (400, "DataInspectionFailed", "m", ErrorKind::ContentFilter),
            (401, "InvalidApiKey", "m", ErrorKind::Authentication),
            (403, "AllocationQuota.FreeTierOnly", "m", ErrorKind::Quota),
            (403, "Model.AccessDenied", "m", ErrorKind::Permission),
            (404, "ModelNotFound", "m", ErrorKind::NotFound),
            (429, "Throttling.RateQuota", "m", ErrorKind::RateLimit),
            (500, "InternalError.Timeout", "m", ErrorKind::Timeout),
            (500, "InternalError.Algo", "m", ErrorKind::Upstream),
            (503, "", "m", ErrorKind::Overloaded),
        ] {
            let body = json!({ "code": code, "message": message, "request_id": "r" });
            let error = from_body(Operation::Chat, Some(status), &body);
            assert_eq!((error.kind(), error.request_id()), (kind, Some("r")), "{code} {message}");
        }
    }
}

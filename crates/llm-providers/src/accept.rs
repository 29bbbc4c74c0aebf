//! [`accept`]: the head of a response, taken for a success or read as the failure that it tells.

use std::borrow::Cow;
use std::time::SystemTime;

use http::HeaderMap;
use llm_core::{ErrorKind, ModelError, Operation};
use reqwest::Response;
use secrecy::{ExposeSecret, SecretString};

use crate::transport::{self, Transport};

/// How a dialect reads the failure that a response tells: operation, status, headers, body, the time.
pub(crate) type ReadFailure = fn(Operation, u16, &HeaderMap, &[u8], SystemTime) -> ModelError;

/// The response if it is a success, else the failure that it tells, with `key` struck out of its body.
pub(crate) async fn accept(
    transport: &Transport,
    operation: Operation,
    response: Response,
    key: Option<&SecretString>,
    read: ReadFailure,
) -> Result<Response, ModelError> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    if status.is_redirection() {
        let target = response.headers().get(http::header::LOCATION);
        let target = target.and_then(|url| url.to_str().ok()).unwrap_or("elsewhere");
        let message = format!("the provider redirects to {target}; use that as base URL");
        return Err(ModelError::new(ErrorKind::InvalidRequest, operation, message)
            .with_status(status.as_u16()));
    }
    let headers = response.headers().clone();
    let body = transport.read_error_body(operation, response).await;
    let body = without_key(&body, key);
    Err(read(operation, status.as_u16(), &headers, &body, transport::now()))
}

/// The body of an error with our key struck out: some providers repeat it in their message.
fn without_key<'a>(body: &'a [u8], key: Option<&SecretString>) -> Cow<'a, [u8]> {
    let key = key.map(ExposeSecret::expose_secret);
    match (key, std::str::from_utf8(body)) {
        (Some(key), Ok(text)) if !key.is_empty() && text.contains(key) => {
            Cow::Owned(text.replace(key, "[redacted]").into_bytes())
        }
        _ => Cow::Borrowed(body),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_comes_back_is_struck_out() {
        let check = |body: &str, key: Option<&str>, expected: &str| {
            let key = key.map(SecretString::from);
            assert_eq!(&*without_key(body.as_bytes(), key.as_ref()), expected.as_bytes());
        };
        check("invalid token co-secret", Some("co-secret"), "invalid token [redacted]");
        check("invalid token", Some("co-secret"), "invalid token");
        check("invalid token", Some(""), "invalid token");
        check("invalid token", None, "invalid token");
    }
}

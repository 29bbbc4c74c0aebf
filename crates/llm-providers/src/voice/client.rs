//! What the services have in common: a name, a key, a pool of connections, and how failures are read.

use std::fmt;
use std::marker::PhantomData;

use http::{HeaderMap, HeaderName, HeaderValue};
use llm_core::{ErrorKind, ModelError, Operation};
use reqwest::Response;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::openai::errors;
use crate::raw::RawRequest;
use crate::transport::{self, BuildError, Transport, TransportOptions};

/// A service that a [`VoiceBuilder`] can set up.
pub trait Service: Sized {
    /// Where its API begins.
    #[doc(hidden)]
    const BASE_URL: &str;

    /// The header that holds its key.
    #[doc(hidden)]
    fn key_header(key: &SecretString) -> Result<(HeaderName, HeaderValue), BuildError>;

    /// The service with its connections.
    #[doc(hidden)]
    fn with(name: String, transport: Transport) -> Self;
}

/// Sets up a service.
#[derive(Clone)]
pub struct VoiceBuilder<S> {
    name: String,
    base_url: String,
    api_key: Option<SecretString>,
    headers: Vec<(String, String)>,
    options: TransportOptions,
    service: PhantomData<S>,
}

impl<S: Service> VoiceBuilder<S> {
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            base_url: S::BASE_URL.to_owned(),
            api_key: None,
            headers: Vec::new(),
            options: TransportOptions::default(),
            service: PhantomData,
        }
    }

    /// The key.
    pub fn api_key(mut self, key: SecretString) -> Self {
        self.api_key = Some(key);
        self
    }

    /// Another base URL: what comes before the name of the interface, `/v1` included.
    pub fn base_url(mut self, base_url: impl Into<String>) -> Self {
        self.base_url = base_url.into();
        self
    }

    /// A header for every request.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Limits and options of its connections.
    pub fn transport(mut self, options: TransportOptions) -> Self {
        self.options = options;
        self
    }

    /// Sets it up. Nothing is sent.
    ///
    /// # Errors
    /// When the base URL, a header or TLS is not in order.
    pub fn build(self) -> Result<S, BuildError> {
        let mut headers = transport::instance_headers(&self.headers)?;
        if let Some(key) = &self.api_key {
            headers.extend([S::key_header(key)?]);
        }
        let transport = Transport::new(&self.base_url, headers, self.options)?;
        Ok(S::with(self.name, transport))
    }
}

impl<S> fmt::Debug for VoiceBuilder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VoiceBuilder")
            .field("name", &self.name)
            .field("base_url", &self.base_url)
            .field("has_api_key", &self.api_key.is_some())
            .finish_non_exhaustive()
    }
}

/// Sends a request and gives the response, if it is a success.
pub(super) async fn send(
    transport: &Transport,
    operation: Operation,
    request: RawRequest,
) -> Result<Response, ModelError> {
    let response = transport.send(operation, request, HeaderMap::new()).await?;
    let status = response.status().as_u16();
    if response.status().is_success() {
        return Ok(response);
    }
    let headers = response.headers().clone();
    let body = transport.read_error_body(operation, response).await;
    let body = in_common_words(&body);
    Err(errors::from_response(operation, status, &headers, &body, transport::now()))
}

/// `{"err_code", "err_msg"}` and `{"category", "message"}` of Deepgram, `{"detail": {"status", "message"}}` of ElevenLabs,
/// as the shared table of errors reads them; everything else stays.
fn in_common_words(body: &[u8]) -> Vec<u8> {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let detail = value.get("detail").filter(|detail| detail.is_object()).unwrap_or(&value);
    let text = |names: &[&str]| names.iter().find_map(|name| detail.get(*name)?.as_str());
    let code = text(&["err_code", "category", "status", "code"]);
    match (code, text(&["err_msg", "message"])) {
        (None, _) => body.to_vec(),
        (Some(code), message) => {
            let code = code.to_ascii_lowercase();
            json!({ "error": { "code": code, "message": message } }).to_string().into_bytes()
        }
    }
}

/// A parameter that the service has no place for. There is nobody to warn, so the call is refused.
pub(super) fn unsupported(operation: Operation, param: &'static str) -> ModelError {
    let message = format!("the service does not take `{param}`");
    ModelError::new(ErrorKind::Unsupported, operation, message).with_param(param)
}

pub(super) fn malformed(operation: Operation, message: &str) -> ModelError {
    ModelError::new(ErrorKind::Malformed, operation, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: u16, body: &str, kind: ErrorKind, message: &str) {
        let body = in_common_words(body.as_bytes());
        let now = transport::now();
        let error = errors::from_response(Operation::Speak, status, &HeaderMap::new(), &body, now);
        assert_eq!((error.kind(), error.message()), (kind, message));
    }

    #[test]
    fn failures_of_both_are_read() {
        let auth = ErrorKind::Authentication;
        check(401, r#"{"err_code":"INVALID_AUTH","err_msg":"no"}"#, auth, "no");
        check(402, r#"{"category":"PAYMENT","message":"pay"}"#, ErrorKind::Quota, "pay");
        let detail = |status| format!(r#"{{"detail":{{"status":"{status}","message":"m"}}}}"#);
        check(401, &detail("quota_exceeded"), ErrorKind::Quota, "m");
        check(401, &detail("missing_permissions"), ErrorKind::Permission, "m");
        check(429, &detail("system_busy"), ErrorKind::Overloaded, "m");
        check(429, &detail("too_many_concurrent_requests"), ErrorKind::RateLimit, "m");
        check(
            422,
            r#"{"detail":[{"loc":["body","text"],"msg":"field required"}]}"#,
            ErrorKind::InvalidRequest,
            "body.text: field required",
        );
    }
}

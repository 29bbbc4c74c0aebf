//! Asking a token server (RFC 6749): a form goes there, a token comes back.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use llm_core::{ErrorKind, Operation};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;
use url::{Url, form_urlencoded};

use super::{AccessToken, TokenError};
use crate::openai::errors::kind_of_status;
use crate::transport::{BuildError, Transport, TransportOptions};

/// The transport says on whose behalf it fails; callers rename it.
const OPERATION: Operation = Operation::Chat;

/// A token server, with its pool of connections.
#[derive(Clone, Debug)]
pub(super) struct TokenServer {
    transport: Transport,
    path: String,
}

impl TokenServer {
    /// The server at `uri`.
    pub(super) fn at(uri: &str) -> Result<Self, BuildError> {
        let error = |reason: String| BuildError::BaseUrl { url: uri.to_owned(), reason };
        let mut base = Url::parse(uri).map_err(|problem| error(problem.to_string()))?;
        let path = base.path().to_owned();
        base.set_path("");
        let transport = Transport::new(base.as_str(), HeaderMap::new(), transport_options())?;
        Ok(Self { transport, path })
    }

    /// The same server, reached as a provider's own transport reaches it: through its proxy, trusting its authorities,
    /// at the addresses that it may reach. Its client certificate is not shown to others.
    pub(super) fn reached_by(self, provider: &TransportOptions) -> Result<Self, BuildError> {
        let options = TransportOptions {
            connect_timeout: provider.connect_timeout,
            proxy: provider.proxy.clone(),
            system_proxy: provider.system_proxy,
            ca_certificates: provider.ca_certificates.clone(),
            addresses: provider.addresses,
            ..transport_options()
        };
        let base = self.transport.base_url().as_str();
        let transport = Transport::new(base, HeaderMap::new(), options)?;
        Ok(Self { transport, path: self.path })
    }

    /// Sends a form and reads the token.
    pub(super) async fn exchange(&self, form: &[(&str, &str)]) -> Result<AccessToken, TokenError> {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, form_type)]);
        let sent = self.transport.post(OPERATION, &self.path, headers, body.into_bytes()).await?;
        let status = sent.status();
        if !status.is_success() {
            let body = self.transport.read_error_body(OPERATION, sent).await;
            return Err(refusal(status.as_u16(), &body));
        }
        let body = self.transport.read_body(OPERATION, sent).await?;
        parse_token(&body)
    }
}

/// Asking for a token is quick or broken.
pub(super) fn transport_options() -> TransportOptions {
    TransportOptions {
        read_timeout: Duration::from_secs(30),
        max_body_bytes: 1 << 20,
        ..TransportOptions::default()
    }
}

/// `{"access_token": …, "expires_in": seconds}`, as every token server answers; some write the number as text, and some
/// tell the moment (`expires_on`, in seconds since the epoch) instead.
pub(super) fn parse_token(body: &[u8]) -> Result<AccessToken, TokenError> {
    #[derive(Deserialize)]
    struct Token {
        access_token: String,
        #[serde(default)]
        expires_in: Value,
        #[serde(default)]
        expires_on: Value,
    }
    // The body may hold a token, so it is not shown.
    let token: Token = serde_json::from_slice(body).map_err(|_| {
        TokenError::new(ErrorKind::Malformed, "the token server's answer holds no token")
    })?;
    let secret = SecretString::from(token.access_token);
    let lasts = seconds(&token.expires_in).map(Duration::from_secs);
    let until = || {
        let end = UNIX_EPOCH.checked_add(Duration::from_secs(seconds(&token.expires_on)?))?;
        end.duration_since(SystemTime::now()).ok()
    };
    Ok(AccessToken { secret, lasts: lasts.or_else(until) })
}

/// A number, or a text of one.
fn seconds(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// `{"error": "invalid_grant", "error_description": …}`: what is wrong with credentials comes as status 400 or 401.
pub(super) fn refusal(status: u16, body: &[u8]) -> TokenError {
    let kind = match status {
        400 | 401 => ErrorKind::Authentication,
        status => kind_of_status(status),
    };
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let message = match (text("error"), text("error_description")) {
        (Some(error), Some(description)) => format!("the token server says {error}: {description}"),
        (Some(error), None) => format!("the token server says {error}"),
        _ => format!("the token server answered with status {status}"),
    };
    TokenError::new(kind, message).with_status(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_tell_why() {
        let body = br#"{"error":"invalid_grant","error_description":"Invalid JWT Signature."}"#;
        let error = refusal(400, body);
        assert_eq!(error.kind(), ErrorKind::Authentication);
        assert!(error.to_string().contains("Invalid JWT Signature."));
        assert_eq!(refusal(503, b"<html>").kind(), ErrorKind::Overloaded);
        assert_eq!(parse_token(b"{}").unwrap_err().kind(), ErrorKind::Malformed);
    }

    #[test]
    fn tokens_say_how_long_they_last() {
        let lasts = |fields: &str| {
            let body = format!(r#"{{"access_token":"t"{fields}}}"#);
            parse_token(body.as_bytes()).unwrap().lasts.map(|lasts| lasts.as_secs())
        };
        assert_eq!(lasts(""), None);
        assert_eq!(lasts(r#","expires_in":3599"#), Some(3599));
        assert_eq!(lasts(r#","expires_in":"86400","expires_on":"1""#), Some(86400));
        assert_eq!(lasts(r#","expires_in":null,"expires_on":"1""#), None, "long ago");
        assert!(lasts(r#","expires_on":"99999999999""#).is_some_and(|lasts| lasts > 1_000_000));
    }
}

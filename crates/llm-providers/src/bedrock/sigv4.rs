//! AWS Signature Version 4. Pure: the time comes in, headers go out.
//!
//! Source: "Create a signed AWS API request" in the AWS IAM user guide; the tests are vectors of the official suite. The
//! path is canonicalised the way every service but S3 wants it: what stands on the wire is escaped once more, so that a
//! model's `:` (`%3A` on the wire) is signed as `%253A`.

use std::fmt::Write as _;
use std::time::SystemTime;

use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use http::{HeaderMap, Method};
use ring::{digest, hmac};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// Keys of an AWS identity. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// Names the key; not secret.
    pub access_key_id: String,
    /// Signs.
    pub secret_access_key: SecretString,
    /// Comes with keys that were lent for a time (roles, SSO).
    pub session_token: Option<SecretString>,
}

impl Credentials {
    /// Keys without a session.
    pub fn new(
        access_key_id: impl Into<String>,
        secret_access_key: impl Into<SecretString>,
    ) -> Self {
        Self {
            access_key_id: access_key_id.into(),
            secret_access_key: secret_access_key.into(),
            session_token: None,
        }
    }

    /// The same with a session's token.
    pub fn with_session_token(mut self, token: impl Into<SecretString>) -> Self {
        self.session_token = Some(token.into());
        self
    }
}

/// What a signature is good for.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// `us-east-1` …
    pub region: &'a str,
    /// `bedrock`, for all of Bedrock's hosts.
    pub service: &'a str,
}

/// A header cannot be made of the keys: they hold characters that HTTP does not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the AWS keys hold characters that cannot be sent in a header")]
pub struct UnfitKeys;

/// Signs a request: adds `x-amz-date`, `x-amz-security-token` where there is one, and `authorization` to `headers`. All
/// headers that are there already are signed with them, and so are host, path, query and `body`.
///
/// # Errors
/// When the keys cannot be sent.
pub fn sign(
    method: &Method,
    url: &Url,
    headers: &mut HeaderMap,
    body: &[u8],
    credentials: &Credentials,
    scope: Scope<'_>,
    now: SystemTime,
) -> Result<(), UnfitKeys> {
    let time = timestamp(now);
    let day = time.get(..8).unwrap_or_default();
    headers.remove(AUTHORIZATION);
    headers.insert(DATE, HeaderValue::try_from(&time).map_err(|_| UnfitKeys)?);
    if let Some(token) = &credentials.session_token {
        headers.insert(TOKEN, secret_header(token.expose_secret().trim())?);
    }
    let Scope { region, service } = scope;
    let scope = format!("{day}/{region}/{service}/aws4_request");
    let (request, signed_headers) = canonical_request(method, url, headers, body);
    let to_sign = format!("{ALGORITHM}\n{time}\n{scope}\n{}", hex(&sha256(request.as_bytes())));

    let secret = format!("AWS4{}", credentials.secret_access_key.expose_secret().trim());
    let key = [day, region, service, "aws4_request"]
        .iter()
        .fold(secret.into_bytes(), |key, part| hmac_sha256(&key, part.as_bytes()));
    let signature = hex(&hmac_sha256(&key, to_sign.as_bytes()));
    let id = credentials.access_key_id.trim();
    let authorization = format!(
        "{ALGORITHM} Credential={id}/{scope}, SignedHeaders={signed_headers}, Signature={signature}"
    );
    headers.insert(AUTHORIZATION, secret_header(&authorization)?);
    Ok(())
}

/// The request in the form that is signed, and the names of the headers in it.
fn canonical_request(
    method: &Method,
    url: &Url,
    headers: &HeaderMap,
    body: &[u8],
) -> (String, String) {
    let mut lines: Vec<(&str, String)> = vec![("host", host(url))];
    for name in headers.keys().filter(|name| name.as_str() != "host") {
        let values: Vec<String> = headers.get_all(name).iter().map(folded).collect();
        lines.push((name.as_str(), values.join(",")));
    }
    lines.sort_unstable();
    let names: Vec<&str> = lines.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");

    let mut text = format!("{method}\n{}\n{}\n", escape(url.path(), b"/"), canonical_query(url));
    for (name, value) in &lines {
        let _ = writeln!(text, "{name}:{value}");
    }
    let _ = write!(text, "\n{names}\n{}", hex(&sha256(body)));
    (text, names)
}

/// As HTTP clients write it: the port only where it is not the scheme's own.
fn host(url: &Url) -> String {
    let name = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{name}:{port}"),
        None => name.to_owned(),
    }
}

fn canonical_query(url: &Url) -> String {
    let mut pairs: Vec<String> = url
        .query_pairs()
        .map(|(name, value)| format!("{}={}", escape(&name, b""), escape(&value, b"")))
        .collect();
    pairs.sort_unstable();
    pairs.join("&")
}

/// A header's value without spaces around it, and with single spaces in it.
fn folded(value: &HeaderValue) -> String {
    let value = String::from_utf8_lossy(value.as_bytes());
    value.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

/// Escapes everything but the letters, digits, `-._~` and `keep`.
pub(super) fn escape(text: &str, keep: &[u8]) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || keep.contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

/// `20150830T123600Z`. Times that no calendar holds become its beginning.
fn timestamp(now: SystemTime) -> String {
    let now = jiff::Timestamp::try_from(now).unwrap_or_default();
    now.strftime("%Y%m%dT%H%M%SZ").to_string()
}

fn secret_header(text: &str) -> Result<HeaderValue, UnfitKeys> {
    let mut value = HeaderValue::try_from(text).map_err(|_| UnfitKeys)?;
    value.set_sensitive(true);
    Ok(value)
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA256, bytes).as_ref().to_vec()
}

fn hmac_sha256(key: &[u8], bytes: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), bytes).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// 2015-08-30T12:36:00Z, the time of all vectors.
    fn time() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_440_938_160)
    }

    fn signed(
        method: Method,
        url: &str,
        headers: &[(&'static str, &'static str)],
        body: &[u8],
        token: Option<&str>,
    ) -> HeaderMap {
        let mut credentials =
            Credentials::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
        if let Some(token) = token {
            credentials = credentials.with_session_token(token);
        }
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        let url = Url::parse(url).unwrap();
        let scope = Scope { region: "us-east-1", service: "service" };
        sign(&method, &url, &mut map, body, &credentials, scope, time()).unwrap();
        map
    }

    fn check(
        method: Method,
        path: &str,
        headers: &[(&'static str, &'static str)],
        body: &[u8],
        token: Option<&str>,
        signature: &str,
    ) {
        let url = format!("https://example.amazonaws.com{path}");
        let headers = signed(method, &url, headers, body, token);
        let authorization = headers[AUTHORIZATION].to_str().unwrap();
        assert!(authorization.ends_with(signature), "{path}: {authorization}");
    }

    /// Vectors of the official suite, by their names there. (Those about `.` and `..` in paths do not apply: URLs have
    /// none. Those about escaped paths are of S3's way, which escapes once.)
    #[test]
    fn official_vectors() {
        use Method as M;
        // get-vanilla
        check(
            M::GET,
            "/",
            &[],
            b"",
            None,
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        );
        // post-vanilla
        check(
            M::POST,
            "/",
            &[],
            b"",
            None,
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        );
        // get-vanilla-query-order-key-case
        check(
            M::GET,
            "/?Param2=value2&Param1=value1",
            &[],
            b"",
            None,
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        );
        // get-unreserved
        check(
            M::GET,
            "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
            &[],
            b"",
            None,
            "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
        );
        // get-vanilla-with-session-token
        let token = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267";
        check(
            M::GET,
            "/",
            &[],
            b"",
            Some(token),
            "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8",
        );
        // get-header-value-trim
        let headers = [("my-header1", "value1"), ("my-header2", "\"a   b   c\"")];
        check(
            M::GET,
            "/",
            &headers,
            b"",
            None,
            "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
        );
        // post-header-key-sort
        check(
            M::POST,
            "/",
            &[("my-header1", "value1")],
            b"",
            None,
            "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
        );
        // post-header-value-case
        check(
            M::POST,
            "/",
            &[("my-header1", "VALUE1")],
            b"",
            None,
            "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d",
        );
        // post-x-www-form-urlencoded
        let headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("content-length", "13"),
            (
                "x-amz-content-sha256",
                "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e",
            ),
        ];
        check(
            M::POST,
            "/",
            &headers,
            b"Param1=value1",
            None,
            "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b",
        );
    }

    #[test]
    fn paths_are_escaped_once_more() {
        let url = Url::parse("http://127.0.0.1:90/model/a.b-v1%3A0/converse").unwrap();
        let (request, names) = canonical_request(&Method::POST, &url, &HeaderMap::new(), b"");
        assert!(request.starts_with("POST\n/model/a.b-v1%253A0/converse\n\nhost:127.0.0.1:90\n"));
        assert_eq!(names, "host");
    }

    #[test]
    fn secrets_do_not_show() {
        let headers = signed(Method::GET, "https://a.example/", &[], b"", Some("tok-secret"));
        let credentials = Credentials::new("AK", "very-secret").with_session_token("tok-secret");
        let text = format!("{headers:?} {credentials:?}");
        assert!(!text.contains("secret\"") && !text.contains("Signature"), "{text}");
        let mut headers = HeaderMap::new();
        let url = Url::parse("https://a.example/").unwrap();
        let broken = Credentials::new("A\nK", "x");
        let scope = Scope { region: "r", service: "s" };
        let result = sign(&Method::GET, &url, &mut headers, b"", &broken, scope, time());
        assert_eq!(result, Err(UnfitKeys));
    }
}

//! The cookie that keeps a person's session in a browser.

use accounts::SessionSecret;
use axum::http::{HeaderMap, HeaderValue, header};
use jiff::Timestamp;

const NAME: &str = "colloquy_session";

/// The session whose cookie came, if one did.
pub(super) fn session(headers: &HeaderMap) -> Option<SessionSecret> {
    let texts = headers.get_all(header::COOKIE).into_iter().filter_map(|it| it.to_str().ok());
    let mut pairs = texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(name, _)| name.trim() == NAME)?;
    SessionSecret::parse(value.trim())
}

/// The session that came in any way.
pub(super) fn any_session(headers: &HeaderMap) -> Option<SessionSecret> {
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer = value.map(|value| value.rsplit(' ').next().unwrap_or_default());
    bearer.and_then(SessionSecret::parse).or_else(|| session(headers))
}

/// Keeps the session in the browser until it ends: out of reach of scripts, and of requests from other sites.
pub(super) fn keep(secret: &SessionSecret, until: Timestamp, headers: &HeaderMap) -> HeaderValue {
    let seconds = until.duration_since(Timestamp::now()).as_secs().max(0);
    value(secret.expose(), seconds, headers)
}

/// Takes it away.
pub(super) fn forget(headers: &HeaderMap) -> HeaderValue {
    value("", 0, headers)
}

fn value(text: &str, seconds: i64, headers: &HeaderMap) -> HeaderValue {
    // Over plain HTTP a browser would not keep a cookie that is for TLS only. It names the page's origin when it logs in.
    let is = |name: &str, beginning: &str| {
        headers.get(name).is_some_and(|value| value.as_bytes().starts_with(beginning.as_bytes()))
    };
    let secure = match is("x-forwarded-proto", "https") || is("origin", "https://") {
        true => "; Secure",
        false => "",
    };
    let cookie =
        format!("{NAME}={text}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}");
    HeaderValue::from_str(&cookie).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderName, HeaderValue};

    use super::forget;

    #[test]
    fn pages_over_tls_get_cookies_for_tls() {
        for (name, value, is_secure) in [
            ("origin", "https://colloquy.example", true),
            ("origin", "http://127.0.0.1:9380", false),
            ("x-forwarded-proto", "https", true),
            ("x-forwarded-proto", "http", false),
        ] {
            let name = HeaderName::from_static(name);
            let headers = HeaderMap::from_iter([(name, HeaderValue::from_static(value))]);
            let cookie = forget(&headers);
            let cookie = cookie.to_str().unwrap();
            assert_eq!(cookie.contains("; Secure"), is_secure, "{value}: {cookie}");
        }
    }
}

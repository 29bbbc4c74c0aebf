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
    // Over plain HTTP a browser would not keep a cookie that is for TLS only.
    let secure = match headers.get("x-forwarded-proto").is_some_and(|it| it == "https") {
        true => "; Secure",
        false => "",
    };
    let cookie =
        format!("{NAME}={text}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}");
    HeaderValue::from_str(&cookie).unwrap_or(HeaderValue::from_static(""))
}

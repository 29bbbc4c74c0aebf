//! Asks for a key, where the server is set up so.

use std::sync::Arc;

use accounts::KeySecret;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Failure;
use super::failure::AnthropicFailure;
use super::page;
use super::problem::Problem;
use super::ragflow;
use crate::app::App;
use crate::key_ring::KeyRing;

/// What opens without a key: whether the server lives, and the files of the console, which hold no data. Everything else
/// asks for one, an address that does not exist included.
const OPEN: &[&str] = &["/healthz", "/readyz"];

/// Where Anthropic's clients give their keys.
const X_API_KEY: &str = "x-api-key";

/// Lets the request in if it needs no key or brings one that opens the server, and refuses it in the dialect of the
/// address otherwise.
pub(super) async fn authenticate(
    State(app): State<Arc<App>>,
    request: Request,
    next: Next,
) -> Response {
    let Some(keys) = &app.keys else {
        return next.run(request).await;
    };
    let path = request.uri().path();
    if OPEN.contains(&path) || page::is_there(path) {
        return next.run(request).await;
    }
    match is_known(keys, request.headers()).await {
        Some(true) => next.run(request).await,
        Some(false) => refusal(path, Refused::Unauthorized),
        None => refusal(path, Refused::Busy),
    }
}

/// `None`: nobody could look.
async fn is_known(keys: &KeyRing, headers: &HeaderMap) -> Option<bool> {
    let Some(secret) = given(headers) else {
        return Some(false);
    };
    match keys.find(secret).await {
        Ok(key) => Some(key.is_some()),
        Err(error) => {
            tracing::warn!(error = crate::causes_line(&error), "a key was not looked up");
            None
        }
    }
}

/// `Authorization: Bearer KEY`, else `x-api-key: KEY`.
fn given(headers: &HeaderMap) -> Option<KeySecret> {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    let bearer = text(header::AUTHORIZATION.as_str()).and_then(|value| {
        let (scheme, key) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
    });
    KeySecret::parse(bearer.or_else(|| text(X_API_KEY))?)
}

#[derive(Clone, Copy)]
enum Refused {
    Unauthorized,
    Busy,
}

fn refusal(path: &str, refused: Refused) -> Response {
    let mut response = in_dialect(path, refused);
    if matches!(refused, Refused::Unauthorized) {
        let scheme = HeaderValue::from_static("Bearer");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
    }
    response
}

fn in_dialect(path: &str, refused: Refused) -> Response {
    if path.starts_with("/api/v1/") {
        return match refused {
            Refused::Unauthorized => ragflow::unauthorized(),
            Refused::Busy => ragflow::busy(),
        };
    }
    if path.starts_with("/api/") {
        return match refused {
            Refused::Unauthorized => Problem::unauthorized().into_response(),
            Refused::Busy => {
                Problem::busy("the server is busy; try again in a second").into_response()
            }
        };
    }
    let failure = match refused {
        Refused::Unauthorized => Failure::unauthorized(),
        Refused::Busy => Failure::busy(),
    };
    if path == "/v1/messages" || path.starts_with("/v1/messages/") {
        AnthropicFailure::from(failure).into_response()
    } else {
        failure.into_response()
    }
}

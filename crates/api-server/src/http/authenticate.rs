//! Asks for a key, where the server is set up so.

use std::sync::Arc;

use accounts::KeySecret;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Failure;
use super::dialect::{Dialect, Refused};
use super::openapi;
use super::page;
use crate::app::App;
use crate::caller::Caller;
use crate::key_ring::KeyRing;
use crate::parts::Parts;

/// What opens without a key: whether the server lives, the description of its interface, and the files of the console,
/// which hold no data. Everything else asks for one, an address that does not exist included.
fn is_open(path: &str) -> bool {
    openapi::OPEN.contains(&path) || page::is_there(path) || openapi::is_page(path)
}

/// Where Anthropic's clients give their keys.
const X_API_KEY: &str = "x-api-key";

/// Lets the request in if it needs no key or brings one that opens the server, and refuses it in the dialect of the
/// address otherwise.
pub(super) async fn authenticate(
    State(app): State<Arc<Parts>>,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(keys) = &app.keys else {
        request.extensions_mut().insert(Caller::local());
        return next.run(request).await;
    };
    let path = request.uri().path();
    if is_open(path) {
        return next.run(request).await;
    }
    match caller(keys, request.headers()).await {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(refused) => refusal(path, refused),
    }
}

/// Whose request this is.
async fn caller(keys: &KeyRing, headers: &HeaderMap) -> Result<Caller, Refused> {
    let secret = given(headers).ok_or(Refused::Unauthorized)?;
    match keys.find(secret).await {
        Ok(Some(key)) => Ok(Caller::with_key(&key)),
        Ok(None) => Err(Refused::Unauthorized),
        Err(error) => {
            tracing::warn!(error = crate::causes_line(&error), "a key was not looked up");
            Err(Refused::Busy)
        }
    }
}

impl FromRequestParts<Arc<Parts>> for App {
    type Rejection = Response;

    /// The application as the caller sees it whom [`authenticate`] found.
    async fn from_request_parts(
        request: &mut request::Parts,
        parts: &Arc<Parts>,
    ) -> Result<Self, Response> {
        let caller = request.extensions.get::<Caller>().cloned();
        let caller = caller.ok_or_else(|| Failure::internal().into_response())?;
        Ok(Self::of(parts.clone(), caller))
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

fn refusal(path: &str, refused: Refused) -> Response {
    let mut response = Dialect::of(path).refuse(path, refused);
    if refused == Refused::Unauthorized {
        let scheme = HeaderValue::from_static("Bearer");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
    }
    response
}

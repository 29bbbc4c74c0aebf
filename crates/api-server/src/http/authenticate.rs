//! Finds out whose request it is, and whether they may do that.

use std::sync::Arc;

use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::request;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Failure;
use super::cookie;
use super::dialect::{Dialect, Refused};
use super::observe::is_own_origin;
use super::openapi;
use super::page;
use super::permission::Permission;
use crate::app::App;
use crate::caller::Caller;
use crate::door::{Credential, Door};
use crate::parts::Parts;

/// What opens to everybody: whether the server lives, the ways in, the description of the interface, and the files of the
/// console, which hold no data. Everything else asks who it is, an address that does not exist included.
fn is_open(path: &str) -> bool {
    openapi::OPEN.contains(&path) || page::is_there(path) || openapi::is_page(path)
}

/// Where Anthropic's clients give their keys.
const X_API_KEY: &str = "x-api-key";

/// Lets the request in on behalf of whoever it is, or refuses it in the dialect of its address.
pub(super) async fn authenticate(
    State(app): State<Arc<Parts>>,
    route: Option<MatchedPath>,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(door) = &app.door else {
        request.extensions_mut().insert(Caller::local());
        return next.run(request).await;
    };
    let path = request.uri().path();
    if is_open(path) {
        return next.run(request).await;
    }
    let needed = Permission::of(request.method(), route.as_ref().map_or("", MatchedPath::as_str));
    let credential = given(request.method(), request.headers());
    match let_in(door, needed, credential).await {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(refused) => refusal(request.uri().path(), refused),
    }
}

/// Whose request this is, if they may do that.
async fn let_in(
    door: &Door,
    needed: Permission,
    credential: Result<Credential, Refused>,
) -> Result<Caller, Refused> {
    let caller = match door.find(credential?).await {
        Ok(caller) => caller.ok_or(Refused::Unauthorized)?,
        Err(error) => {
            tracing::warn!(error = crate::causes_line(&error), "it was not looked up who asks");
            return Err(Refused::Busy);
        }
    };
    needed.check(&caller).map_err(Refused::Forbidden)?;
    Ok(caller)
}

impl FromRequestParts<Arc<Parts>> for App {
    type Rejection = Response;

    /// The application as the caller sees it whom `authenticate` found.
    async fn from_request_parts(
        request: &mut request::Parts,
        parts: &Arc<Parts>,
    ) -> Result<Self, Response> {
        let caller = request.extensions.get::<Caller>().cloned();
        let caller = caller.ok_or_else(|| Failure::internal().into_response())?;
        Ok(Self::of(parts.clone(), caller))
    }
}

/// `Authorization: Bearer SECRET`, else `x-api-key: KEY`, else the cookie of a browser.
fn given(method: &Method, headers: &HeaderMap) -> Result<Credential, Refused> {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    // Clients of RAGFlow send the bare secret, too.
    let bearer =
        text(header::AUTHORIZATION.as_str()).and_then(|value| match value.split_once(' ') {
            Some((scheme, key)) => scheme.eq_ignore_ascii_case("bearer").then(|| key.trim()),
            None => Some(value),
        });
    if let Some(secret) = bearer.or_else(|| text(X_API_KEY)) {
        return Credential::parse(secret).ok_or(Refused::Unauthorized);
    }
    let session = cookie::session(headers).ok_or(Refused::Unauthorized)?;
    // A browser sends its cookies along with what pages of other sites ask for.
    let reads = matches!(*method, Method::GET | Method::HEAD);
    if !reads && !is_own_origin(headers) {
        return Err(Refused::OtherSite);
    }
    Ok(Credential::Session(session))
}

/// The refusal in the dialect of the address.
pub(super) fn refusal(path: &str, refused: Refused) -> Response {
    let mut response = Dialect::of(path).refuse(path, refused);
    let header = match refused {
        Refused::Unauthorized => Some((header::WWW_AUTHENTICATE, "Bearer")),
        Refused::Busy => Some((header::RETRY_AFTER, "1")),
        _ => None,
    };
    if let Some((name, value)) = header {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

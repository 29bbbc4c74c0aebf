//! The web console at `/`.

use axum::extract::{Path, Request};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use web_console::Asset;

use super::Failure;

/// The page.
pub(super) async fn index(headers: HeaderMap) -> Response {
    answer("", &headers)
}

/// A file beside it.
pub(super) async fn file(Path(name): Path<String>, headers: HeaderMap) -> Response {
    answer(&name, &headers)
}

/// A file whose name changes with its content.
pub(super) async fn hashed(Path(name): Path<String>, headers: HeaderMap) -> Response {
    answer(&format!("assets/{name}"), &headers)
}

/// Whether a file of the console is at this address.
pub(super) fn is_there(address: &str) -> bool {
    address.strip_prefix('/').is_some_and(|path| web_console::asset(path).is_some())
}

fn answer(path: &str, headers: &HeaderMap) -> Response {
    match web_console::asset(path) {
        Some(asset) => body(asset, headers),
        None => Failure::not_found("there is nothing at this address").into_response(),
    }
}

fn body(asset: &'static Asset, headers: &HeaderMap) -> Response {
    let always = [
        (header::ETAG, asset.etag),
        (header::CACHE_CONTROL, asset.cache_control()),
        (header::VARY, "accept-encoding"),
    ];
    if lists(headers, header::IF_NONE_MATCH, asset.etag) {
        return (StatusCode::NOT_MODIFIED, always).into_response();
    }
    let kind = [(header::CONTENT_TYPE, asset.media_type())];
    match asset.gzip.filter(|_| lists(headers, header::ACCEPT_ENCODING, "gzip")) {
        Some(gzip) => (always, kind, [(header::CONTENT_ENCODING, "gzip")], gzip).into_response(),
        None => (always, kind, asset.body).into_response(),
    }
}

/// Whether a header with commas names this. An entry of weight 0 is a refusal.
fn lists(headers: &HeaderMap, name: header::HeaderName, wanted: &str) -> bool {
    let texts = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    let mut entries = texts.flat_map(|text| text.split(',')).map(str::trim);
    entries.any(|entry| {
        let (entry, weight) = entry.split_once(';').unwrap_or((entry, ""));
        let refused = weight.trim().strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0));
        entry.trim().trim_start_matches("W/") == wanted && !refused
    })
}

/// Nothing from elsewhere, and not inside anybody's frame.
pub(super) async fn security_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, web_console::CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

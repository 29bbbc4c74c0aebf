//! `GET /docs`: a page that shows the description. It is ours, whole, and asks nobody else for anything.

use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::http::Failure;
use crate::parts::Parts;

/// What a browser may do with it: run and show our own files, and ask this server.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Address, media type and content of each file.
const FILES: [(&str, &str, &str); 3] = [
    ("/docs", "text/html; charset=utf-8", include_str!("viewer/index.html")),
    ("/docs/viewer.css", "text/css; charset=utf-8", include_str!("viewer/viewer.css")),
    ("/docs/viewer.js", "text/javascript; charset=utf-8", include_str!("viewer/viewer.js")),
];

/// The page and what it is made of.
pub(in crate::http) fn pages() -> Router<Arc<Parts>> {
    Router::new()
        .route("/docs", get(async || file("/docs")))
        .route("/docs/{file}", get(async |Path(name): Path<String>| file(&format!("/docs/{name}"))))
}

/// Whether a file of the page is at this address.
pub(in crate::http) fn is_page(path: &str) -> bool {
    FILES.iter().any(|(known, ..)| *known == path)
}

fn file(path: &str) -> Response {
    let Some((_, kind, content)) = FILES.iter().find(|(known, ..)| *known == path) else {
        return Failure::not_found("there is nothing at this address").into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, *kind),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, *content).into_response()
}

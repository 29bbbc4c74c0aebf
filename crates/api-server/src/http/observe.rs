//! What happens around every request: an id, a place among those under way, a line in the log, metrics.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::Response;
use service_guards::{HeldBody, Hold};
use uuid::Uuid;

use super::dialect::{Dialect, Refused};
use crate::parts::Parts;

const REQUEST_ID: &str = "x-request-id";

/// Gives the request an id, and records it when its answer has ended or its client has left.
pub(super) async fn observe(
    State(app): State<Arc<Parts>>,
    path: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    let id = request_id(request.headers());
    let mut record = Record {
        app,
        route: path.map_or_else(|| "other".into(), |path| path.as_str().into()),
        method: request.method().clone(),
        id: id.clone(),
        began: Instant::now(),
        status: None,
    };
    let mut response = next.run(request).await;
    record.status = Some(response.status());
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    hold(response, record)
}

fn refuse(path: &str, why: Refused) -> Response {
    Dialect::of(path).refuse(path, why)
}

/// Refuses what a page of another site sends: without keys, being on this machine is all that lets a request in, and a
/// browser on this machine runs other people's pages. Also refuses host names that are not this machine's, which is
/// how a page makes its own name point here. Where a key is asked, that lets requests in, and no browser adds it by itself.
pub(super) async fn refuse_other_sites(
    State(app): State<Arc<Parts>>,
    request: Request,
    next: Next,
) -> Response {
    if app.door.is_some() {
        return next.run(request).await;
    }
    let headers = request.headers();
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .or_else(|| request.uri().authority().map(|authority| authority.as_str()));
    let own_host = host.is_none_or(is_this_machine);
    let own_origin = headers
        .get(header::ORIGIN)
        .is_none_or(|origin| authority_of(origin).is_some_and(|it| is_this_machine(&it)));
    if own_host && own_origin {
        next.run(request).await
    } else {
        refuse(request.uri().path(), Refused::OtherSite)
    }
}

/// Whether a page of this server sent the request: browsers name the page's origin with all that changes something.
pub(super) fn is_own_origin(headers: &HeaderMap) -> bool {
    let origin = headers.get(header::ORIGIN).and_then(authority_of);
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    origin.is_some_and(|origin| host.is_some_and(|host| origin.eq_ignore_ascii_case(host)))
}

fn authority_of(origin: &HeaderValue) -> Option<String> {
    let origin: Uri = origin.to_str().ok()?.parse().ok()?;
    origin.authority().map(|authority| authority.as_str().to_owned())
}

fn is_this_machine(authority: &str) -> bool {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn hold(response: Response, guard: impl Send + 'static) -> Response {
    response.map(|body| Body::new(HeldBody::new(body).hold(guard)))
}

/// The caller's own id where it is sensible, else a new one.
fn request_id(headers: &HeaderMap) -> String {
    let sensible = |id: &&str| {
        (1..=128).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    let given = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()).filter(sensible);
    given.map_or_else(|| Uuid::now_v7().simple().to_string(), str::to_owned)
}

/// Records a request when it is dropped, however that comes about.
struct Record {
    app: Arc<Parts>,
    route: String,
    method: Method,
    id: String,
    began: Instant,
    /// `None` when the client left before there was one.
    status: Option<StatusCode>,
}

impl Drop for Record {
    fn drop(&mut self) {
        let took = self.began.elapsed();
        let status = self.status.map_or(499, |status| status.as_u16());
        self.app.metrics.request(&self.route, self.method.as_str(), status, took);
        tracing::info!(
            target: "access",
            method = %self.method,
            route = self.route,
            status,
            milliseconds = took.as_secs_f64() * 1e3,
            request_id = self.id,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::is_this_machine;

    #[test]
    fn only_this_machine_is_this_machine() {
        for host in ["localhost:9380", "127.0.0.1", "127.0.0.1:80", "[::1]:80", "LOCALHOST"] {
            assert!(is_this_machine(host), "{host}");
        }
        for host in ["example.com", "127.0.0.1.example.com:80", "10.0.0.1", "localhost.evil", ""] {
            assert!(!is_this_machine(host), "{host}");
        }
    }
}

//! [`ReplayServer`]: recorded exchanges over HTTP.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use llm_replay::{Chunking, Exchange, LocalServer, Pace, response};

use crate::fake_upstream::SeenRequest;

/// Serves recorded exchanges, each below a base URL of its own, and keeps what was asked.
///
/// The answer does not depend on the request: whether that was the right one is for the test to judge
/// ([`ReplayServer::taken`]).
#[derive(Debug)]
pub struct ReplayServer {
    server: LocalServer,
    shelf: Arc<Shelf>,
}

#[derive(Debug, Default)]
struct Shelf {
    exchanges: Mutex<BTreeMap<String, (Exchange, Chunking)>>,
    seen: Mutex<BTreeMap<String, Vec<SeenRequest>>>,
}

impl ReplayServer {
    /// Starts a server with nothing to replay yet.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start() -> io::Result<Self> {
        let shelf = Arc::new(Shelf::default());
        let router = Router::new().fallback(replay).with_state(shelf.clone());
        Ok(Self { server: LocalServer::start(router).await?, shelf })
    }

    /// Puts up an exchange and returns the URL that stands for its provider's origin: `https://api.example.com/v1/x` was
    /// asked at `<returned>/v1/x`.
    pub fn add(&self, exchange: Exchange, chunking: Chunking) -> String {
        let origin = format!("http://{}/{}", self.server.address(), exchange.id);
        lock(&self.shelf.exchanges).insert(exchange.id.clone(), (exchange, chunking));
        origin
    }

    /// What was asked of an exchange since the last look, paths without the exchange's own prefix.
    pub fn taken(&self, id: &str) -> Vec<SeenRequest> {
        lock(&self.shelf.seen).remove(id).unwrap_or_default()
    }
}

async fn replay(State(shelf): State<Arc<Shelf>>, request: Request) -> Response {
    let path = request.uri().path().trim_start_matches('/').to_owned();
    let (id, path) = path.split_once('/').unwrap_or((&path, ""));
    let Some((exchange, chunking)) = lock(&shelf.exchanges).get(id).cloned() else {
        return plain(StatusCode::NOT_FOUND, "no such exchange");
    };
    let mut seen = match SeenRequest::read(request).await {
        Ok(seen) => seen,
        Err(_) => return plain(StatusCode::BAD_REQUEST, "the request broke off"),
    };
    seen.path = format!("/{path}");
    lock(&shelf.seen).entry(id.to_owned()).or_default().push(seen);
    response(&exchange, chunking, Pace::AtOnce).await
}

fn plain(status: StatusCode, text: &'static str) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

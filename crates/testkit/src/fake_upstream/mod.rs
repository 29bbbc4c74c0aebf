//! [`FakeUpstream`]: a provider of the OpenAI dialect that does what a test tells it.

mod answer;
mod behaviour;
mod live;
mod sound;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{get, post};
use bytes::Bytes;
use http::{HeaderMap, Method};
use llm_replay::{FormPart, LocalServer, read_form};
use serde_json::Value;
use tokio::sync::{Notify, watch};

pub use behaviour::Behaviour;
use live::LiveStream;

/// The most bytes of a request that are read.
const MAX_REQUEST: usize = 64 << 20;

/// A real HTTP server that speaks `chat/completions` (streamed and not), `embeddings`, `audio/…` and `models`.
///
/// By default it answers at once. Tell it otherwise for the next call ([`FakeUpstream::next`]), for a model
/// ([`FakeUpstream::for_model`]) or for every call ([`FakeUpstream::always`]); the first of these that exists holds.
/// Dropping it stops it, open connections included.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use std::time::Duration;
/// use testkit::{Behaviour, FakeUpstream};
///
/// let upstream = FakeUpstream::start().await?;
/// upstream.next(Behaviour::status(429).header("retry-after", "1"));
/// upstream.always(Behaviour::tokens(20).every(Duration::from_millis(5)).cut_after(10));
/// assert!(upstream.base_url().starts_with("http://127.0.0.1:"));
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct FakeUpstream {
    server: LocalServer,
    state: Arc<Shared>,
}

/// One request as it arrived.
#[derive(Clone, Debug)]
pub struct SeenRequest {
    /// HTTP method.
    pub method: Method,
    /// Path with its slash.
    pub path: String,
    /// What stands behind `?`; empty where there is none.
    pub query: String,
    /// All headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// When it had arrived.
    pub at: Instant,
}

impl SeenRequest {
    /// The body as JSON; null when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The body as a form; `None` when it is none.
    pub fn form(&self) -> Option<Vec<FormPart>> {
        read_form(self.headers.get("content-type")?.to_str().ok()?, &self.body)
    }

    pub(crate) async fn read(request: Request) -> Result<Self, axum::Error> {
        let (head, body) = request.into_parts();
        let body = axum::body::to_bytes(body, MAX_REQUEST).await?;
        Ok(Self {
            method: head.method,
            path: head.uri.path().to_owned(),
            query: head.uri.query().unwrap_or_default().to_owned(),
            headers: head.headers,
            body,
            at: Instant::now(),
        })
    }
}

/// How a streamed answer ended, seen from the server.
#[derive(Clone, Copy, Debug)]
pub struct StreamEnd {
    /// When.
    pub at: Instant,
    /// How many tokens had been handed to the connection.
    pub tokens: usize,
    /// Whether the client left before the answer had ended.
    pub by_client: bool,
}

#[derive(Debug, Default)]
struct Shared {
    inner: Mutex<Inner>,
    /// Told whenever a stream ends or a request arrives.
    changed: Notify,
    /// Whether calls that are held may go on.
    released: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Inner {
    next: VecDeque<Behaviour>,
    by_model: BTreeMap<String, Behaviour>,
    always: Behaviour,
    requests: Vec<SeenRequest>,
    ends: VecDeque<StreamEnd>,
    live: usize,
    most_live: usize,
}

impl FakeUpstream {
    /// Starts a server on a free port of `127.0.0.1`.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start() -> io::Result<Self> {
        let state = Arc::new(Shared::default());
        let router = Router::new()
            .route("/v1/chat/completions", post(chat))
            .route("/v1/embeddings", post(embeddings))
            .route("/v1/audio/speech", post(speech))
            .route("/v1/audio/transcriptions", post(transcript))
            .route("/v1/audio/translations", post(transcript))
            .route("/v1/models", get(models))
            .with_state(state.clone());
        Ok(Self { server: LocalServer::start(router).await?, state })
    }

    /// The base URL for a client (`http://127.0.0.1:PORT/v1`).
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.server.address())
    }

    /// Queues the behaviour of one call; calls take from the queue in the order of their arrival.
    pub fn next(&self, behaviour: Behaviour) {
        self.state.lock().next.push_back(behaviour);
    }

    /// Sets the behaviour of every call to a model that finds the queue empty.
    pub fn for_model(&self, model: impl Into<String>, behaviour: Behaviour) {
        self.state.lock().by_model.insert(model.into(), behaviour);
    }

    /// Sets the behaviour of every other call.
    pub fn always(&self, behaviour: Behaviour) {
        self.state.lock().always = behaviour;
    }

    /// All requests so far, in the order of their arrival.
    pub fn requests(&self) -> Vec<SeenRequest> {
        self.state.lock().requests.clone()
    }

    /// How many requests have arrived.
    pub fn calls(&self) -> usize {
        self.state.lock().requests.len()
    }

    /// Lets calls go on that are held ([`Behaviour::held`]), those to come too.
    pub fn release(&self) {
        self.state.released.send_replace(true);
    }

    /// Waits until this many requests have arrived.
    pub async fn requested(&self, count: usize) {
        self.until(|inner| (inner.requests.len() >= count).then_some(())).await;
    }

    /// How many streamed answers are under way.
    pub fn live_streams(&self) -> usize {
        self.state.lock().live
    }

    /// The most streamed answers that were ever under way at once.
    pub fn most_live_streams(&self) -> usize {
        self.state.lock().most_live
    }

    /// How many connections clients have made.
    pub fn connections(&self) -> usize {
        self.server.accepted()
    }

    /// Waits for a streamed answer to end, or takes the earliest end that nobody has taken yet.
    pub async fn closed(&self) -> StreamEnd {
        self.until(|inner| inner.ends.pop_front()).await
    }

    async fn until<T>(&self, mut check: impl FnMut(&mut Inner) -> Option<T>) -> T {
        loop {
            // Listening begins before the look, so that no change falls between them.
            let changed = self.state.changed.notified();
            if let Some(found) = check(&mut self.state.lock()) {
                return found;
            }
            changed.await;
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until calls that are held may go on.
    async fn held(&self) {
        // The sender lives as long as `self`, so this ends by the value alone.
        let _ = self.released.subscribe().wait_for(|released| *released).await;
    }

    /// Notes a request and decides what to do about it.
    fn take(&self, seen: SeenRequest) -> Behaviour {
        let body = seen.json();
        let model = body.get("model").and_then(Value::as_str).unwrap_or_default();
        let mut inner = self.lock();
        let behaviour = inner
            .next
            .pop_front()
            .or_else(|| inner.by_model.get(model).cloned())
            .unwrap_or_else(|| inner.always.clone());
        inner.requests.push(seen);
        drop(inner);
        self.changed.notify_waiters();
        behaviour
    }
}

async fn chat(State(state): State<Arc<Shared>>, request: Request) -> Response {
    respond(state, request, async |state, behaviour, seen| {
        answer::chat(state, behaviour, &seen.json()).await
    })
    .await
}

async fn embeddings(State(state): State<Arc<Shared>>, request: Request) -> Response {
    respond(state, request, async |_, behaviour, seen| answer::embeddings(behaviour, &seen.json()))
        .await
}

async fn speech(State(state): State<Arc<Shared>>, request: Request) -> Response {
    respond(state, request, async |state, behaviour, _| sound::speech(state, behaviour)).await
}

async fn transcript(State(state): State<Arc<Shared>>, request: Request) -> Response {
    respond(state, request, async |_, behaviour, seen| {
        sound::transcript(behaviour, &seen.form().unwrap_or_default())
    })
    .await
}

async fn models(State(state): State<Arc<Shared>>, request: Request) -> Response {
    respond(state, request, async |_, behaviour, _| answer::models(behaviour)).await
}

/// What all answers have in common: the request is kept, waits come first, headers last.
async fn respond(
    state: Arc<Shared>,
    request: Request,
    answer: impl AsyncFnOnce(Arc<Shared>, Behaviour, SeenRequest) -> Response,
) -> Response {
    let Ok(seen) = SeenRequest::read(request).await else {
        return answer::broken_request();
    };
    let behaviour = state.take(seen.clone());
    if behaviour.is_held {
        state.held().await;
    }
    answer::pause(behaviour.head_delay).await;
    let headers = behaviour.headers.clone();
    answer::with_headers(answer(state, behaviour, seen).await, &headers)
}

//! [`Replayer`]: answers requests from recordings.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::json;
use url::Url;

use crate::address::{Address, escaped_name, unescaped};
use crate::difference::{Body, Difference};
use crate::{
    Chunking, Exchange, LocalServer, Pace, RecordedProvider, Recordings, Scrubber, response,
};

/// The most bytes of a request that are read.
const MAX_REQUEST: usize = 256 << 20;

/// How recordings are given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplayOptions {
    /// How bodies are cut.
    pub chunking: Chunking,
    /// When they are sent.
    pub pace: Pace,
}

/// An HTTP server on `127.0.0.1` that stands for every provider that was recorded, each below an
/// [`origin`](Self::origin) of its own. It sends nothing anywhere.
///
/// A request is answered by a recording of the same provider, method, path, query without its keys, and body, compared as
/// JSON. Several recordings of one request are given in their order, the last of them again and again. Keys, and headers
/// in general, do not matter. A request without a recording is answered with 404 and a message that tells which recording
/// is nearest and where it differs.
///
/// Dropping it stops it at once.
///
/// ```no_run
/// use llm_replay::{Recordings, Replayer};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let recordings = Recordings::read("recordings".as_ref())?;
/// let replayer = Replayer::start(recordings).await?;
/// // What was asked at https://api.openai.com/v1/chat/completions is asked here now:
/// println!("{}/v1/chat/completions", replayer.origin("openai"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Replayer {
    server: LocalServer,
    providers: Vec<RecordedProvider>,
}

#[derive(Debug)]
struct Shelf {
    exchanges: Vec<Exchange>,
    /// Where the recordings of an address are among `exchanges`, in their order, with their bodies.
    by_address: HashMap<Place, Vec<(usize, Body)>>,
    /// How often each request was asked, by the first recording of it.
    asked: Mutex<HashMap<usize, usize>>,
    options: ReplayOptions,
}

/// What a request is addressed to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Place {
    provider: String,
    method: String,
    /// Escapes undone, so that `%3A` and `:` are the same.
    path: String,
    /// Without keys, in order.
    query: Vec<String>,
}

impl Replayer {
    /// Starts a server that answers at once and whole.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(recordings: Recordings) -> io::Result<Self> {
        Self::start_with(recordings, ReplayOptions::default()).await
    }

    /// Starts a server that cuts and paces its answers as told.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start_with(recordings: Recordings, options: ReplayOptions) -> io::Result<Self> {
        let providers = recordings.providers();
        let shelf = Arc::new(Shelf::new(recordings, options));
        let router = Router::new().fallback(replay).with_state(shelf);
        Ok(Self { server: LocalServer::start(router).await?, providers })
    }

    /// What stands for a provider's origin: `https://api.example.com/v1/x` is asked at `<returned>/v1/x`.
    pub fn origin(&self, provider: &str) -> String {
        format!("http://{}/{}", self.server.address(), escaped_name(provider))
    }

    /// Every provider that was recorded, by name.
    pub fn providers(&self) -> &[RecordedProvider] {
        &self.providers
    }
}

impl Shelf {
    fn new(recordings: Recordings, options: ReplayOptions) -> Self {
        let exchanges = recordings.exchanges().to_vec();
        let mut by_address: HashMap<Place, Vec<(usize, Body)>> = HashMap::new();
        for (index, exchange) in exchanges.iter().enumerate() {
            let place = Place::recorded(exchange);
            if let (Some(place), Some(body)) = (place, Body::recorded(&exchange.request)) {
                by_address.entry(place).or_default().push((index, body));
            }
        }
        Self { exchanges, by_address, asked: Mutex::default(), options }
    }

    /// The recording to answer a request with, or why there is none.
    fn answer(&self, head: &Parts, body: &[u8]) -> Result<&Exchange, String> {
        let Some(address) = Address::of(&head.uri) else {
            return Err("the path must begin with the name of a provider".into());
        };
        let scrubber = Scrubber::new(&head.headers, &address.query);
        let body = Body::sent(&scrubber, content_type(&head.headers), body);
        let place = Place::new(&address.name, head.method.as_str(), &address.path, &address.query);
        self.take(&place, &body)
    }

    fn take(&self, place: &Place, body: &Body) -> Result<&Exchange, String> {
        let Some(recorded) = self.by_address.get(place) else {
            return Err(self.nothing_at(place));
        };
        let equal: Vec<usize> = recorded
            .iter()
            .filter(|(_, recorded)| body.difference(recorded).is_none())
            .map(|(index, _)| *index)
            .collect();
        let Some(first) = equal.first() else {
            return Err(self.nearest(place, recorded, body));
        };
        let turn = {
            let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
            let asked = asked.entry(*first).or_default();
            std::mem::replace(asked, *asked + 1)
        };
        let index = equal.get(turn).or(equal.last()).unwrap_or(first);
        self.exchanges.get(*index).ok_or_else(|| self.nothing_at(place))
    }

    /// Tells what there is instead.
    fn nothing_at(&self, place: &Place) -> String {
        const SHOWN: usize = 5;
        let of_provider = self.by_address.keys().filter(|other| other.provider == place.provider);
        let others: BTreeSet<&Place> = of_provider.collect();
        if others.is_empty() {
            return format!("no recording of the provider `{}`", place.provider);
        }
        let mut shown: Vec<String> = others.iter().take(SHOWN).map(|other| other.shown()).collect();
        if others.len() > SHOWN {
            shown.push(format!("{} more", others.len() - SHOWN));
        }
        format!(
            "no recording of {} of `{}`; there are {}",
            place.shown(),
            place.provider,
            shown.join(", ")
        )
    }

    /// Tells which recording of the same address is nearest, and where it differs.
    fn nearest(&self, place: &Place, recorded: &[(usize, Body)], body: &Body) -> String {
        let differences = recorded
            .iter()
            .filter_map(|(index, recorded)| Some((body.difference(recorded)?, index)));
        let nearest = differences.min_by_key(|(difference, _)| difference.count);
        let Some((Difference { count, pointer }, index)) = nearest else {
            return self.nothing_at(place);
        };
        let id = self.exchanges.get(*index).map_or("", |exchange| &exchange.id);
        let pointer =
            if pointer.is_empty() { "the body as a whole".into() } else { format!("`{pointer}`") };
        let more = match count {
            0 | 1 => String::new(),
            2 => " and one more place".to_owned(),
            count => format!(" and {} more places", count - 1),
        };
        format!(
            "no recording of this {} of `{}`: the nearest, `{id}`, differs at {pointer}{more}",
            place.shown(),
            place.provider
        )
    }
}

impl Place {
    fn recorded(exchange: &Exchange) -> Option<Self> {
        let url = Url::parse(&exchange.request.url).ok()?;
        Some(Self::new(
            &exchange.provider,
            &exchange.request.method,
            url.path(),
            url.query().unwrap_or_default(),
        ))
    }

    fn new(provider: &str, method: &str, path: &str, query: &str) -> Self {
        // Only names count here: a recording has `REDACTED` where a request has a key.
        let query = Scrubber::default().query(query);
        let mut query: Vec<String> = query
            .split('&')
            .filter(|part| !part.is_empty() && !part.ends_with("=REDACTED"))
            .map(unescaped)
            .collect();
        query.sort();
        Self {
            provider: provider.to_owned(),
            method: method.to_ascii_uppercase(),
            path: unescaped(path),
            query,
        }
    }

    fn shown(&self) -> String {
        let mark = if self.query.is_empty() { "" } else { "?" };
        format!("{} {}{mark}{}", self.method, self.path, self.query.join("&"))
    }
}

async fn replay(State(shelf): State<Arc<Shelf>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, MAX_REQUEST).await else {
        return no_recording("the request broke off or is too large");
    };
    let options = shelf.options;
    // Bodies may be large, and are read several times.
    let found = tokio::task::spawn_blocking(move || shelf.answer(&head, &body).cloned());
    match found.await {
        Ok(Ok(exchange)) => {
            tracing::debug!(id = exchange.id, "replayed");
            response(&exchange, options.chunking, options.pace).await
        }
        Ok(Err(message)) => {
            tracing::warn!("{message}");
            no_recording(&message)
        }
        Err(_) => no_recording("the search for a recording did not end"),
    }
}

fn content_type(headers: &HeaderMap) -> &str {
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// 404 in a form that holds a message wherever a client of any dialect looks for one.
fn no_recording(message: &str) -> Response {
    let body = json!({
        "type": "error",
        "message": message,
        "error": {
            "type": "not_found_error",
            "code": "no_recording",
            "status": "NOT_FOUND",
            "message": message,
        },
    });
    let mut response = Response::new(body.to_string().into());
    *response.status_mut() = StatusCode::NOT_FOUND;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

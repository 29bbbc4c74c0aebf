//! [`Tape`]: one exchange while it passes through.

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use tokio::time::Instant;

use super::Shared;
use super::budget::Share;
use super::proxy::has_no_encoding;
use super::writer::Outbox;
use crate::address::Address;

/// What an exchange takes besides its bodies, about.
const OVERHEAD: usize = 16 << 10;

/// What a chunk takes besides its bytes: its length and its time.
const OF_A_CHUNK: usize = 16;

/// What has passed through of one exchange. It is handed to the writer when it is dropped: at the end, or when the client
/// leaves; but not before a head has come.
#[derive(Debug)]
pub(super) struct Tape {
    /// Whether the response came to its end.
    pub(super) is_whole: bool,
    taken: Option<Taken>,
    max_response_bytes: usize,
    outbox: Outbox,
    share: Option<Share>,
}

/// An exchange as it passed, secrets and all. Never leaves this crate.
pub(super) struct Taken {
    pub(super) id: String,
    pub(super) provider: String,
    pub(super) origin: String,
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) response: Option<TakenResponse>,
    pub(super) is_whole: bool,
    /// Given back when this is written.
    pub(super) share: Option<Share>,
}

/// The response of an exchange as it passed.
pub(super) struct TakenResponse {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    pub(super) lengths: Vec<usize>,
    pub(super) times: Vec<u64>,
    pub(super) head_ms: u64,
    pub(super) came: Instant,
}

impl std::fmt::Debug for Taken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Taken({})", self.id)
    }
}

impl Tape {
    /// Begins with a request whose body was read.
    pub(super) fn new(
        shared: &Shared,
        address: &Address,
        origin: &str,
        head: &Parts,
        body: Bytes,
    ) -> Self {
        let mut share = shared.budget.share();
        let fits = share.grow(OVERHEAD.saturating_add(body.len()));
        let taken = Taken {
            // In the order of time, so that names sort as calls were made.
            id: format!("{}-{}", address.name, uuid::Uuid::now_v7().simple()),
            provider: address.name.clone(),
            origin: origin.to_owned(),
            method: head.method.clone(),
            path: address.path.clone(),
            query: address.query.clone(),
            headers: head.headers.clone(),
            body,
            response: None,
            is_whole: false,
            share: None,
        };
        if !fits {
            tracing::warn!(provider = address.name, "not recorded: too much is held already");
        }
        Self {
            is_whole: false,
            taken: fits.then_some(taken),
            max_response_bytes: shared.limits.max_response_bytes,
            outbox: shared.outbox.clone(),
            share: Some(share),
        }
    }

    /// The head of the response to a request that was sent at `began`.
    pub(super) fn head(&mut self, status: StatusCode, headers: &HeaderMap, began: Instant) {
        let came = Instant::now();
        let sent_plain = self.taken.as_ref().is_some_and(|taken| has_no_encoding(&taken.headers));
        if self.taken.is_some() && !(sent_plain && has_no_encoding(headers)) {
            // Compressed bytes cannot be searched for secrets.
            tracing::warn!("not recorded: a body is compressed");
            self.taken = None;
        }
        if let Some(taken) = &mut self.taken {
            taken.response = Some(TakenResponse {
                status,
                headers: headers.clone(),
                body: Vec::new(),
                lengths: Vec::new(),
                times: Vec::new(),
                head_ms: milliseconds(began, came),
                came,
            });
        }
    }

    /// A chunk of the response; `false` when it is too much, and nothing of the exchange will be kept.
    pub(super) fn chunk(&mut self, chunk: &[u8]) -> bool {
        let Some(taken) = &mut self.taken else { return false };
        let Some(response) = &mut taken.response else { return false };
        let fits = response.body.len().saturating_add(chunk.len()) <= self.max_response_bytes;
        let held = self.share.as_mut().is_some_and(|share| share.grow(chunk.len() + OF_A_CHUNK));
        if !fits || !held {
            tracing::warn!(provider = taken.provider, "not recorded: the response is too large");
            self.taken = None;
            return false;
        }
        response.body.extend_from_slice(chunk);
        response.lengths.push(chunk.len());
        response.times.push(milliseconds(response.came, Instant::now()));
        true
    }
}

impl Drop for Tape {
    fn drop(&mut self) {
        if let Some(mut taken) = self.taken.take().filter(|taken| taken.response.is_some()) {
            taken.is_whole = self.is_whole;
            taken.share = self.share.take();
            self.outbox.put(taken);
        }
    }
}

fn milliseconds(from: Instant, to: Instant) -> u64 {
    u64::try_from(to.saturating_duration_since(from).as_millis()).unwrap_or(u64::MAX)
}

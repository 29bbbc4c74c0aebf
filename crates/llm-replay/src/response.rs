//! [`response`]: a recorded response as one of HTTP, cut and paced as wanted.

use std::io;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};

use crate::{Exchange, RecordedResponse, split};

/// Headers of a recording that describe its transfer, which is another one now.
const TRANSFER: [&str; 6] =
    ["connection", "content-encoding", "content-length", "date", "keep-alive", "transfer-encoding"];

/// How a body is cut into network chunks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Chunking {
    /// Not at all.
    #[default]
    Whole,
    /// As recorded where that is known, else not at all.
    Recorded,
    /// Into chunks of 1 to `longest` bytes at places that depend on `seed` alone.
    Random {
        /// The most bytes of a chunk.
        longest: usize,
        /// What the places depend on.
        seed: u64,
    },
}

/// When a response and its chunks are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pace {
    /// At once.
    #[default]
    AtOnce,
    /// When they came in the recording, where that is known.
    Recorded,
}

/// The response of an exchange. With [`Pace::Recorded`] the head waits as long as it did in the recording, and so does
/// each chunk of [`Chunking::Recorded`]; other chunks have no time of their own. A response that broke off does so again.
///
/// Dropping the response, or the future, is cancellation.
pub async fn response(exchange: &Exchange, chunking: Chunking, pace: Pace) -> Response {
    let recorded = &exchange.response;
    if let (Pace::Recorded, Some(wait)) = (pace, recorded.head_ms) {
        tokio::time::sleep(Duration::from_millis(wait)).await;
    }
    let mut response = Response::new(body(recorded, chunking, pace));
    *response.status_mut() = StatusCode::from_u16(recorded.status).unwrap_or(StatusCode::OK);
    for (name, value) in &recorded.headers {
        let name = HeaderName::try_from(name.as_str());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value))
            && !TRANSFER.contains(&name.as_str())
        {
            response.headers_mut().append(name, value);
        }
    }
    response
}

fn body(recorded: &RecordedResponse, chunking: Chunking, pace: Pace) -> Body {
    let bytes = recorded.bytes();
    let broke_off = recorded.broke_off;
    if chunking == Chunking::Whole && !broke_off {
        return Body::from(bytes);
    }
    let lengths = lengths(recorded, &bytes, chunking);
    let times = match (chunking, pace, &recorded.chunk_ms) {
        (Chunking::Recorded, Pace::Recorded, Some(times)) => times.clone(),
        _ => Vec::new(),
    };
    let mut rest = Bytes::from(bytes);
    Body::from_stream(async_stream::stream! {
        let began = tokio::time::Instant::now();
        let mut times = times.into_iter();
        for length in lengths {
            if let Some(time) = times.next() {
                tokio::time::sleep_until(began + Duration::from_millis(time)).await;
            }
            let chunk = rest.split_to(length.min(rest.len()));
            if !chunk.is_empty() {
                yield Ok::<_, io::Error>(chunk);
                // Lets the server write this chunk before it gets the next.
                tokio::task::yield_now().await;
            }
        }
        yield Ok(rest);
        if broke_off {
            // Lets the server write what it has before it learns of the failure.
            tokio::task::yield_now().await;
            yield Err(io::ErrorKind::ConnectionReset.into());
        }
    })
}

fn lengths(recorded: &RecordedResponse, bytes: &[u8], chunking: Chunking) -> Vec<usize> {
    match chunking {
        Chunking::Whole => Vec::new(),
        Chunking::Recorded => recorded.chunk_lengths.clone().unwrap_or_default(),
        Chunking::Random { longest, seed } => {
            split(bytes, longest, seed).iter().map(|chunk| chunk.len()).collect()
        }
    }
}

//! Server-sent events of a streamed answer.

use std::fmt::Write;
use std::time::Duration;

use async_stream::stream;
use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use bytes::{BufMut, Bytes, BytesMut};
use futures::{Stream, StreamExt};

/// After so long without an event, a comment is sent: proxies close connections that are silent.
const QUIET: Duration = Duration::from_secs(15);

/// Events that are ready together leave in one write, up to so many.
const COALESCE: usize = 64;

/// An event with a name, and a number where events can be asked for again. Nothing of it holds a line break.
#[derive(Debug)]
pub(super) struct NamedEvent {
    pub(super) id: Option<u64>,
    pub(super) name: &'static str,
    pub(super) data: String,
}

/// A response whose body is these texts, each as the `data:` of one event. Every event leaves as soon as it comes;
/// those that come together leave together.
pub(super) fn response(texts: impl Stream<Item = String> + Send + 'static) -> Response {
    of_writes(texts.ready_chunks(COALESCE).map(|texts| frame(&texts)))
}

/// The same of events with `event:`, and `id:` where they have one. When none comes for a while, a comment keeps the connection open.
pub(super) fn named(events: impl Stream<Item = NamedEvent> + Send + 'static) -> Response {
    let writes = events.ready_chunks(COALESCE).map(|events| named_frame(&events));
    let alive = stream! {
        let mut writes = std::pin::pin!(writes);
        loop {
            match tokio::time::timeout(QUIET, writes.next()).await {
                Ok(Some(bytes)) => yield bytes,
                Ok(None) => return,
                Err(_) => yield Bytes::from_static(b": still here\n\n"),
            }
        }
    };
    of_writes(alive)
}

fn of_writes(writes: impl Stream<Item = Bytes> + Send + 'static) -> Response {
    let writes = writes.map(Ok::<_, std::convert::Infallible>);
    let mut response = Response::new(Body::from_stream(writes));
    let headers = response.headers_mut();
    headers
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

fn named_frame(events: &[NamedEvent]) -> Bytes {
    let length = events.iter().map(|event| event.data.len() + event.name.len() + 48).sum();
    let mut bytes = BytesMut::with_capacity(length);
    for NamedEvent { id, name, data } in events {
        // Writing to memory does not fail.
        if let Some(id) = id {
            let _ = writeln!(bytes, "id: {id}");
        }
        let _ = write!(bytes, "event: {name}\ndata: {data}\n\n");
    }
    bytes.freeze()
}

/// The texts hold no line break: they are compact JSON, or `[DONE]`.
fn frame(texts: &[String]) -> Bytes {
    let length = texts.iter().map(|text| text.len() + 8).sum();
    let mut bytes = BytesMut::with_capacity(length);
    for text in texts {
        bytes.put_slice(b"data: ");
        bytes.put_slice(text.as_bytes());
        bytes.put_slice(b"\n\n");
    }
    bytes.freeze()
}

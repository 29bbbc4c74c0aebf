//! Server-sent events of a streamed answer.

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use bytes::{BufMut, Bytes, BytesMut};
use futures::{Stream, StreamExt};

/// Events that are ready together leave in one write, up to so many.
const COALESCE: usize = 64;

/// A response whose body is these texts, each as the `data:` of one event. Every event leaves as soon as it comes;
/// those that come together leave together.
pub(super) fn response(texts: impl Stream<Item = String> + Send + 'static) -> Response {
    let writes =
        texts.ready_chunks(COALESCE).map(|texts| Ok::<_, std::convert::Infallible>(frame(&texts)));
    let mut response = Response::new(Body::from_stream(writes));
    let headers = response.headers_mut();
    headers
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
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

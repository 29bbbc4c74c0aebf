//! [`forward`]: one request, passed on.

use std::io;
use std::sync::Arc;

use axum::body::{Body, BodyDataStream};
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt, TryStreamExt};
use http::header::{
    ACCEPT_ENCODING, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::json;
use tokio::time::Instant;

use super::Shared;
use super::tape::Tape;
use crate::address::Address;

/// Headers of a connection, and of no message (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [&str; 8] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Passes a request on and its answer back.
///
/// When the client leaves, this future or the response's body is dropped, and with it the request to the provider.
pub(super) async fn forward(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let address = Address::of(&head.uri);
    let known = address.and_then(|address| Some((shared.origin(&address.name)?, address)));
    let Some((origin, address)) = known else {
        let message = "the path must begin with the name of a provider that is recorded";
        return failure(StatusCode::NOT_FOUND, message);
    };
    let (kept, body) = match read(body, shared.limits.max_request_bytes).await {
        Ok(read) => read,
        Err(_) => return failure(StatusCode::BAD_REQUEST, "the request broke off"),
    };
    let mut tape = kept.map(|kept| Tape::new(&shared, &address, &origin, &head, kept));
    if tape.is_none() {
        tracing::warn!(provider = address.name, "not recorded: the request is too large");
    }
    match send(&shared, &origin, &address, head, body).await {
        Ok((answer, began)) => {
            if let Some(tape) = &mut tape {
                tape.head(answer.status(), answer.headers(), began);
            }
            pass_back(answer, tape)
        }
        Err(error) => {
            tracing::warn!(
                provider = address.name,
                error,
                "not recorded: the provider did not answer"
            );
            let message = format!("the recorder got no answer from {origin}: {error}");
            failure(StatusCode::BAD_GATEWAY, &message)
        }
    }
}

/// Reads a body up to the limit. Gives what is to be kept, `None` when there is more, and the body to pass on.
async fn read(body: Body, most: usize) -> Result<(Option<Bytes>, reqwest::Body), axum::Error> {
    let mut stream = body.into_data_stream();
    let mut read = BytesMut::new();
    while let Some(chunk) = stream.try_next().await? {
        read.extend_from_slice(&chunk);
        if read.len() > most {
            return Ok((None, reqwest::Body::wrap_stream(chained(read.freeze(), stream))));
        }
    }
    let read = read.freeze();
    Ok((Some(read.clone()), read.into()))
}

fn chained(
    first: Bytes,
    rest: BodyDataStream,
) -> impl Stream<Item = Result<Bytes, axum::Error>> + Send + 'static {
    futures::stream::once(async { Ok(first) }).chain(rest)
}

async fn send(
    shared: &Shared,
    origin: &str,
    address: &Address,
    head: Parts,
    body: reqwest::Body,
) -> Result<(reqwest::Response, Instant), String> {
    let mark = if address.query.is_empty() { "" } else { "?" };
    let url = format!("{origin}{}{mark}{}", address.path, address.query);
    let client = shared.clients.to(&url).map_err(|error| causes(&error))?;
    let mut headers = head.headers;
    remove_hop_by_hop(&mut headers);
    // The client sets these two for the new connection.
    headers.remove(HOST);
    headers.remove(CONTENT_LENGTH);
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    let began = Instant::now();
    let sent = client.request(head.method, url).headers(headers).body(body).send().await;
    // The URL may hold a key.
    sent.map(|answer| (answer, began)).map_err(|error| causes(&error.without_url()))
}

/// The answer, chunk by chunk as it comes. The tape goes with the body and ends when the body does, whatever the reason.
fn pass_back(answer: reqwest::Response, mut tape: Option<Tape>) -> Response {
    let mut response = Response::new(());
    *response.status_mut() = answer.status();
    *response.headers_mut() = answer.headers().clone();
    remove_hop_by_hop(response.headers_mut());
    // Its end is the end of the stream, so that the tape hears of it.
    response.headers_mut().remove(CONTENT_LENGTH);
    let mut chunks = answer.bytes_stream();
    let body = async_stream::stream! {
        loop {
            match chunks.next().await {
                Some(Ok(chunk)) => {
                    if let Some(recorded) = &mut tape && !recorded.chunk(&chunk) {
                        tape = None;
                    }
                    yield Ok(chunk);
                }
                Some(Err(error)) => {
                    let error = error.without_url();
                    tracing::debug!(error = causes(&error), "the provider broke off");
                    yield Err(io::Error::other(error));
                    break;
                }
                None => {
                    if let Some(tape) = &mut tape {
                        tape.is_whole = true;
                    }
                    break;
                }
            }
        }
    };
    response.map(|()| Body::from_stream(body))
}

/// Whether bytes with these headers are what they seem.
pub(super) fn has_no_encoding(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_ENCODING).is_none_or(|encoding| encoding == "identity")
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

/// An error of the recorder's own, in a form that clients show.
fn failure(status: StatusCode, message: &str) -> Response {
    let error = json!({ "type": "recorder_error", "code": "recorder_error", "message": message });
    let body = json!({ "type": "error", "message": message, "error": error });
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

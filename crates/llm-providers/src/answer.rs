//! From a response to a reply, for every dialect that answers with one JSON body or with server-sent events of it.

use futures::stream;
use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use llm_core::{ChatEvent, ChatReply, ChatRequest, ModelError, Operation};
use reqwest::Response;

use crate::stream::{EventDecoder, is_one_piece, reply};
use crate::transport::{Transport, body_stream, extra_headers};

/// A decoder that reads answers in one piece, too.
pub trait AnswerDecoder: EventDecoder + Sized + 'static {
    /// Decodes a body that is a whole answer. Gives the events, and how the answer ended after them.
    ///
    /// # Errors
    /// The failure that the body tells; `Malformed` when it is no answer.
    fn whole(self, body: &[u8]) -> (Vec<ChatEvent>, Result<(), ModelError>);
}

/// The reply that a successful response makes, after the events in `first`. Some servers stream under another content
/// type, and some do not stream whatever they were asked, so what comes decides.
///
/// # Errors
/// A failure before anything was said; a later one is the reply's.
pub(crate) async fn read_answer(
    transport: &Transport,
    response: Response,
    first: Vec<ChatEvent>,
    is_streamed: bool,
    decoder: impl AnswerDecoder,
) -> Result<ChatReply, ModelError> {
    const OPERATION: Operation = Operation::Chat;
    let limit = transport.options().max_event_bytes;
    let says_stream = is_event_stream(&response);
    let body = body_stream(OPERATION, response);
    if says_stream {
        return Ok(reply(first, body, decoder, limit));
    }
    if !is_streamed {
        let body = transport.read_stream(OPERATION, body).await?;
        return whole(decoder, &body, first);
    }
    let (is_one_piece, body) = is_one_piece(body).await?;
    if !is_one_piece {
        return Ok(reply(first, body, decoder, limit));
    }
    let body = transport.read_stream(OPERATION, body).await?;
    whole(decoder, &body, first)
}

/// The headers of a chat call: the caller's own, and what may come back unless those say it.
///
/// # Errors
/// `InvalidRequest` for headers that cannot be sent.
pub(crate) fn chat_headers(request: &ChatRequest) -> Result<HeaderMap, ModelError> {
    let mut headers = extra_headers(Operation::Chat, &request.extra_headers)?;
    let accept =
        if request.stream { "text/event-stream, application/json" } else { "application/json" };
    headers.entry(ACCEPT).or_insert(HeaderValue::from_static(accept));
    Ok(headers)
}

pub(crate) fn is_event_stream(response: &Response) -> bool {
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|name| name.to_str().ok());
    content_type.is_some_and(|name| name.to_ascii_lowercase().starts_with("text/event-stream"))
}

/// The reply that a whole answer makes.
///
/// # Errors
/// The answer's failure, when nothing was said before it.
pub(crate) fn whole(
    decoder: impl AnswerDecoder,
    body: &[u8],
    first: Vec<ChatEvent>,
) -> Result<ChatReply, ModelError> {
    let (events, result) = decoder.whole(body);
    let failure = match result {
        Err(error) if events.is_empty() => return Err(error),
        result => result.err().map(Err),
    };
    let events: Vec<_> = first.into_iter().chain(events).map(Ok).chain(failure).collect();
    Ok(ChatReply::new(stream::iter(events)))
}

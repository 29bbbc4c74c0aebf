//! From the bytes of a response to a [`ChatReply`], for every dialect that streams server-sent events or lines of JSON.

use std::time::Duration;

use async_stream::try_stream;
use bytes::Bytes;
use futures::{Stream, StreamExt};
use llm_core::{ChatEvent, ChatReply, ErrorKind, ModelError, Operation};

use crate::ndjson::LineDecoder;
use crate::sse::{SseDecoder, SseEvent};

/// How long a connection may take to end its body after the answer is complete, so that it can serve the next call.
/// Longer than a well-behaved server needs, shorter than a caller notices; after that the connection is given up.
const DRAIN: Duration = Duration::from_millis(100);

/// Turns server-sent events of one answer, or lines of JSON, into [`ChatEvent`]s. A line comes as the data of an event
/// without a name. Pure: one per dialect.
pub trait EventDecoder: Send {
    /// Takes the next event and appends what it means.
    ///
    /// # Errors
    /// The provider's failure, or `Malformed`; nothing more may be fed then.
    fn push(
        &mut self,
        event: SseEvent<'_>,
        events: &mut Vec<ChatEvent>,
    ) -> Result<Progress, ModelError>;

    /// The stream is over. Appends what was still waiting.
    ///
    /// # Errors
    /// When the answer is not complete.
    fn end(&mut self, events: &mut Vec<ChatEvent>) -> Result<(), ModelError>;
}

/// Whether more events are expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Go on.
    More,
    /// The provider said that this was the last.
    Done,
}

/// Decodes a whole stream that is already in memory, in the given chunks.
///
/// # Errors
/// As the stream itself would fail, together with the events before that.
pub fn decode_chunks<'a>(
    chunks: impl IntoIterator<Item = &'a [u8]>,
    decoder: impl EventDecoder,
    max_event_bytes: usize,
) -> (Vec<ChatEvent>, Result<(), ModelError>) {
    decode_frames(chunks, decoder, SseDecoder::new(max_event_bytes))
}

/// The same for a stream of lines of JSON, none of which is longer than `max_line_bytes`.
///
/// # Errors
/// As [`decode_chunks`].
pub fn decode_lines<'a>(
    chunks: impl IntoIterator<Item = &'a [u8]>,
    decoder: impl EventDecoder,
    max_line_bytes: usize,
) -> (Vec<ChatEvent>, Result<(), ModelError>) {
    decode_frames(chunks, decoder, LineDecoder::new(max_line_bytes))
}

fn decode_frames<'a>(
    chunks: impl IntoIterator<Item = &'a [u8]>,
    mut decoder: impl EventDecoder,
    mut frames: impl Frames,
) -> (Vec<ChatEvent>, Result<(), ModelError>) {
    let mut events = Vec::new();
    let decode = || {
        for chunk in chunks {
            if push_bytes(&mut frames, &mut decoder, chunk, &mut events)? == Progress::Done {
                break;
            }
        }
        end(&mut frames, &mut decoder, &mut events)
    };
    let result = decode();
    (events, result)
}

/// The reply that a response's body makes. Dropping it drops the body, which closes the connection (HTTP/1.1) or resets
/// the stream (HTTP/2).
pub(crate) fn reply<S>(
    first: Vec<ChatEvent>,
    body: S,
    decoder: impl EventDecoder + 'static,
    max_event_bytes: usize,
) -> ChatReply
where
    S: Stream<Item = Result<Bytes, ModelError>> + Send + 'static,
{
    let frames = SseDecoder::new(max_event_bytes);
    reply_of_bytes(first, body, FramedBody { frames, decoder })
}

/// The reply that a body of lines of JSON makes.
#[cfg(any(feature = "cohere", feature = "ollama"))]
pub(crate) fn reply_of_lines<S>(
    first: Vec<ChatEvent>,
    body: S,
    decoder: impl EventDecoder + 'static,
    max_line_bytes: usize,
) -> ChatReply
where
    S: Stream<Item = Result<Bytes, ModelError>> + Send + 'static,
{
    let frames = LineDecoder::new(max_line_bytes);
    reply_of_bytes(first, body, FramedBody { frames, decoder })
}

/// Turns the bytes of one answer, cut anywhere and framed in any way, into [`ChatEvent`]s. Pure.
pub(crate) trait ByteDecoder: Send {
    /// Takes the next bytes and appends what they mean.
    fn push(&mut self, bytes: &[u8], events: &mut Vec<ChatEvent>) -> Result<Progress, ModelError>;

    /// The body is over. Appends what was still waiting.
    fn end(&mut self, events: &mut Vec<ChatEvent>) -> Result<(), ModelError>;
}

/// Cuts bytes into the events of a stream.
trait Frames: Send {
    /// As [`SseDecoder::next`], with the error of this vocabulary.
    fn next<'a>(&'a mut self, input: &mut &[u8]) -> Result<Option<SseEvent<'a>>, ModelError>;

    /// As [`SseDecoder::finish`].
    fn finish(&mut self) -> Option<SseEvent<'_>>;
}

impl Frames for SseDecoder {
    fn next<'a>(&'a mut self, input: &mut &[u8]) -> Result<Option<SseEvent<'a>>, ModelError> {
        SseDecoder::next(self, input).map_err(too_long)
    }

    fn finish(&mut self) -> Option<SseEvent<'_>> {
        SseDecoder::finish(self)
    }
}

impl Frames for LineDecoder {
    fn next<'a>(&'a mut self, input: &mut &[u8]) -> Result<Option<SseEvent<'a>>, ModelError> {
        Ok(LineDecoder::next(self, input).map_err(too_long)?.map(event_of_line))
    }

    fn finish(&mut self) -> Option<SseEvent<'_>> {
        LineDecoder::finish(self).map(event_of_line)
    }
}

fn event_of_line(line: &[u8]) -> SseEvent<'_> {
    SseEvent { name: "".into(), data: String::from_utf8_lossy(line), id: "".into() }
}

fn too_long(error: impl std::fmt::Display) -> ModelError {
    ModelError::new(ErrorKind::Malformed, Operation::Chat, error.to_string())
}

struct FramedBody<F, D> {
    frames: F,
    decoder: D,
}

impl<F: Frames, D: EventDecoder> ByteDecoder for FramedBody<F, D> {
    fn push(&mut self, bytes: &[u8], events: &mut Vec<ChatEvent>) -> Result<Progress, ModelError> {
        push_bytes(&mut self.frames, &mut self.decoder, bytes, events)
    }

    fn end(&mut self, events: &mut Vec<ChatEvent>) -> Result<(), ModelError> {
        end(&mut self.frames, &mut self.decoder, events)
    }
}

/// The reply that a response's body makes, whatever frames it.
pub(crate) fn reply_of_bytes<S>(
    first: Vec<ChatEvent>,
    body: S,
    mut decoder: impl ByteDecoder + 'static,
) -> ChatReply
where
    S: Stream<Item = Result<Bytes, ModelError>> + Send + 'static,
{
    ChatReply::new(try_stream!({
        let mut body = std::pin::pin!(body);
        let mut events = first;
        let mut progress = Progress::More;
        while progress == Progress::More {
            for event in events.drain(..) {
                yield event;
            }
            let chunk = match body.next().await {
                None => break,
                Some(Ok(chunk)) => chunk,
                Some(Err(error)) => {
                    // A connection that breaks after the answer was complete took nothing with it.
                    if decoder.end(&mut events).is_err() {
                        Err(error)?;
                    }
                    for event in events.drain(..) {
                        yield event;
                    }
                    return;
                }
            };
            // Events before a failure count, so it waits until they have been handed out.
            let pushed = decoder.push(&chunk, &mut events);
            if pushed.is_err() {
                for event in events.drain(..) {
                    yield event;
                }
            }
            progress = pushed?;
        }
        let ended = decoder.end(&mut events);
        for event in events.drain(..) {
            yield event;
        }
        ended?;
        if progress == Progress::Done {
            drain(body).await;
        }
    }))
}

/// Whether the body is one piece and no stream of events, by the first byte that says something: an object, a list, or
/// a web page, which is no answer but tells what is wrong. Gives the body back whole.
///
/// # Errors
/// The body's own, when it fails before that.
pub(crate) async fn is_one_piece<S>(
    body: S,
) -> Result<(bool, impl Stream<Item = Result<Bytes, ModelError>> + Send + 'static), ModelError>
where
    S: Stream<Item = Result<Bytes, ModelError>> + Send + 'static,
{
    let mut body = Box::pin(body);
    let mut seen = None;
    let mut first = None;
    while first.is_none() {
        // Of white space alone nothing needs to be kept.
        let Some(chunk) = body.next().await.transpose()? else {
            break;
        };
        first = chunk.iter().find(|byte| !byte.is_ascii_whitespace()).copied();
        seen = Some(Ok(chunk));
    }
    let is_one_piece = matches!(first, Some(b'{' | b'[' | b'<'));
    Ok((is_one_piece, futures::stream::iter(seen).chain(body)))
}

fn push_bytes(
    frames: &mut impl Frames,
    decoder: &mut impl EventDecoder,
    mut bytes: &[u8],
    events: &mut Vec<ChatEvent>,
) -> Result<Progress, ModelError> {
    loop {
        let Some(frame) = frames.next(&mut bytes)? else {
            return Ok(Progress::More);
        };
        if decoder.push(frame, events)? == Progress::Done {
            return Ok(Progress::Done);
        }
    }
}

fn end(
    frames: &mut impl Frames,
    decoder: &mut impl EventDecoder,
    events: &mut Vec<ChatEvent>,
) -> Result<(), ModelError> {
    if let Some(frame) = frames.finish() {
        decoder.push(frame, events)?;
    }
    decoder.end(events)
}

/// Reads to the end of a body that has nothing more to say, so that its connection goes back to the pool.
async fn drain(mut body: impl Stream<Item = Result<Bytes, ModelError>> + Unpin) {
    let rest = async { while let Some(Ok(_)) = body.next().await {} };
    if tokio::time::timeout(DRAIN, rest).await.is_err() {
        tracing::debug!("the provider keeps the body open after the end of its answer");
    }
}

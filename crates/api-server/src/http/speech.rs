//! `POST /v1/audio/speech`: any speech model, in the OpenAI dialect. The sound leaves as it comes.

use async_stream::{stream, try_stream};
use axum::body::Body;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use futures::{Stream, StreamExt};
use llm_core::{Hold, ModelError, ModelKind, SpeechReply};
use llm_providers::openai::server::{
    error_body, parse_speech_request, speech_delta, speech_done, speech_media_type,
};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use super::answer::{parsed, read, stopping};
use super::cache::Caching;
use super::schemas::FileBytes;
use super::schemas::chat::CacheHeader;
use super::schemas::events::AnswerEvent;
use super::schemas::refusals::ModelFailures;
use super::{Failure, sse};
use crate::app::App;

/// What to say, and how.
#[derive(ToSchema)]
#[schema(example = json!({ "model": "openai/gpt-4o-mini-tts", "voice": "alloy", "input": "Hello" }))]
#[allow(dead_code)]
struct SpeechBody {
    model: String,
    input: String,
    voice: Option<Value>,
    instructions: Option<String>,
    response_format: Option<String>,
    speed: Option<f64>,
    /// `audio`, or `sse` for events.
    stream_format: Option<String>,
}

/// Speaks.
#[utoipa::path(
    post,
    path = "/v1/audio/speech",
    params(CacheHeader),
    request_body = SpeechBody,
    responses((status = 200, description = "The sound, as it comes", content((FileBytes = "audio/*"), (AnswerEvent = "text/event-stream"))), ModelFailures),
)]
pub(super) async fn create(
    app: App,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Failure> {
    let caching = Caching::of(&headers, &app.config.cache, ModelKind::Speech)?;
    let incoming = parsed(&app, read(body)?, parse_speech_request).await??;
    let format = incoming.request.format.clone();
    let reply = caching.bundle(&app.bundle).speak(incoming.request).await?;
    // A failure before the first sound is a status, and not an answer that breaks off.
    let reply = reply.read_ahead(1, |_| true).await?;
    let beginning = reply.at_hand().next().cloned().unwrap_or_default();
    let reply = reply.hold(app.metrics.live_stream());
    let cut = app.shutdown.cut.clone();
    let mut response = match incoming.in_events {
        true => sse::response(events(reply, cut)),
        false => as_it_is(reply, cut, speech_media_type(format.as_deref(), &beginning)),
    };
    caching.announce(response.headers_mut());
    Ok(response)
}

/// The bytes alone. A failure half-way breaks the connection off, since nothing else can be said in sound.
fn as_it_is(reply: SpeechReply, cut: CancellationToken, media_type: &'static str) -> Response {
    let mut response = Response::new(Body::from_stream(pieces(reply, cut)));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// The sound in events. A failure half-way ends them with an error.
fn events(reply: SpeechReply, cut: CancellationToken) -> impl Stream<Item = String> + Send {
    stream! {
        let mut pieces = std::pin::pin!(pieces(reply, cut));
        while let Some(piece) = pieces.next().await {
            match piece {
                Ok(sound) => yield speech_delta(&sound),
                Err(error) => {
                    let mut body = error_body(&error);
                    body["type"] = "error".into();
                    yield body.to_string();
                    return;
                }
            }
        }
        yield speech_done();
    }
}

/// The sound as it comes, until it ends or the server must.
fn pieces(
    mut reply: SpeechReply,
    cut: CancellationToken,
) -> impl Stream<Item = Result<Bytes, ModelError>> + Send {
    try_stream!({
        loop {
            let piece = tokio::select! {
                biased;
                piece = reply.next() => piece,
                () = cut.cancelled() => Some(Err(stopping())),
            };
            let Some(piece) = piece else { return };
            yield piece?;
        }
    })
}

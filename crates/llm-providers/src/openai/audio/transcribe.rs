//! Transcription: the call, whole or streamed.

use std::sync::Arc;

use async_stream::try_stream;
use futures::StreamExt;
use futures::future::BoxFuture;
use llm_core::{ModelError, Operation, Reply, Transcript, TranscriptionRequest};
use reqwest::Response;
use serde_json::Value;

use super::transcript_stream::{TranscriptDecoder, TranscriptEvent};
use super::{
    is_of_type, malformed, parse_transcript, render_transcription_body, render_transcription_form,
    unsupported,
};
use crate::openai::provider::Shared;
use crate::quirks::TranscriptionShape;
use crate::stream::Progress;
use crate::transport;

const OPERATION: Operation = Operation::Transcribe;

/// A transcript on its way. Dropping it cancels the call.
pub type TranscriptReply = Reply<TranscriptEvent, ModelError>;

/// Asks for a transcript.
///
/// # Errors
/// As any call; `Malformed` for what is no transcript.
pub(super) async fn transcribe(
    shared: Arc<Shared>,
    request: TranscriptionRequest,
) -> Result<Transcript, ModelError> {
    let response = ask(&shared, request).await?;
    whole(&shared, response).await
}

async fn ask(shared: &Shared, request: TranscriptionRequest) -> Result<Response, ModelError> {
    let headers = transport::extra_headers(OPERATION, &request.extra_headers)?;
    let path = match (shared.quirks.transcription, request.translate) {
        (TranscriptionShape::NamelessForm | TranscriptionShape::InputAudio, true) => {
            return Err(unsupported(OPERATION, "translate"));
        }
        (TranscriptionShape::NamelessForm, false) => "stt",
        (_, true) => "audio/translations",
        (_, false) => "audio/transcriptions",
    };
    let path = shared.path_for(&request.model, path).into_owned();
    if shared.quirks.transcription == TranscriptionShape::InputAudio {
        // Encoding a long recording takes too long for a thread that serves others.
        let rendering = tokio::task::spawn_blocking(|| render_transcription_body(request));
        let body = rendering.await.map_err(|_| malformed(OPERATION, "writing was cancelled"))??;
        return shared.post(OPERATION, &path, headers, &body).await;
    }
    let form = render_transcription_form(request, &shared.quirks)?;
    shared.post_form(OPERATION, &path, headers, form).await
}

/// The transcript of an answer, which is streamed when the request's further fields said so.
async fn whole(shared: &Shared, response: Response) -> Result<Transcript, ModelError> {
    if !is_of_type(&response, "text/event-stream") {
        let body = shared.transport.read_body(OPERATION, response).await?;
        return parse_transcript(&body, &shared.quirks);
    }
    let mut events = std::pin::pin!(events_of(shared, response));
    while let Some(event) = events.next().await {
        if let TranscriptEvent::Done(transcript) = event? {
            return Ok(*transcript);
        }
    }
    Err(malformed(OPERATION, "the stream ended in the middle of the transcript"))
}

/// Asks for a transcript as a stream. Providers that answer in one piece all the same give one event.
pub(in crate::openai) fn follow(
    shared: Arc<Shared>,
    mut request: TranscriptionRequest,
) -> BoxFuture<'static, Result<TranscriptReply, ModelError>> {
    request.extra_body.insert("stream".into(), Value::Bool(true));
    let model = request.model.clone();
    Box::pin(async move {
        let named = {
            let provider = shared.name.clone();
            move |error: ModelError| error.at_if_unknown(&provider, &model)
        };
        let response = ask(&shared, request).await.map_err(&named)?;
        if !is_of_type(&response, "text/event-stream") {
            let transcript = whole(&shared, response).await.map_err(&named)?;
            return Ok(Reply::one(TranscriptEvent::Done(Box::new(transcript))));
        }
        let events = events_of(&shared, response);
        Ok(Reply::new(events.map(move |event| event.map_err(&named))))
    })
}

fn events_of(
    shared: &Shared,
    response: Response,
) -> impl futures::Stream<Item = Result<TranscriptEvent, ModelError>> + Send + use<> {
    let limit = shared.transport.options().max_event_bytes;
    let mut decoder = TranscriptDecoder::new(shared.quirks.clone(), limit);
    let body = transport::body_stream(OPERATION, response);
    try_stream!({
        let mut body = std::pin::pin!(body);
        let mut events = Vec::new();
        while let Some(chunk) = body.next().await {
            // Events before a failure count, so it waits until they have been handed out.
            let pushed = chunk.and_then(|chunk| decoder.push(&chunk, &mut events));
            for event in events.drain(..) {
                yield event;
            }
            if pushed? == Progress::Done {
                return;
            }
        }
        let ended = decoder.end(&mut events);
        for event in events.drain(..) {
            yield event;
        }
        ended?;
    })
}

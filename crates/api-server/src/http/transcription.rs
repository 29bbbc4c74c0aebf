//! `POST /v1/audio/transcriptions` and `/v1/audio/translations`: any transcription model, in the OpenAI dialect.

use axum::extract::Multipart;
use axum::extract::multipart::{Field, MultipartError, MultipartRejection};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use llm_core::{ErrorKind, ModelError, ModelKind, Operation, Transcript};
use llm_providers::openai::RequestError;
use llm_providers::openai::server::{
    IncomingTranscription, SoundFile, TranscriptFormat, has_what_it_takes,
    parse_transcription_form, transcript_body, transcript_events,
};
use utoipa::ToSchema;

use super::cache::Caching;
use super::schemas::chat::CacheHeader;
use super::schemas::events::AnswerEvent;
use super::schemas::refusals::ModelFailures;
use super::{Failure, sse};
use crate::app::App;

/// Fields of one form.
const MOST_FIELDS: usize = 64;
/// Bytes of a field that is no file.
const MOST_TEXT: usize = 64 << 10;

/// A sound file, and what is known of it.
#[derive(ToSchema)]
#[allow(dead_code)]
struct TranscriptionForm {
    #[schema(format = Binary)]
    file: String,
    model: String,
    language: Option<String>,
    prompt: Option<String>,
    response_format: Option<String>,
    temperature: Option<f64>,
    stream: Option<bool>,
}

/// Writes what is said, in the language that it is said in.
#[utoipa::path(
    post,
    path = "/v1/audio/transcriptions",
    params(CacheHeader),
    request_body(content = TranscriptionForm, content_type = "multipart/form-data"),
    responses((status = 200, description = "What is said", content((Value = "application/json"), (String = "text/plain"), (AnswerEvent = "text/event-stream"))), ModelFailures),
)]
pub(super) async fn transcribe(
    app: App,
    headers: HeaderMap,
    form: Result<Multipart, MultipartRejection>,
) -> Result<Response, Failure> {
    listen(app, headers, form, false).await
}

/// Writes in English what is said.
#[utoipa::path(
    post,
    path = "/v1/audio/translations",
    params(CacheHeader),
    request_body(content = TranscriptionForm, content_type = "multipart/form-data"),
    responses((status = 200, description = "What is said", content((Value = "application/json"), (String = "text/plain"), (AnswerEvent = "text/event-stream"))), ModelFailures),
)]
pub(super) async fn translate(
    app: App,
    headers: HeaderMap,
    form: Result<Multipart, MultipartRejection>,
) -> Result<Response, Failure> {
    listen(app, headers, form, true).await
}

async fn listen(
    app: App,
    headers: HeaderMap,
    form: Result<Multipart, MultipartRejection>,
    translate: bool,
) -> Result<Response, Failure> {
    let caching = Caching::of(&headers, &app.config.cache, ModelKind::Transcription)?;
    let form = form.map_err(|it| Failure::unreadable_body(it.status(), &it.body_text()))?;
    let IncomingTranscription { request, format, in_events } = read(form, translate).await?;
    let transcript = caching.bundle(&app.bundle).transcribe(request).await;
    let transcript = transcript.map_err(in_the_callers_words)?;
    let mut response = match in_events {
        true => sse::response(futures::stream::iter(transcript_events(&transcript))),
        false => written(&transcript, format, translate)?,
    };
    caching.announce(response.headers_mut());
    Ok(response)
}

fn written(
    transcript: &Transcript,
    format: TranscriptFormat,
    translated: bool,
) -> Result<Response, ModelError> {
    if !has_what_it_takes(transcript, format) {
        let message = "the model does not tell when what was said; ask for json or text";
        let error = ModelError::new(ErrorKind::Unsupported, Operation::Transcribe, message);
        return Err(error.with_param("response_format"));
    }
    let (media_type, text) = transcript_body(transcript, format, translated);
    Ok(([(header::CONTENT_TYPE, media_type)], text).into_response())
}

/// That segments are wanted is said here by the format.
fn in_the_callers_words(error: ModelError) -> ModelError {
    match error.param() {
        Some("segments") => error.with_param("response_format"),
        _ => error,
    }
}

/// Takes the form apart. Its length is bounded by the body's.
async fn read(mut form: Multipart, translate: bool) -> Result<IncomingTranscription, Failure> {
    let (mut texts, mut file) = (Vec::new(), None);
    while let Some(field) = form.next_field().await.map_err(unreadable)? {
        if texts.len() == MOST_FIELDS {
            return Err(Failure::invalid(&format!("a form has {MOST_FIELDS} fields at most")));
        }
        let name = field.name().unwrap_or_default().to_owned();
        if name != "file" {
            texts.push((name.clone(), text(name, field).await?));
        } else if file.replace(sound(field).await?).is_some() {
            return Err(RequestError::at("file", "is there twice").into());
        }
    }
    Ok(parse_transcription_form(texts, file, translate)?)
}

async fn sound(field: Field<'_>) -> Result<SoundFile, Failure> {
    let name = field.file_name().unwrap_or_default().to_owned();
    let media_type = field.content_type().map(str::to_owned);
    let data = field.bytes().await.map_err(unreadable)?;
    Ok(SoundFile { data, name, media_type })
}

async fn text(name: String, mut field: Field<'_>) -> Result<String, Failure> {
    let mut text = Vec::new();
    while let Some(piece) = field.chunk().await.map_err(unreadable)? {
        text.extend_from_slice(&piece);
        if text.len() > MOST_TEXT {
            let problem = format!("has {MOST_TEXT} bytes at most");
            return Err(RequestError::at(name, problem).into());
        }
    }
    String::from_utf8(text).map_err(|_| RequestError::at(name, "must be UTF-8").into())
}

fn unreadable(error: MultipartError) -> Failure {
    Failure::unreadable_body(error.status(), &error.body_text())
}

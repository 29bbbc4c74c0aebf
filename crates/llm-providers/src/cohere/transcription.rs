//! Transcription (`POST /v2/audio/transcriptions`): the form, the reply, and the model.

use std::sync::Arc;

use futures::future::BoxFuture;
use llm_core::{
    ErrorKind, ModelError, ModelInfo, Operation, Transcript, TranscriptionModel,
    TranscriptionRequest,
};
use serde_json::{Map, Value};

use super::provider::Shared;
use super::rerank::billed;
use crate::form::{File, Form};
use crate::transport;

const OPERATION: Operation = Operation::Transcribe;

/// It exists in version 2 only.
const PATH: &str = "v2/audio/transcriptions";

/// What a file is called whose name is not known. Formats are told from the ending, so it should be known.
const NAMELESS: &str = "audio";

/// A transcription model. Made by [`Cohere::transcription`](super::Cohere::transcription).
pub(super) struct CohereTranscription {
    shared: Arc<Shared>,
    info: Arc<ModelInfo>,
}

impl CohereTranscription {
    pub(super) fn new(shared: Arc<Shared>, info: ModelInfo) -> Self {
        Self { shared, info: Arc::new(info) }
    }
}

impl TranscriptionModel for CohereTranscription {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn transcribe(
        &self,
        mut request: TranscriptionRequest,
    ) -> BoxFuture<'static, Result<Transcript, ModelError>> {
        let (shared, info) = (self.shared.clone(), self.info.clone());
        request.model.clone_from(&info.name.model);
        Box::pin(async move {
            ask(&shared, request)
                .await
                .map_err(|error| error.at_if_unknown(&info.name.provider, &info.name.model))
        })
    }
}

async fn ask(shared: &Shared, request: TranscriptionRequest) -> Result<Transcript, ModelError> {
    let headers = transport::extra_headers(OPERATION, &request.extra_headers)?;
    let form = render_transcription_form(request)?;
    let response = shared.transport.post_form(OPERATION, PATH, headers, form).await?;
    let response = shared.accept(OPERATION, response).await?;
    let body = shared.transport.read_body(OPERATION, response).await?;
    parse_transcript(&body)
}

/// The form: `model`, `language` (which the provider insists on), `temperature`, further fields, and the file.
///
/// # Errors
/// `Unsupported` for words to expect and for segments, which have no place in it: there is nobody to warn.
pub fn render_transcription_form(request: TranscriptionRequest) -> Result<Form, ModelError> {
    for (param, is_given) in [
        ("prompt", request.prompt.is_some()),
        ("segments", request.segments),
        ("translate", request.translate),
    ] {
        if is_given {
            let message = format!("the provider does not take `{param}`");
            let error = ModelError::new(ErrorKind::Unsupported, OPERATION, message);
            return Err(error.with_param(param));
        }
    }
    let mut form = Form::new().text("model", request.model);
    if let Some(language) = request.language {
        form = form.text("language", language);
    }
    if let Some(temperature) = request.temperature {
        form = form.text("temperature", temperature.to_string());
    }
    for (name, value) in request.extra_body {
        let text = match value {
            Value::String(text) => text,
            value => value.to_string(),
        };
        form = form.text(name, text);
    }
    let name = if request.file_name.is_empty() { NAMELESS.into() } else { request.file_name };
    let file = File { name, media_type: request.media_type, data: request.audio };
    Ok(form.file("file", file))
}

/// Reads the reply. What has no name in [`Transcript`] stays in [`Transcript::extra`].
///
/// # Errors
/// `Malformed` when there is no text in it.
pub fn parse_transcript(body: &[u8]) -> Result<Transcript, ModelError> {
    let malformed = || ModelError::new(ErrorKind::Malformed, OPERATION, "this is no transcript");
    let mut fields: Map<String, Value> =
        serde_json::from_slice(body).map_err(|error| malformed().with_source(error))?;
    let Some(Value::String(text)) = fields.shift_remove("text") else {
        return Err(malformed());
    };
    let usage = billed(fields.shift_remove("meta").unwrap_or_default());
    Ok(Transcript { text, usage, extra: fields, ..Transcript::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_place_is_refused() {
        let request = TranscriptionRequest {
            model: "m".into(),
            language: Some("en".into()),
            temperature: Some(0.5),
            ..TranscriptionRequest::default()
        };
        let form = render_transcription_form(request.clone()).unwrap();
        assert_eq!(form.fields(), [("model", "m"), ("language", "en"), ("temperature", "0.5")]);
        let error = render_transcription_form(TranscriptionRequest { segments: true, ..request })
            .unwrap_err();
        assert_eq!((error.kind(), error.param()), (ErrorKind::Unsupported, Some("segments")));
    }

    #[test]
    fn transcripts_are_read() {
        let transcript = parse_transcript(br#"{"text":" hi","duration":2.5}"#).unwrap();
        assert_eq!((transcript.text.as_str(), &transcript.extra["duration"]), (" hi", &2.5.into()));
        assert_eq!(parse_transcript(b"{}").unwrap_err().kind(), ErrorKind::Malformed);
    }
}

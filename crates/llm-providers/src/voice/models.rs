//! The two kinds of models, for every service.

use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;
use futures::future::BoxFuture;
use llm_core::{
    ModelError, ModelInfo, Operation, SpeechModel, SpeechReply, SpeechRequest, Transcript,
    TranscriptionModel, TranscriptionRequest,
};

use super::client::send;
use crate::raw::RawRequest;
use crate::transport::{Transport, body_stream};

/// How a service asks for speech. Pure.
pub(super) type RenderSpeech = fn(SpeechRequest) -> Result<RawRequest, ModelError>;

/// How a service asks for a transcript. Pure.
pub(super) type RenderTranscription = fn(TranscriptionRequest) -> Result<RawRequest, ModelError>;

/// How a service answers with a transcript. Pure.
pub(super) type ParseTranscript = fn(&[u8]) -> Result<Transcript, ModelError>;

pub(super) struct VoiceSpeech {
    pub(super) transport: Transport,
    pub(super) info: Arc<ModelInfo>,
    pub(super) render: RenderSpeech,
}

impl SpeechModel for VoiceSpeech {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn speak(
        &self,
        mut request: SpeechRequest,
    ) -> BoxFuture<'static, Result<SpeechReply, ModelError>> {
        let (transport, info, render) = (self.transport.clone(), self.info.clone(), self.render);
        request.model.clone_from(&info.name.model);
        Box::pin(async move {
            let operation = Operation::Speak;
            let ask = async { send(&transport, operation, render(request)?).await };
            let response = ask.await.map_err(|error| named(error, &info))?;
            let sound = body_stream(operation, response);
            Ok(SpeechReply::new(sound.map_err(move |error| named(error, &info))))
        })
    }
}

pub(super) struct VoiceTranscription {
    pub(super) transport: Transport,
    pub(super) info: Arc<ModelInfo>,
    pub(super) render: RenderTranscription,
    pub(super) parse: ParseTranscript,
}

impl TranscriptionModel for VoiceTranscription {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn transcribe(
        &self,
        mut request: TranscriptionRequest,
    ) -> BoxFuture<'static, Result<Transcript, ModelError>> {
        let (transport, info) = (self.transport.clone(), self.info.clone());
        let (render, parse) = (self.render, self.parse);
        request.model.clone_from(&info.name.model);
        Box::pin(async move {
            let body = answer(&transport, render, request).await;
            body.and_then(|body| parse(&body)).map_err(|error| named(error, &info))
        })
    }
}

async fn answer(
    transport: &Transport,
    render: RenderTranscription,
    request: TranscriptionRequest,
) -> Result<Bytes, ModelError> {
    let operation = Operation::Transcribe;
    let response = send(transport, operation, render(request)?).await?;
    transport.read_body(operation, response).await
}

fn named(error: ModelError, info: &ModelInfo) -> ModelError {
    error.at_if_unknown(&info.name.provider, &info.name.model)
}

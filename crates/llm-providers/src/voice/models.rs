//! The two kinds of models, for every service.

use std::sync::Arc;

use llm_core::{
    ModelError, ModelInfo, Operation, SpeechModel, SpeechReply, SpeechRequest, Transcript,
    TranscriptionModel, TranscriptionRequest,
};

use super::client::send;
use crate::raw::RawRequest;
use crate::remote::Remote;
use crate::transport::{Transport, body_stream};

/// A model that speaks: `render` writes the request of a service.
pub(super) fn speech(
    transport: &Transport,
    info: ModelInfo,
    render: fn(SpeechRequest) -> Result<RawRequest, ModelError>,
) -> Arc<dyn SpeechModel> {
    let transport = transport.clone();
    let ask = move |request| {
        let transport = transport.clone();
        async move {
            let operation = Operation::Speak;
            let response = send(&transport, operation, render(request)?).await?;
            Ok(SpeechReply::new(body_stream(operation, response)))
        }
    };
    Arc::new(Remote::new(info, ask))
}

/// A model that listens: `render` writes the request of a service, `parse` reads its answer.
pub(super) fn transcription(
    transport: &Transport,
    info: ModelInfo,
    render: fn(TranscriptionRequest) -> Result<RawRequest, ModelError>,
    parse: fn(&[u8]) -> Result<Transcript, ModelError>,
) -> Arc<dyn TranscriptionModel> {
    let transport = transport.clone();
    let ask = move |request| {
        let transport = transport.clone();
        async move {
            let operation = Operation::Transcribe;
            let response = send(&transport, operation, render(request)?).await?;
            parse(&transport.read_body(operation, response).await?)
        }
    };
    Arc::new(Remote::new(info, ask))
}

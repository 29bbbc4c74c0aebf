//! The kinds of model that answer in one piece as [`Modality`]s: embedding, rerank, transcription, vision.

use futures::future::BoxFuture;
use llm_core::{
    Description, EmbeddingModel, EmbeddingRequest, EmbeddingResponse, ModelError, ModelInfo,
    ModelKind, Operation, Reply, RerankModel, RerankRequest, RerankResponse, Transcript,
    TranscriptionModel, TranscriptionRequest, VisionModel, VisionRequest,
};

use super::{Asking, Modality};
use crate::content::Page;
use crate::tally::Tally;

/// A whole answer as a reply of one item.
fn one<T: Send + 'static>(answer: BoxFuture<'static, Result<T, ModelError>>) -> Asking<T> {
    Box::pin(async move { Ok(Reply::one(answer.await?)) })
}

impl Modality for dyn EmbeddingModel {
    type Request = EmbeddingRequest;
    type Event = EmbeddingResponse;
    const KIND: ModelKind = ModelKind::Embedding;
    const OPERATION: Operation = Operation::Embed;

    fn model_info(&self) -> &ModelInfo {
        self.info()
    }

    fn ask(&self, request: EmbeddingRequest) -> Asking<EmbeddingResponse> {
        one(self.embed(request))
    }

    fn address(request: &mut EmbeddingRequest, model: &str) {
        model.clone_into(&mut request.model);
    }

    fn input_bytes(request: &EmbeddingRequest) -> u64 {
        request.inputs.iter().map(String::len).sum::<usize>() as u64
    }

    fn count(answer: &EmbeddingResponse, tally: &mut Tally) {
        tally.whole(&answer.usage, 0);
    }

    fn read(request: &EmbeddingRequest, page: &mut Page) {
        request.inputs.iter().for_each(|input| page.add("user", input, false));
    }
}

impl Modality for dyn RerankModel {
    type Request = RerankRequest;
    type Event = RerankResponse;
    const KIND: ModelKind = ModelKind::Rerank;
    const OPERATION: Operation = Operation::Rerank;

    fn model_info(&self) -> &ModelInfo {
        self.info()
    }

    fn ask(&self, request: RerankRequest) -> Asking<RerankResponse> {
        let (scores, answer) = (self.info().scores, self.rerank(request));
        one(Box::pin(async move {
            let response = answer.await?;
            Ok(RerankResponse { scores: response.scores.or(scores), ..response })
        }))
    }

    fn address(request: &mut RerankRequest, model: &str) {
        model.clone_into(&mut request.model);
    }

    fn input_bytes(request: &RerankRequest) -> u64 {
        let documents: usize = request.documents.iter().map(String::len).sum();
        (request.query.len() + documents) as u64
    }

    fn count(answer: &RerankResponse, tally: &mut Tally) {
        tally.whole(&answer.usage, 0);
    }

    fn read(request: &RerankRequest, page: &mut Page) {
        page.add("user", &request.query, false);
        request.documents.iter().for_each(|document| page.add("user", document, false));
    }
}

impl Modality for dyn TranscriptionModel {
    type Request = TranscriptionRequest;
    type Event = Transcript;
    const KIND: ModelKind = ModelKind::Transcription;
    const OPERATION: Operation = Operation::Transcribe;

    fn model_info(&self) -> &ModelInfo {
        self.info()
    }

    fn ask(&self, request: TranscriptionRequest) -> Asking<Transcript> {
        one(self.transcribe(request))
    }

    fn address(request: &mut TranscriptionRequest, model: &str) {
        model.clone_into(&mut request.model);
    }

    fn input_bytes(_: &TranscriptionRequest) -> u64 {
        0
    }

    fn count(answer: &Transcript, tally: &mut Tally) {
        tally.whole(&answer.usage, answer.text.len());
    }

    fn read(_: &TranscriptionRequest, _: &mut Page) {}

    fn answer_text(answer: &Transcript) -> Option<&str> {
        Some(&answer.text)
    }
}

impl Modality for dyn VisionModel {
    type Request = VisionRequest;
    type Event = Description;
    const KIND: ModelKind = ModelKind::Vision;
    const OPERATION: Operation = Operation::Describe;

    fn model_info(&self) -> &ModelInfo {
        self.info()
    }

    fn ask(&self, request: VisionRequest) -> Asking<Description> {
        one(self.describe(request))
    }

    fn address(request: &mut VisionRequest, model: &str) {
        model.clone_into(&mut request.model);
    }

    fn input_bytes(request: &VisionRequest) -> u64 {
        request.prompt.as_ref().map_or(0, String::len) as u64
    }

    fn count(answer: &Description, tally: &mut Tally) {
        tally.whole(&answer.usage, answer.text.len());
    }

    fn read(request: &VisionRequest, page: &mut Page) {
        page.add("user", request.prompt.as_deref().unwrap_or_default(), false);
    }

    fn answer_text(answer: &Description) -> Option<&str> {
        Some(&answer.text)
    }
}

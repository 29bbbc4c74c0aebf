//! Speech as a [`Modality`].

use bytes::Bytes;
use llm_core::{ModelInfo, ModelKind, Operation, SpeechModel, SpeechRequest};

use super::{Asking, Modality};
use crate::content::Page;
use crate::tally::Tally;

impl Modality for dyn SpeechModel {
    type Request = SpeechRequest;
    type Event = Bytes;
    const KIND: ModelKind = ModelKind::Speech;
    const OPERATION: Operation = Operation::Speak;

    fn model_info(&self) -> &ModelInfo {
        self.info()
    }

    fn ask(&self, request: SpeechRequest) -> Asking<Bytes> {
        self.speak(request)
    }

    fn address(request: &mut SpeechRequest, model: &str) {
        model.clone_into(&mut request.model);
    }

    fn answers_at_once(_: &SpeechRequest) -> bool {
        false
    }

    fn input_bytes(request: &SpeechRequest) -> u64 {
        request.input.len() as u64
    }

    /// Providers do not count in the sound itself.
    fn count(_: &Bytes, _: &mut Tally) {}

    fn read(request: &SpeechRequest, page: &mut Page) {
        page.add("user", &request.input, false);
    }
}

//! [`ModelSource`]: whoever makes models out of names.

use std::sync::Arc;

use futures::future::{BoxFuture, ready};

use crate::{
    ChatModel, EmbeddingModel, ModelError, ModelInfo, RerankModel, SpeechModel, TranscriptionModel,
    VisionModel,
};

/// A provider instance of any dialect: it makes a model for any name that it accepts. Making one must be cheap and do no
/// I/O; `None` means that the provider has no models of that kind. Names are the provider's own, without `provider/`.
#[allow(unused_variables)]
pub trait ModelSource: Send + Sync {
    /// A chat model.
    fn chat(&self, model: &str) -> Option<Arc<dyn ChatModel>> {
        None
    }

    /// An embedding model.
    fn embedding(&self, model: &str) -> Option<Arc<dyn EmbeddingModel>> {
        None
    }

    /// A rerank model.
    fn rerank(&self, model: &str) -> Option<Arc<dyn RerankModel>> {
        None
    }

    /// A speech model.
    fn speech(&self, model: &str) -> Option<Arc<dyn SpeechModel>> {
        None
    }

    /// A transcription model.
    fn transcription(&self, model: &str) -> Option<Arc<dyn TranscriptionModel>> {
        None
    }

    /// A vision model.
    fn vision(&self, model: &str) -> Option<Arc<dyn VisionModel>> {
        None
    }

    /// The models worth listing, from memory. A provider may serve more than it lists.
    fn list(&self) -> Vec<ModelInfo> {
        Vec::new()
    }

    /// Asks the provider for the names of its models; those who cannot be asked answer with the names in
    /// [`ModelSource::list`]. The future borrows nothing; dropping it cancels.
    ///
    /// # Errors
    /// As any call.
    fn model_names(&self) -> BoxFuture<'static, Result<Vec<String>, ModelError>> {
        let names = self.list().into_iter().map(|info| info.name.model).collect();
        Box::pin(ready(Ok(names)))
    }
}

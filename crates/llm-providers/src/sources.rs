//! Every client as a [`ModelSource`], so that who assembles a configuration need not know dialects apart.

use std::sync::Arc;

use futures::future::BoxFuture;
use llm_core::{ChatModel, EmbeddingModel, ModelError, ModelSource, RerankModel};

#[cfg(feature = "audio")]
use llm_core::{SpeechModel, TranscriptionModel};

use crate::OpenAi;

impl ModelSource for OpenAi {
    fn chat(&self, model: &str) -> Option<Arc<dyn ChatModel>> {
        Some(OpenAi::chat(self, model))
    }

    fn embedding(&self, model: &str) -> Option<Arc<dyn EmbeddingModel>> {
        Some(OpenAi::embedding(self, model))
    }

    fn rerank(&self, model: &str) -> Option<Arc<dyn RerankModel>> {
        Some(OpenAi::rerank(self, model))
    }

    #[cfg(feature = "audio")]
    fn speech(&self, model: &str) -> Option<Arc<dyn SpeechModel>> {
        Some(OpenAi::speech(self, model))
    }

    #[cfg(feature = "audio")]
    fn transcription(&self, model: &str) -> Option<Arc<dyn TranscriptionModel>> {
        Some(OpenAi::transcription(self, model))
    }

    fn model_names(&self) -> BoxFuture<'static, Result<Vec<String>, ModelError>> {
        let models = self.list_models();
        Box::pin(async move { Ok(models.await?.into_iter().map(|model| model.id).collect()) })
    }
}

/// The same provider, whose chat models are behind its Responses API ([`OpenAi::responses`]).
#[cfg(feature = "openai-responses")]
#[derive(Clone, Debug)]
pub struct ByResponses(pub OpenAi);

#[cfg(feature = "openai-responses")]
impl ModelSource for ByResponses {
    fn chat(&self, model: &str) -> Option<Arc<dyn ChatModel>> {
        Some(self.0.responses(model))
    }

    fn embedding(&self, model: &str) -> Option<Arc<dyn EmbeddingModel>> {
        Some(self.0.embedding(model))
    }

    fn rerank(&self, model: &str) -> Option<Arc<dyn RerankModel>> {
        Some(self.0.rerank(model))
    }

    #[cfg(feature = "audio")]
    fn speech(&self, model: &str) -> Option<Arc<dyn SpeechModel>> {
        Some(self.0.speech(model))
    }

    #[cfg(feature = "audio")]
    fn transcription(&self, model: &str) -> Option<Arc<dyn TranscriptionModel>> {
        Some(self.0.transcription(model))
    }

    fn model_names(&self) -> BoxFuture<'static, Result<Vec<String>, ModelError>> {
        self.0.model_names()
    }
}

#[cfg(feature = "anthropic")]
impl ModelSource for crate::Anthropic {
    fn chat(&self, model: &str) -> Option<Arc<dyn ChatModel>> {
        Some(crate::Anthropic::chat(self, model))
    }

    fn model_names(&self) -> BoxFuture<'static, Result<Vec<String>, ModelError>> {
        let models = self.list_models();
        Box::pin(async move { Ok(models.await?.into_iter().map(|model| model.id).collect()) })
    }
}

#[cfg(feature = "gemini")]
impl ModelSource for crate::Gemini {
    fn chat(&self, model: &str) -> Option<Arc<dyn ChatModel>> {
        Some(crate::Gemini::chat(self, model))
    }

    fn embedding(&self, model: &str) -> Option<Arc<dyn EmbeddingModel>> {
        Some(crate::Gemini::embedding(self, model))
    }

    fn model_names(&self) -> BoxFuture<'static, Result<Vec<String>, ModelError>> {
        let models = self.list_models();
        Box::pin(async move { Ok(models.await?.into_iter().map(|model| model.id).collect()) })
    }
}

#[cfg(feature = "bedrock")]
impl ModelSource for crate::Bedrock {
    fn chat(&self, model: &str) -> Option<Arc<dyn ChatModel>> {
        Some(crate::Bedrock::chat(self, model))
    }

    fn embedding(&self, model: &str) -> Option<Arc<dyn EmbeddingModel>> {
        Some(crate::Bedrock::embedding(self, model))
    }

    fn rerank(&self, model: &str) -> Option<Arc<dyn RerankModel>> {
        Some(crate::Bedrock::rerank(self, model))
    }
}

#[cfg(feature = "cohere")]
impl ModelSource for crate::Cohere {
    fn chat(&self, model: &str) -> Option<Arc<dyn ChatModel>> {
        Some(crate::Cohere::chat(self, model))
    }

    fn embedding(&self, model: &str) -> Option<Arc<dyn EmbeddingModel>> {
        Some(crate::Cohere::embedding(self, model))
    }

    fn rerank(&self, model: &str) -> Option<Arc<dyn llm_core::RerankModel>> {
        Some(crate::Cohere::rerank(self, model))
    }

    fn transcription(&self, model: &str) -> Option<Arc<dyn llm_core::TranscriptionModel>> {
        Some(crate::Cohere::transcription(self, model))
    }

    fn model_names(&self) -> BoxFuture<'static, Result<Vec<String>, ModelError>> {
        let models = self.list_models();
        Box::pin(async move { Ok(models.await?.into_iter().map(|model| model.id).collect()) })
    }
}

#[cfg(feature = "ollama")]
impl ModelSource for crate::Ollama {
    fn chat(&self, model: &str) -> Option<Arc<dyn ChatModel>> {
        Some(crate::Ollama::chat(self, model))
    }

    fn embedding(&self, model: &str) -> Option<Arc<dyn EmbeddingModel>> {
        Some(crate::Ollama::embedding(self, model))
    }

    fn model_names(&self) -> BoxFuture<'static, Result<Vec<String>, ModelError>> {
        let models = self.list_models();
        Box::pin(async move { Ok(models.await?.into_iter().map(|model| model.id).collect()) })
    }
}

#[cfg(feature = "dashscope")]
impl ModelSource for crate::DashScope {
    fn chat(&self, model: &str) -> Option<Arc<dyn ChatModel>> {
        Some(crate::DashScope::chat(self, model))
    }

    fn embedding(&self, model: &str) -> Option<Arc<dyn EmbeddingModel>> {
        Some(crate::DashScope::embedding(self, model))
    }

    fn rerank(&self, model: &str) -> Option<Arc<dyn RerankModel>> {
        Some(crate::DashScope::rerank(self, model))
    }
}

#[cfg(feature = "huggingface")]
impl ModelSource for crate::HuggingFace {
    fn chat(&self, model: &str) -> Option<Arc<dyn ChatModel>> {
        Some(self.generation(model))
    }

    fn embedding(&self, model: &str) -> Option<Arc<dyn EmbeddingModel>> {
        Some(crate::HuggingFace::embedding(self, model))
    }
}

#[cfg(feature = "huggingface")]
impl ModelSource for crate::huggingface::Tei {
    fn embedding(&self, model: &str) -> Option<Arc<dyn EmbeddingModel>> {
        Some(crate::huggingface::Tei::embedding(self, model))
    }

    fn rerank(&self, model: &str) -> Option<Arc<dyn RerankModel>> {
        Some(crate::huggingface::Tei::rerank(self, model))
    }
}

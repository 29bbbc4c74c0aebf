//! [`Client`]: a provider of any dialect that makes models of which more is known than the name.

use std::sync::Arc;

use llm_core::{
    ChatModel, EmbeddingModel, ModelInfo, ModelSource, RerankModel, SpeechModel, TranscriptionModel,
};

use crate::OpenAi;

/// A provider of any dialect. Where a client has nothing to do with more knowledge than a name, it makes the model as
/// [`ModelSource`] does.
pub(crate) trait Client: ModelSource {
    /// A chat model.
    fn chat_with(&self, info: ModelInfo) -> Option<Arc<dyn ChatModel>> {
        self.chat(&info.name.model)
    }

    /// An embedding model.
    fn embedding_with(&self, info: ModelInfo) -> Option<Arc<dyn EmbeddingModel>> {
        self.embedding(&info.name.model)
    }

    /// A rerank model.
    fn rerank_with(&self, info: ModelInfo) -> Option<Arc<dyn RerankModel>> {
        self.rerank(&info.name.model)
    }

    /// A speech model.
    fn speech_with(&self, info: ModelInfo) -> Option<Arc<dyn SpeechModel>> {
        self.speech(&info.name.model)
    }

    /// A transcription model.
    fn transcription_with(&self, info: ModelInfo) -> Option<Arc<dyn TranscriptionModel>> {
        self.transcription(&info.name.model)
    }
}

impl Client for OpenAi {
    fn chat_with(&self, info: ModelInfo) -> Option<Arc<dyn ChatModel>> {
        Some(OpenAi::chat_with(self, info))
    }

    fn embedding_with(&self, info: ModelInfo) -> Option<Arc<dyn EmbeddingModel>> {
        Some(OpenAi::embedding_with(self, info))
    }

    fn rerank_with(&self, info: ModelInfo) -> Option<Arc<dyn RerankModel>> {
        Some(OpenAi::rerank_with(self, info))
    }

    #[cfg(feature = "audio")]
    fn speech_with(&self, info: ModelInfo) -> Option<Arc<dyn SpeechModel>> {
        Some(OpenAi::speech_with(self, info))
    }

    #[cfg(feature = "audio")]
    fn transcription_with(&self, info: ModelInfo) -> Option<Arc<dyn TranscriptionModel>> {
        Some(OpenAi::transcription_with(self, info))
    }
}

#[cfg(feature = "openai-responses")]
impl Client for crate::ByResponses {
    fn chat_with(&self, info: ModelInfo) -> Option<Arc<dyn ChatModel>> {
        Some(self.0.responses_with(info))
    }

    fn embedding_with(&self, info: ModelInfo) -> Option<Arc<dyn EmbeddingModel>> {
        Client::embedding_with(&self.0, info)
    }

    fn rerank_with(&self, info: ModelInfo) -> Option<Arc<dyn RerankModel>> {
        Client::rerank_with(&self.0, info)
    }

    fn speech_with(&self, info: ModelInfo) -> Option<Arc<dyn SpeechModel>> {
        Client::speech_with(&self.0, info)
    }

    fn transcription_with(&self, info: ModelInfo) -> Option<Arc<dyn TranscriptionModel>> {
        Client::transcription_with(&self.0, info)
    }
}

#[cfg(feature = "anthropic")]
impl Client for crate::Anthropic {
    fn chat_with(&self, info: ModelInfo) -> Option<Arc<dyn ChatModel>> {
        Some(crate::Anthropic::chat_with(self, info))
    }
}

#[cfg(feature = "gemini")]
impl Client for crate::Gemini {
    fn chat_with(&self, info: ModelInfo) -> Option<Arc<dyn ChatModel>> {
        Some(crate::Gemini::chat_with(self, info))
    }

    fn embedding_with(&self, info: ModelInfo) -> Option<Arc<dyn EmbeddingModel>> {
        Some(crate::Gemini::embedding_with(self, info))
    }
}

#[cfg(feature = "bedrock")]
impl Client for crate::Bedrock {
    fn chat_with(&self, info: ModelInfo) -> Option<Arc<dyn ChatModel>> {
        Some(crate::Bedrock::chat_with(self, info))
    }

    fn embedding_with(&self, info: ModelInfo) -> Option<Arc<dyn EmbeddingModel>> {
        Some(crate::Bedrock::embedding_with(self, info))
    }

    fn rerank_with(&self, info: ModelInfo) -> Option<Arc<dyn RerankModel>> {
        Some(crate::Bedrock::rerank_with(self, info))
    }
}

#[cfg(feature = "cohere")]
impl Client for crate::Cohere {
    fn chat_with(&self, info: ModelInfo) -> Option<Arc<dyn ChatModel>> {
        Some(crate::Cohere::chat_with(self, info))
    }

    fn embedding_with(&self, info: ModelInfo) -> Option<Arc<dyn EmbeddingModel>> {
        Some(crate::Cohere::embedding_with(self, info))
    }

    fn rerank_with(&self, info: ModelInfo) -> Option<Arc<dyn RerankModel>> {
        Some(crate::Cohere::rerank_with(self, info))
    }

    fn transcription_with(&self, info: ModelInfo) -> Option<Arc<dyn TranscriptionModel>> {
        Some(crate::Cohere::transcription_with(self, info))
    }
}

#[cfg(feature = "audio")]
impl Client for crate::voice::Deepgram {
    fn speech_with(&self, info: ModelInfo) -> Option<Arc<dyn SpeechModel>> {
        Some(crate::voice::Deepgram::speech_with(self, info))
    }

    fn transcription_with(&self, info: ModelInfo) -> Option<Arc<dyn TranscriptionModel>> {
        Some(crate::voice::Deepgram::transcription_with(self, info))
    }
}

#[cfg(feature = "audio")]
impl Client for crate::voice::ElevenLabs {
    fn speech_with(&self, info: ModelInfo) -> Option<Arc<dyn SpeechModel>> {
        Some(crate::voice::ElevenLabs::speech_with(self, info))
    }

    fn transcription_with(&self, info: ModelInfo) -> Option<Arc<dyn TranscriptionModel>> {
        Some(crate::voice::ElevenLabs::transcription_with(self, info))
    }
}

#[cfg(feature = "audio")]
impl Client for crate::voice::FishAudio {
    fn speech_with(&self, info: ModelInfo) -> Option<Arc<dyn SpeechModel>> {
        Some(crate::voice::FishAudio::speech_with(self, info))
    }
}

#[cfg(feature = "dashscope")]
impl Client for crate::DashScope {
    fn chat_with(&self, info: ModelInfo) -> Option<Arc<dyn ChatModel>> {
        Some(crate::DashScope::chat_with(self, info))
    }

    fn embedding_with(&self, info: ModelInfo) -> Option<Arc<dyn EmbeddingModel>> {
        Some(crate::DashScope::embedding_with(self, info))
    }

    fn rerank_with(&self, info: ModelInfo) -> Option<Arc<dyn RerankModel>> {
        Some(crate::DashScope::rerank_with(self, info))
    }
}

#[cfg(feature = "ollama")]
impl Client for crate::Ollama {
    fn chat_with(&self, info: ModelInfo) -> Option<Arc<dyn ChatModel>> {
        Some(crate::Ollama::chat_with(self, info))
    }

    fn embedding_with(&self, info: ModelInfo) -> Option<Arc<dyn EmbeddingModel>> {
        Some(crate::Ollama::embedding_with(self, info))
    }
}

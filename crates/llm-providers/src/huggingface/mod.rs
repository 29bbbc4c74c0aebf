//! Hugging Face: models behind its inference API or on servers of its make.
//!
//! | | what | where |
//! |---|---|---|
//! | [`Tei`] | embeddings, rerank, limits | Text Embeddings Inference: `/embed`, `/rerank`, `/info` |
//! | [`HuggingFace::generation`] | text goes on | `models/{model}` of the inference API; the root of a Text Generation Inference server |
//! | [`HuggingFace::embedding`] | embeddings | `models/{model}/pipeline/feature-extraction` |
//!
//! Chat through the router is OpenAI's dialect (`huggingface` in the [catalogue](crate::catalogue)). Facts are from the API
//! references of the inference providers ("Text Generation", "Feature Extraction"), of Text Embeddings Inference and of Text
//! Generation Inference; failures, and a vector, were recorded.

mod decoder;
pub mod errors;
mod feature_extraction;
mod generation;
mod provider;
mod tei;

pub use decoder::GenerationDecoder;
pub use feature_extraction::{parse_vectors, render_feature_extraction};
pub use generation::{parse_generation, render_generation};
pub use provider::{HuggingFace, HuggingFaceBuilder};
pub use tei::{Tei, TeiBuilder, TeiInfo};

//! Bodies of `/v1/embeddings`, `/v1/rerank` and `/v1/models`.

use llm_core::{Execution, Limits, Prices};
use utoipa::ToSchema;

use super::chat::TextOrTexts;

/// Texts to embed. Fields that are not named here go on to the provider.
#[derive(ToSchema)]
#[schema(example = json!({ "model": "local/static", "input": "Water for green tea has 80 degrees." }))]
pub(crate) struct EmbeddingsRequest {
    model: String,
    /// At least one text. Token numbers are not taken.
    input: TextOrTexts,
    #[schema(inline)]
    encoding_format: Option<Encoding>,
    /// The length of the vectors, where the model lets one choose.
    dimensions: Option<u32>,
    user: Option<String>,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum Encoding {
    Float,
    /// Of little-endian 32-bit floats.
    Base64,
}

/// Vectors, in the order of the texts.
#[derive(ToSchema)]
pub(crate) struct Embeddings {
    object: ListMark,
    data: Vec<Embedding>,
    model: String,
    usage: EmbeddingUsage,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum ListMark {
    List,
}

#[derive(ToSchema)]
struct Embedding {
    object: EmbeddingMark,
    index: u32,
    embedding: Vector,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum EmbeddingMark {
    Embedding,
}

#[derive(ToSchema)]
#[serde(untagged)]
enum Vector {
    Float(Vec<f32>),
    Base64(String),
}

#[derive(ToSchema)]
struct EmbeddingUsage {
    prompt_tokens: u64,
    total_tokens: u64,
}

/// Documents in the order in which they answer the question.
#[derive(ToSchema)]
pub(crate) struct Ranking {
    id: String,
    object: ListMark,
    model: String,
    /// The best first.
    results: Vec<Ranked>,
    usage: RankingUsage,
}

#[derive(ToSchema)]
struct Ranked {
    /// Which document.
    index: u32,
    /// From 0 to 1.
    relevance_score: f32,
    /// Where `return_documents` asks for it.
    document: Option<RankedDocument>,
}

#[derive(ToSchema)]
struct RankedDocument {
    text: String,
}

#[derive(ToSchema)]
struct RankingUsage {
    total_tokens: u64,
}

/// What can be asked.
#[derive(ToSchema)]
pub(crate) struct Models {
    object: ListMark,
    data: Vec<Model>,
}

/// A model or dialog.
#[derive(ToSchema)]
pub(crate) struct Model {
    id: String,
    object: ModelMark,
    created: i64,
    owned_by: String,
    /// `chat`, `embedding`, `dialog` …
    kind: String,
    limits: Option<Limits>,
    execution: Option<Execution>,
    description: Option<String>,
    /// US dollars per token.
    prices: Option<Prices>,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum ModelMark {
    Model,
}

//! Searching an index.

use serde::{Deserialize, Serialize};

use crate::{ChunkId, DatasetId, DocumentId, MetadataFilter};

/// Which chunks may be found. The datasets are always named: an empty list finds nothing, never everything.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ChunkFilter {
    /// Datasets to search.
    pub datasets: Vec<DatasetId>,
    /// Only these documents; `None` is no restriction, an empty list finds nothing.
    pub documents: Option<Vec<DocumentId>>,
    /// Only documents whose metadata pass; `None` is no restriction.
    pub metadata: Option<MetadataFilter>,
}

/// What to look for. Text and vector are independent: neither gates the other.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SearchQuery {
    /// Words to find; `None` or blank searches no text. What stands in quotation marks is a phrase as well.
    pub text: Option<String>,
    /// What phrases are for.
    pub phrases: PhraseUse,
    /// A vector to be near to; `None` searches no vectors.
    pub vector: Option<Vec<f32>>,
    /// Where.
    pub filter: ChunkFilter,
    /// The most hits of each kind.
    pub limit: usize,
}

/// What the phrases of a question are for: words in quotation marks, which a chunk holds when they stand in it in this
/// order and side by side, in any of their forms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PhraseUse {
    /// Text hits that hold more of the phrases rank before those that hold fewer. Nothing is left out, and a phrase
    /// that no chunk holds changes nothing.
    #[default]
    Prefer,
    /// Only chunks that hold every phrase are found, by text and by vector. Without a phrase in the question everything
    /// may be.
    Require,
}

/// One chunk found.
#[derive(Clone, Debug, PartialEq)]
pub struct ChunkHit {
    /// Which.
    pub chunk: ChunkId,
    /// Its score: BM25 for text (≥ 0, unbounded), with what phrases add, cosine for vectors (-1 to 1).
    pub score: f32,
}

/// What was found, by kind, each best first with ties by chunk id.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SearchResults {
    /// Hits of the full-text index.
    pub text: Vec<ChunkHit>,
    /// The score of a chunk whose text holds all words and phrases of this query, however often: what part of it a hit
    /// has tells how much of the question the hit covers, which the score alone does not. Keywords and questions of a
    /// chunk can lift it above. 0 when no text was searched for.
    pub text_ceiling: f32,
    /// Hits of the vector index.
    pub vector: Vec<ChunkHit>,
    /// Cosines of those text hits that are not among the vector hits, so that fusion need not guess them. Empty when
    /// only one kind was searched for.
    pub remaining_cosines: Vec<ChunkHit>,
}

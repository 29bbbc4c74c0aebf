//! What models may add to chunks and documents while they are ingested.

use serde::{Deserialize, Serialize};

use crate::DatasetId;

/// What models add to chunks and documents. Nothing by default: each item costs calls.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct EnrichmentOptions {
    /// The chat model, by reference; the server's default for chat when it is not named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Keywords for each chunk, at most; 0: none.
    #[cfg_attr(feature = "openapi", schema(maximum = 255))]
    pub keywords: u8,
    /// Questions that each chunk answers, at most; 0: none.
    #[cfg_attr(feature = "openapi", schema(maximum = 255))]
    pub questions: u8,
    /// Fields to find in each document.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub metadata: Vec<MetadataField>,
    /// Datasets of descriptions and tags (method `tag`) whose tags each chunk gets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tag_datasets: Vec<DatasetId>,
    /// Tags for each chunk, at most, where there are such datasets.
    #[cfg_attr(feature = "openapi", schema(maximum = 255))]
    pub most_tags: u8,
    /// Whether a table of contents is kept.
    pub contents: bool,
    /// Summaries of neighbouring chunks, then of these summaries, up to one of the whole document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summaries: Option<SummaryOptions>,
    /// What the document says of people, places and other things, and how they are related.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub graph: Option<GraphOptions>,
    /// The most tokens, in and out, that one document may cost; `None`: no bound but its length.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub most_tokens: Option<u64>,
}

/// A field that a model looks for in a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct MetadataField {
    /// Its name.
    pub name: String,
    /// What it means.
    #[serde(default)]
    pub description: String,
    /// The values that it may have; none: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}

/// How summaries are made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct SummaryOptions {
    /// The most tokens of a summary.
    pub max_tokens: u32,
    /// The most chunks that one summary is of.
    pub most_chunks: u32,
    /// Neighbours whose cosine is in this lowest part of all belong to different summaries: 0 to 1.
    pub threshold: f32,
}

impl Default for SummaryOptions {
    fn default() -> Self {
        Self { max_tokens: 512, most_chunks: 64, threshold: 0.3 }
    }
}

/// How the graph of entities is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct GraphOptions {
    /// What kinds of things are looked for; none: whatever has a name.
    pub types: Vec<String>,
}

impl Default for GraphOptions {
    fn default() -> Self {
        let types = ["organization", "person", "place", "event", "product", "concept"];
        Self { types: types.map(str::to_owned).to_vec() }
    }
}

impl EnrichmentOptions {
    /// Whether there is anything to do.
    pub fn is_wanted(&self) -> bool {
        self.keywords > 0
            || self.questions > 0
            || !self.metadata.is_empty()
            || !self.tag_datasets.is_empty()
            || self.contents
            || self.summaries.is_some()
            || self.graph.is_some()
    }
}

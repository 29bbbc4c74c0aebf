//! [`Explanation`]: why a passage was chosen.

use serde::{Deserialize, Serialize};

/// Why a passage was chosen: everything that its score is made of. Without rerank model and boosts the score is
/// `(1 - vector_weight) × coverage + vector_weight × nearness`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Explanation {
    /// BM25; `None` when full text did not find it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<f32>,
    /// How much of the question's words it covers: BM25 as a part of what no chunk exceeds, 0 to 1.
    pub coverage: f32,
    /// Cosine; `None` when the vectors did not find it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vector: Option<f32>,
    /// How near its meaning is to the question's: the cosine, 0 to 1.
    pub nearness: f32,
    /// What nearness counted against coverage, 0 to 1.
    pub vector_weight: f32,
    /// Coverage and nearness, weighted: 0 to 1.
    pub fused: f32,
    /// The rerank model's score, 0 to 1, which then stands in place of `fused`; `None` when none was asked, or not for
    /// this hit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rerank: Option<f32>,
    /// What its dataset's page rank added to the score.
    #[serde(skip_serializing_if = "is_zero")]
    pub page_rank: f32,
    /// What tags that it shares with the question added to the score.
    #[serde(skip_serializing_if = "is_zero")]
    pub tags: f32,
    /// How much of it stands in better hits already, 0 to 1; measured when diversity is asked for.
    #[serde(skip_serializing_if = "is_zero")]
    pub redundancy: f32,
    /// Parts of it that were found, when parts are what is searched: the scores are the best one's.
    #[serde(skip_serializing_if = "is_none")]
    pub parts: u32,
}

impl Explanation {
    /// How well it answers the question, 0 to 1: what thresholds are compared with.
    pub fn relevance(&self) -> f32 {
        self.rerank.unwrap_or(self.fused)
    }

    /// The score by which hits are ordered: relevance and boosts.
    pub fn score(&self) -> f32 {
        self.relevance() + self.page_rank + self.tags
    }
}

fn is_zero(number: &f32) -> bool {
    *number == 0.0
}

fn is_none(parts: &u32) -> bool {
    *parts == 0
}

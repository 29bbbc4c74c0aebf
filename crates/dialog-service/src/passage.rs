//! [`Passage`]: evidence for an answer.

use rag_core::Chunk;
use serde::{Deserialize, Serialize};

/// A passage that was retrieved for a question, with its source and why it was chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Passage {
    /// The passage and its place.
    pub chunk: Chunk,
    /// Its document's name.
    pub document_name: String,
    /// Its document's title, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The final score, 0 to 1.
    pub score: f32,
    /// What full text gave (BM25); `None` when it did not find the passage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_score: Option<f32>,
    /// What the vectors gave (cosine); `None` when they did not find the passage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vector_score: Option<f32>,
    /// What a rerank model gave, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rerank_score: Option<f32>,
}

impl Passage {
    /// Where it stands, for people: `file.pdf, page 3`, `guide.md, Setup › Keys`.
    pub fn location(&self) -> String {
        self.location_on(self.chunk.page())
    }

    /// The same for a part of it that stands on this page.
    pub fn location_on(&self, page: Option<u32>) -> String {
        let heading = self.chunk.headings.join(" › ");
        match (page, heading.is_empty()) {
            (Some(page), _) => format!("{}, page {page}", self.document_name),
            (None, false) => format!("{}, {heading}", self.document_name),
            (None, true) => self.document_name.clone(),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::sync::Arc;

    /// Passages of these texts, each a document of its own.
    pub(crate) fn passages(texts: &[&str]) -> Arc<[Passage]> {
        let passage = |(number, text): (usize, &&str)| Passage {
            chunk: Chunk {
                headings: vec!["Drinks".into()],
                tokens: 10,
                ..Chunk::new(
                    format!("c{number}").parse().unwrap(),
                    "d".parse().unwrap(),
                    format!("doc{number}").parse().unwrap(),
                    (*text).into(),
                )
            },
            document_name: format!("{number}.md"),
            title: None,
            score: 0.9,
            text_score: Some(0.9),
            vector_score: None,
            rerank_score: None,
        };
        texts.iter().enumerate().map(passage).collect()
    }
}

//! [`Passage`]: evidence for an answer.

use rag_core::Chunk;
use rag_retrieve::Explanation;
use serde::{Deserialize, Serialize};

/// A passage that was retrieved for a question, with its source and why it was chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Passage {
    /// The passage and its place.
    pub chunk: Chunk,
    /// Its document's name.
    pub document_name: String,
    /// Its document's title, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Its address, where it is a page of the web.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The final score, 0 to 1.
    pub score: f32,
    /// What the score is made of.
    #[serde(default)]
    pub why: Explanation,
}

impl Passage {
    /// Where it stands, for people: `file.pdf, page 3`, `guide.md, Setup › Keys`.
    pub fn location(&self) -> String {
        self.chunk.location(&self.document_name)
    }

    /// The same for a part of it that stands on this page.
    pub fn location_on(&self, page: Option<u32>) -> String {
        self.chunk.location_on(&self.document_name, page)
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
            url: None,
            score: 0.9,
            why: Explanation::default(),
        };
        texts.iter().enumerate().map(passage).collect()
    }
}

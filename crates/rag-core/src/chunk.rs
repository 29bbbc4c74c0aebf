//! Chunks: what is indexed, found and cited.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::{ChunkId, DatasetId, DocumentId, Place};

/// A passage of a document, with its place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Chunk {
    /// Its id.
    pub id: ChunkId,
    /// The dataset that it belongs to.
    pub dataset: DatasetId,
    /// The document that it is of.
    pub document: DocumentId,
    /// Its number in the document, from 0.
    pub ordinal: u32,
    /// The passage itself: exactly the bytes `span` of the document's text.
    pub text: String,
    /// Byte range in the parsed document's text.
    pub span: Range<usize>,
    /// Headings above it, outermost first.
    pub headings: Vec<String>,
    /// Where its pieces stood (pages and boxes), in order. Empty for formats without.
    pub places: Vec<PlacedSpan>,
    /// Tokens by the chunker's count.
    pub tokens: u32,
}

impl Chunk {
    /// First page of the passage.
    pub fn page(&self) -> Option<u32> {
        self.places.iter().find_map(|placed| placed.place.page)
    }

    /// The page on which the byte `offset` of the document's text stands; the first page for bytes between pieces.
    pub fn page_at(&self, offset: usize) -> Option<u32> {
        let here = self.places.iter().rev().find(|placed| placed.span.start <= offset);
        here.and_then(|placed| placed.place.page).or_else(|| self.page())
    }

    /// What is embedded and searched: the headings, then the text.
    pub fn contextual_text(&self) -> String {
        if self.headings.is_empty() {
            return self.text.clone();
        }
        format!("{}\n{}", self.headings.join(" › "), self.text)
    }
}

/// Where a stretch of a chunk stood in its file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlacedSpan {
    /// Byte range in the parsed document's text.
    pub span: Range<usize>,
    /// Page and box.
    #[serde(flatten)]
    pub place: Place,
}

/// A chunk and its vector.
#[derive(Clone, Debug, PartialEq)]
pub struct EmbeddedChunk {
    /// The chunk.
    pub chunk: Chunk,
    /// Its vector, of the dataset's [`EmbeddingIdentity`](crate::EmbeddingIdentity), L2-normalised.
    pub vector: Vec<f32>,
}

//! Chunks: what is indexed, found and cited.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::{ChunkId, DatasetId, DocumentId, Place};

/// A passage of a document, with its place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Chunk {
    /// Its id.
    pub id: ChunkId,
    /// The dataset that it belongs to.
    pub dataset: DatasetId,
    /// The document that it is of.
    pub document: DocumentId,
    /// Its number in the document, from 0.
    pub ordinal: u32,
    /// What it is.
    #[serde(default, skip_serializing_if = "is_default")]
    pub kind: ChunkKind,
    /// The passage itself: exactly the bytes `span` of the document's text. What a model wrote for summaries and
    /// contents.
    pub text: String,
    /// Byte range in the parsed document's text; for summaries the range that they sum up.
    #[cfg_attr(feature = "openapi", schema(value_type = crate::openapi::Span))]
    pub span: Range<usize>,
    /// Headings above it, outermost first.
    pub headings: Vec<String>,
    /// Where its pieces stood (pages and boxes), in order. Empty for formats without.
    pub places: Vec<PlacedSpan>,
    /// Tokens by the chunker's count.
    pub tokens: u32,
    /// The larger chunk that it is a part of, which is shown in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<ChunkId>,
    /// What one must know to read it, from elsewhere in the document: the header of the table that it is a part of,
    /// the caption of its figure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// Words that it should be found by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keywords: Vec<String>,
    /// Questions that it answers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub questions: Vec<String>,
    /// What it is about, in the words of a vocabulary, with weights.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
    /// Whether its owner took it out of searches. It has no vector then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
}

/// What a chunk is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ChunkKind {
    /// A passage that is searched.
    #[default]
    Passage,
    /// A larger passage whose parts are searched in its place. It has no vector and is not searched itself.
    Parent,
    /// A model's summary of several chunks; searched.
    Summary,
    /// The table of contents, one line an entry. It has no vector and is not searched.
    Contents,
    /// What a document says of one person, place or other thing, gathered by a model. Its heading is the name, its
    /// keywords are the names of what it is related to; searched.
    Entity,
    /// A passage that its owner wrote or rewrote by hand; searched. Its span is that of what it stands in place of.
    Written,
}

impl ChunkKind {
    /// Whether chunks of this kind are found by searches.
    pub fn is_searched(self) -> bool {
        !matches!(self, ChunkKind::Parent | ChunkKind::Contents)
    }

    /// Whether the text is exactly what the document has at the chunk's span. What a model or a person wrote is not: its
    /// span is what it was written about.
    pub fn is_verbatim(self) -> bool {
        matches!(self, ChunkKind::Passage | ChunkKind::Parent)
    }
}

/// A word of a vocabulary and how much it applies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Tag {
    /// The word.
    pub name: String,
    /// Above 0.
    pub weight: f32,
}

impl Chunk {
    /// A passage that is all of a document's text so far, without headings, places and the rest.
    pub fn new(id: ChunkId, dataset: DatasetId, document: DocumentId, text: String) -> Self {
        Self {
            id,
            dataset,
            document,
            ordinal: 0,
            kind: ChunkKind::Passage,
            span: 0..text.len(),
            text,
            headings: Vec::new(),
            places: Vec::new(),
            tokens: 0,
            parent: None,
            context: None,
            keywords: Vec::new(),
            questions: Vec::new(),
            tags: Vec::new(),
            disabled: false,
        }
    }

    /// Whether searches find it.
    pub fn is_searched(&self) -> bool {
        self.kind.is_searched() && !self.disabled
    }

    /// First page of the passage.
    pub fn page(&self) -> Option<u32> {
        self.places.iter().find_map(|placed| placed.place.page)
    }

    /// The page on which the byte `offset` of the document's text stands; the first page for bytes between pieces.
    pub fn page_at(&self, offset: usize) -> Option<u32> {
        let here = self.places.iter().rev().find(|placed| placed.span.start <= offset);
        here.and_then(|placed| placed.place.page).or_else(|| self.page())
    }

    /// Where it stands in the document of this name, for people: `file.pdf, page 3`, `guide.md, Setup › Keys`.
    pub fn location(&self, document_name: &str) -> String {
        self.location_on(document_name, self.page())
    }

    /// The same for a part of it that stands on this page.
    pub fn location_on(&self, document_name: &str, page: Option<u32>) -> String {
        let heading = self.headings.join(" › ");
        match (page, heading.is_empty()) {
            (Some(page), _) => format!("{document_name}, page {page}"),
            (None, false) => format!("{document_name}, {heading}"),
            (None, true) => document_name.to_owned(),
        }
    }

    /// What is embedded, reranked and shown to models: the headings, the context, then the text.
    pub fn contextual_text(&self) -> String {
        let headings = Some(self.headings.join(" › ")).filter(|path| !path.is_empty());
        let above = headings.iter().chain(&self.context).map(String::as_str);
        above.chain([self.text.as_str()]).collect::<Vec<_>>().join("\n")
    }
}

fn is_default(kind: &ChunkKind) -> bool {
    *kind == ChunkKind::default()
}

/// Where a stretch of a chunk stood in its file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PlacedSpan {
    /// Byte range in the parsed document's text.
    #[cfg_attr(feature = "openapi", schema(value_type = crate::openapi::Span))]
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
    /// Its vector, of the dataset's [`EmbeddingIdentity`](crate::EmbeddingIdentity), L2-normalised. Empty for chunks
    /// that are [not searched](Chunk::is_searched), and for those only.
    pub vector: Vec<f32>,
}

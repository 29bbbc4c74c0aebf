//! What a parser makes of a file: one text, and blocks that tell where its pieces stood.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::Metadata;

/// A file as text with structure.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ParsedDocument {
    /// The document's title, where it names one.
    pub title: Option<String>,
    /// The whole text in reading order. Every span of this type is a byte range of it, on character borders.
    pub text: String,
    /// The pieces in reading order. Their spans ascend and do not overlap; text between them is white space or markup.
    pub blocks: Vec<Block>,
    /// Pages, for formats that have them; 0 otherwise.
    pub pages: u32,
    /// The pages' sizes in order, where the parser knows them: what boxes are to be seen against.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub page_sizes: Vec<PageSize>,
    /// What the file says of itself: author, dates, language, subject …
    #[serde(default, skip_serializing_if = "Metadata::is_empty")]
    pub metadata: Metadata,
    /// The outline that the file carries (bookmarks), in order. Headings in the text are blocks, not entries of this.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outline: Vec<OutlineEntry>,
    /// What only a model can read: scanned pages, images. Given only when
    /// [asked for](crate::ParseRequest::pictures).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pictures: Vec<Picture>,
    /// What the reader should know (pages without text, decoding with replacement …), one line each.
    pub warnings: Vec<String>,
}

impl ParsedDocument {
    /// The text of a block; empty when the span is not of this document.
    pub fn block_text(&self, block: &Block) -> &str {
        self.text.get(block.span.clone()).unwrap_or_default()
    }
}

/// A piece of a document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Block {
    /// What it is.
    pub kind: BlockKind,
    /// Its bytes in [`ParsedDocument::text`].
    pub span: Range<usize>,
    /// Where it stood in the file.
    pub place: Place,
}

/// What a block is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum BlockKind {
    /// A heading; 1 is the highest level.
    Heading {
        /// 1 to 6.
        level: u8,
    },
    /// Running text.
    Paragraph,
    /// An item of a list.
    ListItem,
    /// A table; its text is Markdown with a header row.
    Table,
    /// Source code or other verbatim text.
    Code {
        /// The language, where named.
        language: Option<String>,
    },
    /// A quotation.
    Quote,
    /// A caption of a figure or table.
    Caption,
}

/// Where a piece stood in its file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Place {
    /// Page, from 1; `None` for formats without pages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<u32>,
    /// Box on that page, where the parser knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bounds: Option<BoundingBox>,
}

/// A box on a page, in points (1/72 inch) from the page's upper left corner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[allow(missing_docs)]
pub struct BoundingBox {
    pub left: f32,
    pub top: f32,
    pub right: f32,
    pub bottom: f32,
}

/// The size of a page, in points (1/72 inch).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct PageSize {
    pub width: f32,
    pub height: f32,
}

/// An entry of a file's own outline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutlineEntry {
    /// 1 is the highest.
    pub level: u8,
    /// Its words.
    pub title: String,
    /// The page that it points to, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<u32>,
}

/// An image of a file, for a model that reads images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Picture {
    /// What it shows.
    pub kind: PictureKind,
    /// Its text belongs before the block of this number; the number of blocks: at the end.
    pub before_block: usize,
    /// Where it stood.
    pub place: Place,
    /// `image/png`, `image/jpeg`, …
    pub media_type: String,
    /// Its bytes.
    #[serde(with = "base64_bytes")]
    pub bytes: Vec<u8>,
}

/// What a picture shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PictureKind {
    /// A page of text: it is to be written down.
    Page,
    /// A figure, photograph or drawing: it is to be described.
    Figure,
}

/// Bytes as base64 text, since parsers in other processes send documents as JSON.
mod base64_bytes {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(from)?;
        STANDARD.decode(text).map_err(D::Error::custom)
    }
}

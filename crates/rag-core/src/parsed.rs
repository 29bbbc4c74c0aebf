//! What a parser makes of a file: one text, and blocks that tell where its pieces stood.

use std::ops::Range;

use serde::{Deserialize, Serialize};

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
#[allow(missing_docs)]
pub struct BoundingBox {
    pub left: f32,
    pub top: f32,
    pub right: f32,
    pub bottom: f32,
}

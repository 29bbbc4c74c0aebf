//! How documents are cut into chunks.

use serde::{Deserialize, Serialize};

/// How documents are cut into chunks. Methods differ in what they hold together; all keep to the token budget unless
/// said otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct ChunkingOptions {
    /// What a chunk is.
    pub method: ChunkMethod,
    /// The most tokens of a chunk.
    pub max_tokens: u32,
    /// Tokens that a chunk repeats of the one before, when a block had to be cut.
    pub overlap_tokens: u32,
    /// Texts at which passages end besides the document's structure; none of them: structure and budget alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub delimiters: Vec<Delimiter>,
    /// Cuts each chunk further into parts that are searched, while the chunk is what is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub children: Option<ChildOptions>,
    /// Tokens of the text before and after a table that its chunks carry as context.
    #[serde(skip_serializing_if = "is_zero")]
    pub table_context_tokens: u32,
    /// Pages to read, each range from its first to its last, from 1; none: all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pages: Vec<(u32, u32)>,
}

/// What a chunk is. RAGFlow's names of the methods; `naive` and `general` are the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ChunkMethod {
    /// Whole blocks of one section, up to the budget.
    #[default]
    #[serde(alias = "general")]
    Naive,
    /// A question and its answer: rows of two columns, or a heading and what is below it. Found by the question.
    Qa,
    /// A row of a table, with its header as context.
    Table,
    /// As `naive`, with the abstract whole.
    Paper,
    /// A section, by the hierarchy of headings of a book.
    Book,
    /// An article, by the numbering of laws.
    Laws,
    /// The lowest section that has text of its own, as in manuals.
    Manual,
    /// A page or slide.
    Presentation,
    /// The whole document, whatever its size.
    One,
    /// The header of a mail, then its body.
    Email,
    /// What is on a picture.
    Picture,
    /// A row of a description and its tags, which tag other datasets' chunks.
    Tag,
}

/// A text at which passages end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Delimiter {
    /// The text. It is part of no passage.
    pub text: String,
    /// Whether each piece is a chunk of its own, whatever its size; else pieces are joined up to the budget.
    #[serde(default)]
    pub always: bool,
}

/// How chunks are cut into the parts that are searched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct ChildOptions {
    /// The most tokens of a part.
    pub max_tokens: u32,
    /// Texts at which parts end; none: sentences.
    pub delimiters: Vec<String>,
}

impl Default for ChunkingOptions {
    fn default() -> Self {
        Self {
            method: ChunkMethod::default(),
            max_tokens: 256,
            overlap_tokens: 32,
            delimiters: Vec::new(),
            children: None,
            table_context_tokens: 0,
            pages: Vec::new(),
        }
    }
}

impl Default for ChildOptions {
    fn default() -> Self {
        Self { max_tokens: 64, delimiters: Vec::new() }
    }
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

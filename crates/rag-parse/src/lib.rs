//! Files in, structured text with places out.
//!
//! [`FileParser`] reads Markdown, plain text in any encoding, HTML, PDF, spreadsheets, CSV, JSON, XML, subtitles, source
//! code and images into [`ParsedDocument`](rag_core::ParsedDocument)s; [`isolated::IsolatedParser`] does the same with the dangerous formats
//! in processes of their own. [`StructuralChunker`] cuts what they give into chunks. No models, no storage, no runtime:
//! bytes in, values out, all of it synchronous.
//!
//! ```
//! use rag_core::{DocumentParser, ParseErrorKind, ParseRequest};
//! use rag_parse::FileParser;
//!
//! let parser = FileParser::default();
//! let parsed = parser.parse(&ParseRequest::new("tea.md", b"# Tea\n\nBoil *water*."))?;
//! assert_eq!(parsed.title.as_deref(), Some("Tea"));
//! assert_eq!(parsed.block_text(&parsed.blocks[1]), "Boil *water*.");
//!
//! let refused = parser.parse(&ParseRequest::new("tea.pdf", b"")).unwrap_err();
//! assert_eq!(refused.kind, ParseErrorKind::Empty);
//! # Ok::<(), rag_core::ParseError>(())
//! ```

mod archive;
mod builder;
mod chunk;
mod code;
mod cut;
mod delimited;
mod encoding;
mod epub;
mod file_parser;
mod format;
mod html;
mod image;
pub mod isolated;
mod json;
mod limits;
mod mail;
mod markdown;
mod office;
#[cfg(test)]
mod outline;
mod pdf;
mod spreadsheet;
mod subtitles;
pub mod table;
mod text;
mod token_count;
mod xml_text;

pub use chunk::StructuralChunker;
pub use file_parser::FileParser;
pub use limits::ParseLimits;
pub use token_count::TokenCounter;

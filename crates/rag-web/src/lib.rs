//! Web search as a source of evidence for dialogs.
//!
//! [`WebSearch`] asks a search engine for pages about a question, as the engine shows them: title, address, and what it
//! quotes. Pages themselves are not fetched, so nothing on the web decides what this process connects to.
//!
//! ```
//! use rag_web::{Engine, WebOptions, WebSearch};
//!
//! # fn main() -> Result<(), rag_web::WebError> {
//! let web = WebSearch::new(Engine::SearXng, "http://searx.example:8080", WebOptions::default())?;
//! # let _ = web;
//! # Ok(())
//! # }
//! ```

mod client;
mod engine;
mod source;

pub use client::{WebError, WebOptions};
pub use engine::{Engine, WebPage};
pub use source::WebSearch;

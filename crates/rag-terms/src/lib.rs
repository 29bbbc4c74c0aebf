//! Texts and questions as the terms that full-text indexes hold, whatever the engine.
//!
//! Engines differ in how they keep terms; what a term is must not differ, or the same question would find other passages
//! when a library moves from one engine to another. So texts are cut here: in any script, without a dictionary, each
//! language stemmed as its own.
//!
//! ```
//! use rag_terms::{question_words, highlight};
//!
//! let words = question_words("How is tea brewed?", 100);
//! assert_eq!(words.len(), 2, "the words that only ask are left out");
//! assert!(words[1].contains("brew"));
//! assert_eq!(highlight("How is tea brewed?", "Brewing it"), [0..7]);
//! ```

mod analysis;
mod compound;
mod fields;
mod highlight;
mod language;
mod question;
mod quotes;
mod script;

pub use analysis::{REVISION, question_term};
pub use fields::{ChunkWords, FIELDS, FieldWords, SAME_PLACE, TextField, chunk_words};
pub use highlight::highlight;
pub use question::{Phrase, QuestionTerm, SAME_QUESTION, phrases, question_terms, question_words};

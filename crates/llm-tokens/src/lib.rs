//! How many tokens a text or a request has, before it is sent: exactly where the model's tokenizer is public and small
//! enough to be part of a program, and nearly, marked so, elsewhere. No I/O, no runtime.
//!
//! | models | count |
//! |---|---|
//! | OpenAI's GPT-3.5, GPT-4 and `text-embedding-…` (`cl100k_base`) | exact |
//! | OpenAI's GPT-4o, GPT-4.1, GPT-4.5, GPT-5, o1, o3, o4, gpt-oss (`o200k_base`) | exact |
//! | all others | [`estimate`] |
//!
//! ```
//! # #[cfg(feature = "openai")] {
//! use llm_tokens::{TokenCount, TokenCounter};
//!
//! let counter = TokenCounter::for_model("openai/text-embedding-3-small");
//! let text = "How many tokens is this?";
//! assert_eq!(counter.count(text), TokenCount { tokens: 6, exact: true });
//! assert_eq!(counter.truncate(text, 3), "How many tokens");
//!
//! let counter = TokenCounter::for_model("anthropic/claude-sonnet-4-5");
//! assert_eq!(counter.count(text), TokenCount { tokens: 6, exact: false });
//! # }
//! ```
//!
//! Counting is computing: some 20 to 60 MB of text a second, so more than a few kilobytes do not belong on a worker of an
//! async runtime. The first count with a vocabulary also unpacks it (35 to 80 ms, once for the process).

mod counter;
mod estimate;
#[cfg(feature = "requests")]
mod request;
#[cfg(feature = "openai")]
mod segments;
mod vocabulary;

pub use counter::{TokenCount, TokenCounter};
pub use estimate::estimate;

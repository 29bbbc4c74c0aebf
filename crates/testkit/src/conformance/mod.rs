//! Compares what a client made of a recorded exchange with what the recording implies: events, usage, finish reason and
//! failure against the recording's `expect` block, and the request that the client sent against the recorded one.
//!
//! The client is somebody else's: it gives an [`Outcome`] and gets back the list of differences.

mod answer;
mod anthropic;
mod cohere;
mod converse;
mod embedding;
mod form;
mod gemini_request;
mod known;
mod ollama_request;
mod ranking;
mod report;
mod request;
mod responses_request;
mod sound;

pub use answer::{Outcome, compare_answer, compare_failure};
pub use anthropic::normalise_messages_request;
pub use cohere::normalise_cohere_request;
pub use converse::normalise_converse_request;
pub use embedding::compare_embedding;
pub use form::compare_form;
pub use gemini_request::normalise_gemini_request;
pub use known::{KnownDifferences, KnownError};
pub use ollama_request::normalise_ollama_request;
pub use ranking::compare_ranking;
pub use report::{Report, Verdict};
pub use request::{compare_requests, normalise_chat_request};
pub use responses_request::normalise_responses_request;
pub use sound::compare_sound;

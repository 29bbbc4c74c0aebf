//! What each command does.

mod answer_text;
mod ask;
mod ingest;
mod models;
mod progress;
mod search;
mod serve;

pub(crate) use ask::ask;
pub(crate) use ingest::ingest;
pub(crate) use models::models;
pub(crate) use search::search;
pub(crate) use serve::serve;

//! What each command does.

mod answer_text;
mod ask;
mod backup;
mod check;
mod completions;
mod ingest;
mod keys;
mod models;
mod people;
mod progress;
mod reembed;
mod search;
mod serve;
mod usage;

pub(crate) use ask::ask;
pub(crate) use backup::{backup, restore};
pub(crate) use check::check;
pub(crate) use completions::completions;
pub(crate) use ingest::ingest;
pub(crate) use keys::keys;
pub(crate) use models::models;
pub(crate) use people::people;
pub(crate) use reembed::reembed;
pub(crate) use search::search;
pub(crate) use serve::serve;
pub(crate) use usage::{span, usage};

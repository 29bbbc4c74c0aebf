//! Brings the indexes up to the database, after a crash or when they are made anew.

use std::num::NonZero;
use std::sync::Arc;
use std::thread;

use rag_core::{EmbeddedChunk, StoreError};
use rusqlite::Connection;

use crate::chunks::Vectors;
use crate::documents::Indexed;
use crate::prepared::PreparedDocument;
use crate::search_index::SearchIndex;
use crate::snapshot::{Change, TailDocument};
use crate::{chunks, documents};

/// Documents that are read before they are indexed.
const BATCH: usize = 256;

/// Indexes every document that was completed after the last one that the indexes hold.
pub(crate) fn run(
    connection: &Connection,
    index: &SearchIndex,
    tail_chunks: usize,
) -> Result<(), StoreError> {
    let mut done = 0;
    loop {
        let missing = documents::completed_after(connection, index.sequence(), BATCH)?;
        if missing.is_empty() {
            break;
        }
        done += missing.len();
        let read = missing
            .into_iter()
            .map(|document| Missing::read(connection, document))
            .collect::<Result<Vec<_>, _>>()?;
        if index.apply(prepare_all(&read)) >= tail_chunks {
            index.flush()?;
            tracing::info!(documents = done, "indexing what the search index lacked");
        }
    }
    if done > 0 {
        tracing::info!(documents = done, "the search index is complete again");
    }
    Ok(())
}

struct Missing {
    document: Indexed,
    title: Option<String>,
    chunks: Vec<EmbeddedChunk>,
}

impl Missing {
    fn read(connection: &Connection, document: Indexed) -> Result<Self, StoreError> {
        let (title, chunks) = chunks::of_version(connection, document.version, Vectors::Current)?;
        Ok(Self { document, title, chunks })
    }

    fn prepare(&self) -> Change {
        let dimensions = self.chunks.first().map_or(0, |chunk| chunk.vector.len());
        let content = PreparedDocument::new(self.title.as_deref(), &self.chunks, dimensions);
        let Indexed { no, dataset, version } = self.document;
        let document = TailDocument { no, version, content: Arc::new(content) };
        Change::DocumentStored { dataset, document, replaced: 0 }
    }
}

/// Prepares documents on all cores, in order.
fn prepare_all(documents: &[Missing]) -> Vec<Change> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let share = documents.len().div_ceil(cores).max(1);
    thread::scope(|scope| {
        let workers: Vec<_> = documents
            .chunks(share)
            .map(|share| scope.spawn(|| share.iter().map(Missing::prepare).collect::<Vec<_>>()))
            .collect();
        workers.into_iter().filter_map(|worker| worker.join().ok()).flatten().collect()
    })
}

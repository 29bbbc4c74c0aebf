//! Moving a dataset of an [`EmbeddedStore`] to another embedding.

use std::sync::Arc;

use rag_core::{
    ChunkSlot, ChunkToReembed, DatasetId, EmbeddingIdentity, NewVector, Reembedding,
    ReembeddingProgress, ReembeddingStore, StoreError, StoreErrorKind,
};

use crate::chunks::{self, Vectors};
use crate::embedded::EmbeddedStore;
use crate::prepared::PreparedDocument;
use crate::reembedding;
use crate::second_versions::{self, FirstVersion};

/// Chunks that are given in one go at most.
const MOST_CHUNKS: usize = 4096;

impl ReembeddingStore for EmbeddedStore {
    fn begin_reembedding(
        &self,
        dataset: &DatasetId,
        embedding: &EmbeddingIdentity,
    ) -> Result<Reembedding, StoreError> {
        let (dataset, embedding) = (dataset.clone(), embedding.clone());
        self.inner.write(move |connection, changes| {
            let (begun, change) = reembedding::begin(connection, &dataset, &embedding)?;
            changes.extend(change);
            Ok(begun)
        })
    }

    fn reembedding(
        &self,
        dataset: &DatasetId,
    ) -> Result<Option<(Reembedding, ReembeddingProgress)>, StoreError> {
        self.inner.readers.read(|connection| {
            let Some(under_way) = reembedding::find(connection, dataset)? else { return Ok(None) };
            let progress = reembedding::progress(connection, &under_way)?;
            Ok(Some((under_way.public, progress)))
        })
    }

    fn chunks_to_reembed(
        &self,
        reembedding: &Reembedding,
        from: ChunkSlot,
        limit: usize,
    ) -> Result<Vec<ChunkToReembed>, StoreError> {
        self.inner.readers.read(|connection| {
            let under_way = reembedding::find_same(connection, reembedding)?;
            reembedding::pending(connection, &under_way, from, limit.min(MOST_CHUNKS))
        })
    }

    fn put_vectors(
        &self,
        reembedding: &Reembedding,
        vectors: Vec<NewVector>,
    ) -> Result<(), StoreError> {
        let dimensions = reembedding.embedding.dimensions as usize;
        if let Some(wrong) = vectors.iter().find(|new| new.vector.len() != dimensions) {
            return Err(StoreError::new(
                StoreErrorKind::EmbeddingMismatch,
                format!(
                    "a vector of {} numbers does not fit {}, which has {dimensions}",
                    wrong.vector.len(),
                    reembedding.embedding.model
                ),
            ));
        }
        let of = reembedding.clone();
        let complete = self.inner.write_repeatable(move |connection, _| {
            let under_way = reembedding::find_same(connection, &of)?;
            reembedding::put(connection, &under_way, &vectors)
        })?;
        complete.into_iter().try_for_each(|document| self.promote(reembedding, document))
    }

    fn finish_reembedding(&self, reembedding: &Reembedding) -> Result<bool, StoreError> {
        loop {
            let complete = self.inner.readers.read(|connection| {
                let under_way = reembedding::find_same(connection, reembedding)?;
                second_versions::all_complete(connection, &under_way)
            })?;
            let Some(complete) = complete else { return Ok(false) };
            if complete.is_empty() {
                break;
            }
            for document in complete {
                self.promote(reembedding, document)?;
            }
        }
        let reembedding = reembedding.clone();
        self.inner.write(move |connection, changes| {
            let moved = reembedding::finish(connection, &reembedding)?;
            let finished = moved.is_some();
            changes.extend(moved);
            Ok(finished)
        })
    }

    fn abandon_reembedding(&self, dataset: &DatasetId) -> Result<bool, StoreError> {
        let dataset = dataset.clone();
        self.inner.write(move |connection, changes| {
            let abandoned = reembedding::abandon(connection, &dataset)?;
            let existed = abandoned.is_some();
            changes.extend(abandoned);
            Ok(existed)
        })
    }
}

impl EmbeddedStore {
    /// Gives a document that has all of its new vectors its new version.
    fn promote(&self, reembedding: &Reembedding, document: FirstVersion) -> Result<(), StoreError> {
        self.inner.bell.wait_for_room(&self.inner.options)?;
        let (title, chunks) = self
            .inner
            .readers
            .read(|connection| chunks::of_version(connection, document.version, Vectors::New))?;
        let dimensions = reembedding.embedding.dimensions as usize;
        let content = Arc::new(PreparedDocument::new(title.as_deref(), &chunks, dimensions));
        let reembedding = reembedding.clone();
        self.inner.write_repeatable(move |connection, changes| {
            changes.extend(second_versions::promote(connection, &reembedding, document, content)?);
            Ok(())
        })
    }
}

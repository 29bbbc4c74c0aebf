//! Moving a dataset of a [`PostgresStore`] to another embedding.

use rag_core::{
    ChunkSlot, ChunkToReembed, DatasetId, EmbeddingIdentity, NewVector, Reembedding,
    ReembeddingProgress, ReembeddingStore, StoreError,
};

use crate::failure::mismatch;
use crate::reembedding;
use crate::store::PostgresStore;

/// Chunks that are given in one go at most.
const MOST_CHUNKS: usize = 4096;

impl ReembeddingStore for PostgresStore {
    fn begin_reembedding(
        &self,
        dataset: &DatasetId,
        embedding: &EmbeddingIdentity,
    ) -> Result<Reembedding, StoreError> {
        self.inner.pool.write(|database| reembedding::begin(database, dataset, embedding))
    }

    fn reembedding(
        &self,
        dataset: &DatasetId,
    ) -> Result<Option<(Reembedding, ReembeddingProgress)>, StoreError> {
        self.inner.pool.read_snapshot(|database| {
            let Some(under_way) = reembedding::find(database, dataset)? else { return Ok(None) };
            let progress = reembedding::progress(database, &under_way)?;
            Ok(Some((under_way.public, progress)))
        })
    }

    fn chunks_to_reembed(
        &self,
        reembedding: &Reembedding,
        from: ChunkSlot,
        limit: usize,
    ) -> Result<Vec<ChunkToReembed>, StoreError> {
        self.inner.pool.read_snapshot(|database| {
            let under_way = reembedding::find_same(database, reembedding)?;
            reembedding::pending(database, &under_way, from, limit.min(MOST_CHUNKS))
        })
    }

    fn put_vectors(
        &self,
        reembedding: &Reembedding,
        vectors: Vec<NewVector>,
    ) -> Result<(), StoreError> {
        let dimensions = reembedding.embedding.dimensions as usize;
        if let Some(wrong) = vectors.iter().find(|new| new.vector.len() != dimensions) {
            return Err(mismatch(format!(
                "a vector of {} numbers does not fit {}, which has {dimensions}",
                wrong.vector.len(),
                reembedding.embedding.model
            )));
        }
        self.inner.pool.write(|database| reembedding::put(database, reembedding, &vectors))
    }

    fn finish_reembedding(&self, reembedding: &Reembedding) -> Result<bool, StoreError> {
        self.inner.pool.write(|database| reembedding::finish(database, reembedding))
    }

    fn abandon_reembedding(&self, dataset: &DatasetId) -> Result<bool, StoreError> {
        self.inner.pool.write(|database| reembedding::abandon(database, dataset))
    }
}

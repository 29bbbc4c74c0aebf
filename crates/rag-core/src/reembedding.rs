//! Moving a dataset to another embedding while it is searched.

use serde::{Deserialize, Serialize};

use crate::{Chunk, DatasetId, EmbeddingIdentity, StoreError};

/// Moves datasets to another embedding while questions go on. All of it survives a restart.
///
/// Until [`finish_reembedding`](Self::finish_reembedding) nothing changes for anybody: questions and documents that are
/// ingested meanwhile use the old embedding, and such documents are among the chunks to embed later. It then switches
/// in one step. Whoever drives it does this, on as many threads as it likes:
///
/// ```
/// use rag_core::{Chunk, ChunkSlot, DatasetId, EmbeddingIdentity, NewVector, ReembeddingStore, StoreError};
///
/// fn reembed(
///     store: &dyn ReembeddingStore,
///     dataset: &DatasetId,
///     embedding: &EmbeddingIdentity,
///     embed: impl Fn(&Chunk) -> Vec<f32>,
/// ) -> Result<(), StoreError> {
///     let reembedding = store.begin_reembedding(dataset, embedding)?;
///     while !store.finish_reembedding(&reembedding)? {
///         let mut after = ChunkSlot::FIRST;
///         loop {
///             let chunks = store.chunks_to_reembed(&reembedding, after, 64)?;
///             let Some(last) = chunks.last() else { break };
///             after = last.slot.next();
///             let vectors = chunks.iter();
///             let vectors = vectors.map(|c| NewVector { slot: c.slot, vector: embed(&c.chunk) });
///             store.put_vectors(&reembedding, vectors.collect())?;
///         }
///     }
///     Ok(())
/// }
/// ```
pub trait ReembeddingStore: Send + Sync {
    /// Begins to move a dataset to another embedding, or goes on with what was begun with the same.
    ///
    /// # Errors
    /// [`NotFound`](crate::StoreErrorKind::NotFound) when there is no such dataset.
    /// [`EmbeddingMismatch`](crate::StoreErrorKind::EmbeddingMismatch) when it is being moved to a third embedding
    /// ([abandon](Self::abandon_reembedding) that first), or has this one already.
    fn begin_reembedding(
        &self,
        dataset: &DatasetId,
        embedding: &EmbeddingIdentity,
    ) -> Result<Reembedding, StoreError>;

    /// What a dataset is being moved to, and how far that is; `None`: nothing.
    ///
    /// # Errors
    /// Only the engine's own.
    fn reembedding(
        &self,
        dataset: &DatasetId,
    ) -> Result<Option<(Reembedding, ReembeddingProgress)>, StoreError>;

    /// Chunks of the dataset that have no new vector yet, ascending by slot from `from` on, at most `limit`. Several
    /// batches may be under way at once; a batch that is never put is simply found again.
    ///
    /// # Errors
    /// [`NotFound`](crate::StoreErrorKind::NotFound) when this is not under way any more.
    fn chunks_to_reembed(
        &self,
        reembedding: &Reembedding,
        from: ChunkSlot,
        limit: usize,
    ) -> Result<Vec<ChunkToReembed>, StoreError>;

    /// Keeps new vectors. Those of chunks that were replaced or deleted meanwhile are dropped.
    ///
    /// # Errors
    /// [`NotFound`](crate::StoreErrorKind::NotFound) when this is not under way any more.
    /// [`EmbeddingMismatch`](crate::StoreErrorKind::EmbeddingMismatch) when a vector has another length than the new
    /// embedding's; none is kept then.
    fn put_vectors(
        &self,
        reembedding: &Reembedding,
        vectors: Vec<NewVector>,
    ) -> Result<(), StoreError>;

    /// Switches the dataset to the new embedding in one step, if every chunk has its new vector; whether it did. Jobs
    /// that are running lose their claim, and are done again with the new embedding.
    ///
    /// # Errors
    /// [`NotFound`](crate::StoreErrorKind::NotFound) when this is not under way any more.
    fn finish_reembedding(&self, reembedding: &Reembedding) -> Result<bool, StoreError>;

    /// Gives up moving a dataset, and drops the vectors made for it. Whether there was something to give up.
    ///
    /// # Errors
    /// Only the engine's own.
    fn abandon_reembedding(&self, dataset: &DatasetId) -> Result<bool, StoreError>;
}

/// A dataset's move to another embedding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reembedding {
    /// The dataset.
    pub dataset: DatasetId,
    /// Tells this move from earlier and later ones.
    pub number: i64,
    /// The new embedding.
    pub embedding: EmbeddingIdentity,
}

/// How far a move is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReembeddingProgress {
    /// Chunks that have their new vector.
    pub done: u64,
    /// Chunks that have none yet.
    pub left: u64,
}

/// Names one state of one chunk to the store: what replaces the chunk has another slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChunkSlot(pub i64);

impl ChunkSlot {
    /// Not above any.
    pub const FIRST: Self = Self(0);

    /// The one after this.
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// A chunk that needs a new vector.
#[derive(Clone, Debug, PartialEq)]
pub struct ChunkToReembed {
    /// Where its vector belongs.
    pub slot: ChunkSlot,
    /// The chunk.
    pub chunk: Chunk,
}

/// A vector for a chunk.
#[derive(Clone, Debug, PartialEq)]
pub struct NewVector {
    /// The chunk's slot.
    pub slot: ChunkSlot,
    /// Its vector, L2-normalised.
    pub vector: Vec<f32>,
}

//! Moving a dataset to another embedding while it is searched.

use std::sync::Arc;

use futures::{TryStreamExt, stream};
use llm_core::EmbeddingModel;
use rag_core::{
    ChunkSlot, ChunkToReembed, Dataset, EmbeddingIdentity, NewVector, Reembedding,
    ReembeddingProgress,
};

use crate::pipeline::{Pipeline, Shared, TextsOf};
use crate::stages::make_vectors;
use crate::trouble::Trouble;
use crate::{IngestError, IngestStore};

/// Batches under way at once.
const BATCHES_AT_ONCE: usize = 2;

impl Pipeline {
    /// Embeds all chunks of a dataset with another model, and then has questions answered by the new vectors, in one
    /// step. Until then questions and ingestion go on with the old ones. How many chunks this call embedded.
    ///
    /// Dropping the future stops it; called again, it goes on where it was, also after a restart. `told` hears how far
    /// it is, once a batch. Models in trouble are waited for as in ingestion.
    ///
    /// # Errors
    /// The store's: above all [`EmbeddingMismatch`](rag_core::StoreErrorKind::EmbeddingMismatch) when the dataset has
    /// this embedding already, or is being moved to a third. The model's, after all patience.
    pub async fn reembed(
        &self,
        dataset: &Dataset,
        embedding: &EmbeddingIdentity,
        told: impl Fn(ReembeddingProgress) + Send + Sync,
    ) -> Result<u64, IngestError> {
        let shared = self.shared();
        // A model that is not there is told before anything begins.
        let model = (shared.parts.embedder)(embedding, TextsOf::dataset(dataset))
            .map_err(|error| failed(error.into()))?;
        let (id, identity) = (dataset.id.clone(), embedding.clone());
        let begin = move |store: &dyn IngestStore| store.begin_reembedding(&id, &identity);
        let reembedding = shared.with_store(begin).await??;
        let step = Step { shared, model, reembedding };
        let mut embedded = 0;
        while !step.finish().await? {
            embedded += step.pass(&told).await?;
        }
        Ok(embedded)
    }
}

struct Step<'a> {
    shared: &'a Arc<Shared>,
    model: Arc<dyn EmbeddingModel>,
    reembedding: Reembedding,
}

impl Step<'_> {
    /// Switches the dataset over, if all chunks have their vectors.
    async fn finish(&self) -> Result<bool, IngestError> {
        let reembedding = self.reembedding.clone();
        let finish = move |store: &dyn IngestStore| store.finish_reembedding(&reembedding);
        Ok(self.shared.with_store(finish).await??)
    }

    /// Embeds the chunks that have no new vector, each once. How many.
    async fn pass(
        &self,
        told: &(dyn Fn(ReembeddingProgress) + Send + Sync),
    ) -> Result<u64, IngestError> {
        let dataset = self.reembedding.dataset.clone();
        let state = self.shared.with_store(move |store| store.reembedding(&dataset)).await??;
        let mut progress = state.map(|(_, progress)| progress).unwrap_or_default();
        let mut embedded = 0;
        let batches = stream::try_unfold(ChunkSlot::FIRST, |from| async move {
            let chunks = self.chunks(from).await?;
            let next = chunks.last().map(|last| last.slot.next());
            Ok::<_, IngestError>(next.map(|next| (chunks, next)))
        });
        let mut done = std::pin::pin!(
            batches.map_ok(|chunks| self.embed(chunks)).try_buffered(BATCHES_AT_ONCE)
        );
        while let Some(count) = done.try_next().await? {
            embedded += count;
            progress.done += count;
            progress.left = progress.left.saturating_sub(count);
            told(progress);
        }
        Ok(embedded)
    }

    async fn chunks(&self, from: ChunkSlot) -> Result<Vec<ChunkToReembed>, IngestError> {
        let (reembedding, limit) = (self.reembedding.clone(), self.shared.batch_of(&*self.model));
        let find =
            move |store: &dyn IngestStore| store.chunks_to_reembed(&reembedding, from, limit);
        Ok(self.shared.with_store(find).await??)
    }

    async fn embed(&self, chunks: Vec<ChunkToReembed>) -> Result<u64, IngestError> {
        let count = chunks.len() as u64;
        let texts = chunks.iter().map(|chunk| chunk.chunk.contextual_text()).collect();
        let identity = &self.reembedding.embedding;
        let vectors = make_vectors(self.shared, &*self.model, identity, texts).await;
        let vectors = vectors.map_err(failed)?;
        let slots = chunks.into_iter().map(|chunk| chunk.slot);
        let vectors = slots.zip(vectors).map(|(slot, vector)| NewVector { slot, vector }).collect();
        let reembedding = self.reembedding.clone();
        let put = move |store: &dyn IngestStore| store.put_vectors(&reembedding, vectors);
        self.shared.with_store(put).await??;
        Ok(count)
    }
}

pub(crate) fn failed(trouble: Trouble) -> IngestError {
    match trouble {
        Trouble::Failed(reason) => IngestError::Model(reason),
        Trouble::Store(error) => IngestError::Store(error),
        Trouble::Changed(_) | Trouble::Lost | Trouble::Later => {
            IngestError::Model("the work was stopped".to_owned())
        }
    }
}

//! What owners do with single documents: keep a file for later, ingest it again, change its chunks.

use std::path::PathBuf;
use std::sync::Arc;

use llm_bundle::Priority;
use rag_core::{
    Chunk, ChunkEdit, ChunkId, Dataset, DatasetId, DocumentId, DocumentSource, EmbeddedChunk,
    IngestJob, StoreError,
};

use crate::IngestStore;
use crate::pipeline::{Pipeline, Shared, TextsOf};
use crate::reembed::failed;
use crate::stages::make_vectors_now;
use crate::submit::Urgency;
use crate::{IngestError, hash};

/// Chunks that are embedded in one call, at most.
const AT_ONCE: usize = 64;

impl Pipeline {
    /// Notes a file as a document that is kept until [`ingest_again`](Self::ingest_again) asks for its ingestion.
    ///
    /// # Errors
    /// The store's, [`Occupied`](rag_core::StoreErrorKind::Occupied) when the dataset has a document of that name; the
    /// disk's, as [`IngestError::File`].
    pub async fn keep(
        &self,
        dataset: &DatasetId,
        name: String,
        path: PathBuf,
    ) -> Result<DocumentId, IngestError> {
        let dataset = dataset.clone();
        let keep = move |store: &dyn IngestStore| {
            let (content, bytes) = hash::of_file(&path).map_err(IngestError::File)?;
            let source = DocumentSource::File { path };
            let job = IngestJob::new(dataset, name, source, content, bytes);
            let job = IngestJob { priority: Urgency::Upload.priority(), ..job };
            Ok::<_, IngestError>(store.keep(&job)?)
        };
        self.shared().with_store_as(Priority::Interactive, keep).await?
    }

    /// Queues a document as it was submitted or kept last, whatever became of it. What is searchable of it stays so until
    /// it is ingested. Whether it did: not when the document does not exist or has a job.
    ///
    /// # Errors
    /// As [`retry`](Self::retry).
    pub async fn ingest_again(&self, document: &DocumentId) -> Result<bool, IngestError> {
        let (shared, id) = (self.shared(), document.clone());
        let again = move |store: &dyn IngestStore| {
            let queued = store.ingest_again(&id)?;
            Ok::<_, StoreError>((queued, store.document(&id)?))
        };
        let (queued, document) = shared.with_store_as(Priority::Interactive, again).await??;
        if queued {
            shared.queued(1, document.map_or(0, |document| document.bytes));
        }
        Ok(queued)
    }

    /// Puts chunks into a document, in place of those of the same ids or after the last one, and removes others, in one
    /// step. They are embedded with the dataset's model. Whether the document exists.
    ///
    /// # Errors
    /// The model's, which is not asked twice; the store's and the pool's. Nothing is changed then.
    pub async fn edit_chunks(
        &self,
        dataset: &Dataset,
        document: &DocumentId,
        put: Vec<Chunk>,
        remove: Vec<ChunkId>,
    ) -> Result<bool, IngestError> {
        let put = embedded(self.shared(), dataset, put).await?;
        let (id, edit) = (document.clone(), ChunkEdit { put, remove });
        let change = move |store: &dyn IngestStore| store.edit_chunks(&id, &edit);
        Ok(self.shared().with_store_as(Priority::Interactive, change).await??)
    }
}

/// The chunks with their vectors.
async fn embedded(
    shared: &Arc<Shared>,
    dataset: &Dataset,
    chunks: Vec<Chunk>,
) -> Result<Vec<EmbeddedChunk>, IngestError> {
    let searched = chunks.iter().filter(|chunk| chunk.is_searched());
    let texts: Vec<String> = searched.map(Chunk::contextual_text).collect();
    let mut vectors = Vec::with_capacity(texts.len());
    if !texts.is_empty() {
        let identity = &dataset.embedding;
        let model = (shared.parts.embedder)(identity, TextsOf::dataset(dataset));
        let model = model.map_err(|error| failed(error.into()))?;
        for texts in texts.chunks(shared.batch_of(&*model).min(AT_ONCE)) {
            let made = make_vectors_now(&*model, identity, texts.to_vec()).await;
            vectors.extend(made.map_err(failed)?);
        }
    }
    let mut vectors = vectors.into_iter();
    let embedded = chunks.into_iter().map(|chunk| {
        let vector = match chunk.is_searched() {
            true => vectors.next().unwrap_or_default(),
            false => Vec::new(),
        };
        EmbeddedChunk { chunk, vector }
    });
    Ok(embedded.collect())
}

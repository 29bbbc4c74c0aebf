//! Making the document searchable.

use rag_core::{Chunk, CompletedDocument, EmbeddedChunk, Metadata, ParsedDocument};

use crate::held_job::HeldJob;
use crate::trouble::Trouble;

/// All of a document that is kept.
#[derive(Debug, Default)]
pub(crate) struct Finding {
    /// Its chunks in order.
    pub(crate) chunks: Vec<Chunk>,
    /// Their vectors, empty for those that are not searched.
    pub(crate) vectors: Vec<Vec<f32>>,
    /// What models found.
    pub(crate) metadata: Metadata,
}

/// Ends the job: the document's chunks are replaced in one step.
pub(crate) async fn index(
    held: &HeldJob,
    parsed: ParsedDocument,
    finding: Finding,
) -> Result<(), Trouble> {
    let job = held.job().clone();
    // Its owner knows best, then whoever was asked for a field by name.
    let ParsedDocument { title, pages, mut metadata, .. } = parsed;
    metadata.extend(finding.metadata);
    metadata.extend(job.job.metadata.clone());
    let (chunks, vectors) = (finding.chunks, finding.vectors);
    let work = move |store: &dyn crate::IngestStore| {
        let embedded =
            chunks.into_iter().zip(vectors).map(|(chunk, vector)| EmbeddedChunk { chunk, vector });
        let chunks = embedded.collect();
        store.complete(&job, CompletedDocument { title, pages, metadata, chunks })
    };
    Ok(held.shared().with_store(work).await??)
}

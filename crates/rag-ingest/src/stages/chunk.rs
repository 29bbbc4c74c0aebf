//! Cutting the document.

use rag_core::{Chunk, ParsedDocument};

use crate::held_job::HeldJob;
use crate::trouble::Trouble;

/// The document and its chunks: at least one.
pub(crate) async fn chunk(
    held: &HeldJob,
    parsed: ParsedDocument,
) -> Result<(ParsedDocument, Vec<Chunk>), Trouble> {
    let shared = held.shared();
    let (chunker, job) = (shared.parts.chunker.clone(), held.job().clone());
    let work = move || {
        let chunks =
            chunker.chunk(&job.job.dataset, &job.document, &parsed, &job.settings.chunking);
        (parsed, chunks)
    };
    let (parsed, chunks) = shared.on_pool(work).await?;
    if chunks.is_empty() {
        return Err(Trouble::failed("the file holds no text"));
    }
    Ok((parsed, chunks))
}

//! What stands before and after a passage.

use rag_core::{Chunk, ChunkKind};

use crate::retriever::Retriever;
use crate::{RetrieveError, RetrievedChunk};

/// Gives each passage up to `count` chunks of its own kind before and after it.
pub(crate) fn add_neighbours(
    retriever: &Retriever,
    passages: &mut [RetrievedChunk],
    count: u32,
) -> Result<(), RetrieveError> {
    for passage in passages {
        let (document, ordinal) = (&passage.chunk.document, passage.chunk.ordinal);
        let kind = passage.chunk.kind;
        // Parts stand between the chunks that they are of.
        let reach = match kind {
            ChunkKind::Passage => count,
            _ => count.saturating_mul(PARTS),
        };
        let range = ordinal.saturating_sub(reach)..ordinal.saturating_add(reach).saturating_add(1);
        let around = retriever.store.document_chunks(document, range)?;
        let alike = around.into_iter().filter(|chunk| {
            chunk.kind == kind && chunk.ordinal != ordinal && !is_part_of(chunk, &passage.chunk)
        });
        let (before, after): (Vec<Chunk>, Vec<Chunk>) =
            alike.partition(|chunk| chunk.ordinal < ordinal);
        let far = before.len().saturating_sub(count as usize);
        passage.before = before.into_iter().skip(far).collect();
        passage.after = after.into_iter().take(count as usize).collect();
    }
    Ok(())
}

/// More parts than a chunk has, as a rule.
const PARTS: u32 = 64;

fn is_part_of(part: &Chunk, whole: &Chunk) -> bool {
    part.parent.as_ref() == Some(&whole.id)
}

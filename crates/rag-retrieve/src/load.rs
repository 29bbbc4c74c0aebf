//! From hits to passages: reading chunks and naming their documents.

use std::collections::HashMap;

use rag_core::{Chunk, ChunkId, Document, DocumentId};

use crate::retriever::Retriever;
use crate::{Explanation, FusedHit, RetrieveError, RetrievedChunk};

/// The passages of these hits, in their order. Those deleted since the search are left out.
pub(crate) fn load(
    retriever: &Retriever,
    hits: &[FusedHit],
) -> Result<Vec<RetrievedChunk>, RetrieveError> {
    let ids: Vec<ChunkId> = hits.iter().map(|hit| hit.chunk.clone()).collect();
    let mut chunks: HashMap<ChunkId, Chunk> =
        retriever.store.chunks(&ids)?.into_iter().map(|chunk| (chunk.id.clone(), chunk)).collect();
    let documents = documents_of(retriever, chunks.values())?;
    let retrieved = hits.iter().filter_map(|hit| {
        let chunk = chunks.remove(&hit.chunk)?;
        let document = documents.get(&chunk.document)?;
        Some(retrieved(chunk, document, explanation(hit)))
    });
    Ok(retrieved.collect())
}

fn documents_of<'a>(
    retriever: &Retriever,
    chunks: impl Iterator<Item = &'a Chunk>,
) -> Result<HashMap<DocumentId, Document>, RetrieveError> {
    let mut documents: HashMap<DocumentId, Document> = HashMap::new();
    for chunk in chunks {
        if !documents.contains_key(&chunk.document) {
            let document = retriever.store.document(&chunk.document)?;
            documents.extend(document.map(|document| (document.id.clone(), document)));
        }
    }
    Ok(documents)
}

fn retrieved(chunk: Chunk, document: &Document, why: Explanation) -> RetrievedChunk {
    RetrievedChunk {
        chunk,
        document_name: document.name.clone(),
        title: document.title.clone(),
        metadata: document.metadata.clone(),
        score: why.score(),
        why,
        highlights: Vec::new(),
        before: Vec::new(),
        after: Vec::new(),
    }
}

fn explanation(hit: &FusedHit) -> Explanation {
    Explanation {
        text: hit.text,
        coverage: hit.coverage,
        vector: hit.vector,
        nearness: hit.nearness,
        vector_weight: hit.vector_weight,
        fused: hit.score,
        ..Explanation::default()
    }
}

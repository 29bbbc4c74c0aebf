//! The page that was asked for, out of everything in its order.

use std::collections::HashMap;

use rag_core::{Chunk, ChunkId};

use crate::load::load;
use crate::retriever::Retriever;
use crate::{FusedHit, RetrieveError, RetrieveRequest, RetrievedChunk};

/// Hits read in one go when the page's own were not enough.
const MORE: usize = 32;

/// Takes the page out of the `loaded` hits and, behind them, the others. Parts become the chunks that they are of,
/// each once.
pub(crate) fn page(
    retriever: &Retriever,
    request: &RetrieveRequest,
    loaded: Vec<RetrievedChunk>,
    rest: &[FusedHit],
) -> Result<Vec<RetrievedChunk>, RetrieveError> {
    let wanted = request.skip.saturating_add(request.top);
    let mut shelf = Shelf { parents: request.parents, ..Shelf::default() };
    shelf.add(retriever, loaded)?;
    let mut rest = rest;
    while shelf.hits.len() < wanted && !rest.is_empty() {
        let missing = wanted - shelf.hits.len();
        // Without parts nothing is lost on the way, and the page's hits are all that is read.
        let batch = missing.max(if shelf.joined > 0 { MORE } else { 0 }).min(rest.len());
        let (next, after) = rest.split_at(batch);
        shelf.add(retriever, load(retriever, next)?)?;
        rest = after;
    }
    Ok(shelf.hits.into_iter().skip(request.skip).take(request.top).collect())
}

#[derive(Default)]
struct Shelf {
    parents: bool,
    hits: Vec<RetrievedChunk>,
    /// Where the chunk of which parts were found stands.
    places: HashMap<ChunkId, usize>,
    /// Parts that went into chunks that stood there before.
    joined: usize,
}

impl Shelf {
    fn add(
        &mut self,
        retriever: &Retriever,
        hits: Vec<RetrievedChunk>,
    ) -> Result<(), RetrieveError> {
        let mut parents = match self.parents {
            true => self.parents_of(retriever, &hits)?,
            false => HashMap::new(),
        };
        for mut hit in hits {
            let parent = hit.chunk.parent.clone().filter(|_| self.parents);
            if let Some(place) = parent.as_ref().and_then(|parent| self.places.get(parent)) {
                if let Some(standing) = self.hits.get_mut(*place) {
                    standing.why.parts += 1;
                }
                self.joined += 1;
                continue;
            }
            if let Some(whole) = parent.and_then(|parent| parents.remove(&parent)) {
                self.places.insert(whole.id.clone(), self.hits.len());
                hit.chunk = whole;
                hit.why.parts = 1;
            }
            self.hits.push(hit);
        }
        Ok(())
    }

    /// The chunks that these hits are parts of, but for those that stand already.
    fn parents_of(
        &self,
        retriever: &Retriever,
        hits: &[RetrievedChunk],
    ) -> Result<HashMap<ChunkId, Chunk>, RetrieveError> {
        let mut ids: Vec<ChunkId> =
            hits.iter().filter_map(|hit| hit.chunk.parent.clone()).collect();
        ids.retain(|id| !self.places.contains_key(id));
        ids.sort_unstable();
        ids.dedup();
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let parents = retriever.store.chunks(&ids)?;
        Ok(parents.into_iter().map(|chunk| (chunk.id.clone(), chunk)).collect())
    }
}

//! What is kept between attempts: results of dear steps, under keys made of all that they depend on.

use std::sync::Arc;

use llm_bundle::{Priority, SyncPool};
use rag_core::{ArtifactKey, ArtifactKind, ArtifactStore, ContentHash};
use tokio_util::task::TaskTracker;

use crate::on_pool::on_pool;

/// What was kept, for async code. Clones share what they are keeping.
#[derive(Clone)]
pub(crate) struct Artifacts {
    store: Arc<dyn ArtifactStore>,
    pool: SyncPool,
    keeping: TaskTracker,
}

impl Artifacts {
    /// What is kept in this store, whose calls run on this pool.
    pub(crate) fn new(store: Arc<dyn ArtifactStore>, pool: SyncPool) -> Self {
        Self { store, pool, keeping: TaskTracker::new() }
    }

    /// What was kept under these keys, in their order. A pool or store that fails knows of nothing.
    pub(crate) async fn find(&self, keys: Vec<ArtifactKey>) -> Vec<Option<Vec<u8>>> {
        let (store, count) = (self.store.clone(), keys.len());
        let found = on_pool(&self.pool, Priority::Batch, move || find(&*store, &keys)).await;
        found.unwrap_or_else(|_| vec![None; count])
    }

    /// Keeps what was paid for, also when the caller leaves meanwhile: then it ends by itself.
    pub(crate) async fn keep(&self, artifacts: Vec<(ArtifactKey, Vec<u8>)>) {
        let (store, pool) = (self.store.clone(), self.pool.clone());
        let kept = self.keeping.spawn(async move {
            let keep = move || keep(&*store, artifacts);
            if let Err(error) = on_pool(&pool, Priority::Batch, keep).await {
                tracing::warn!(%error, "the result of a dear step could not be kept");
            }
        });
        drop(kept.await);
    }

    /// Returns when everything is kept. Nothing may be given to keep from here on.
    pub(crate) async fn settled(&self) {
        self.keeping.close();
        self.keeping.wait().await;
    }
}

/// A key made of `parts`, each told apart from the next.
pub(crate) fn key(kind: ArtifactKind, parts: &[&[u8]]) -> ArtifactKey {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    ArtifactKey { kind, hash: ContentHash(*hasher.finalize().as_bytes()) }
}

/// What was kept. It is only a cache: a store that cannot tell has nothing. Blocks.
pub(crate) fn find<S: ArtifactStore + ?Sized>(
    store: &S,
    keys: &[ArtifactKey],
) -> Vec<Option<Vec<u8>>> {
    match store.artifacts(keys) {
        Ok(found) if found.len() == keys.len() => found,
        Ok(_) => vec![None; keys.len()],
        Err(error) => {
            tracing::warn!(%error, "what was kept of earlier attempts could not be read");
            vec![None; keys.len()]
        }
    }
}

/// Keeps. What cannot be kept is made again when it is needed. Blocks.
pub(crate) fn keep<S: ArtifactStore + ?Sized>(store: &S, artifacts: Vec<(ArtifactKey, Vec<u8>)>) {
    if artifacts.is_empty() {
        return;
    }
    if let Err(error) = store.keep_artifacts(artifacts) {
        tracing::warn!(%error, "the result of a dear step could not be kept");
    }
}

/// A vector as bytes.
pub(crate) fn vector_to_bytes(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|x| x.to_le_bytes()).collect()
}

/// The vector of these bytes, if they are one of so many dimensions.
pub(crate) fn vector_of_bytes(bytes: &[u8], dimensions: u32) -> Option<Vec<f32>> {
    let (numbers, rest) = bytes.as_chunks::<4>();
    let fits = rest.is_empty() && numbers.len() == dimensions as usize;
    fits.then(|| numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_depend_on_every_part_and_on_their_borders() {
        let of = |parts: &[&[u8]]| key(ArtifactKind::Embedding, parts).hash;
        assert_eq!(of(&[b"ab", b"c"]), of(&[b"ab", b"c"]));
        assert_ne!(of(&[b"ab", b"c"]), of(&[b"a", b"bc"]));
        assert_ne!(of(&[b"a"]), of(&[b"a", b""]));
    }

    #[test]
    fn vectors_come_back_as_they_were() {
        let vector = vec![0.25, -1.5, f32::MIN_POSITIVE];
        let bytes = vector_to_bytes(&vector);
        assert_eq!(vector_of_bytes(&bytes, 3), Some(vector));
        assert_eq!(vector_of_bytes(&bytes, 2), None);
        assert_eq!(vector_of_bytes(&bytes[..11], 3), None);
    }
}

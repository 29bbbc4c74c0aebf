//! Making vectors of texts, those that are not known yet.

use std::collections::HashMap;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use llm_core::{EmbeddingModel, EmbeddingRequest};
use rag_core::{ArtifactKey, ArtifactKind, ClaimedJob, ContentHash, EmbeddingIdentity};

use crate::artifacts::{self, vector_of_bytes, vector_to_bytes};
use crate::held_job::HeldJob;
use crate::pipeline::{Shared, TextsOf};
use crate::trouble::Trouble;
use crate::{hash, patience};

/// Calls for batches of one document under way at once.
const BATCHES_AT_ONCE: usize = 2;

/// Embeds the texts of one document.
pub(crate) struct Embedding<'a> {
    held: &'a HeldJob,
    model: Arc<dyn EmbeddingModel>,
    /// Vectors of the version of the document that can be found now, by the hash of their texts.
    current: Arc<HashMap<ContentHash, Vec<f32>>>,
    /// Whether vectors are worth keeping.
    keeps: bool,
}

/// What embeds the texts of this document.
///
/// A text that the document had before is not embedded again, and neither is one whose vector was kept.
pub(crate) async fn embedding(held: &HeldJob) -> Result<Embedding<'_>, Trouble> {
    let shared = held.shared();
    let model = (shared.parts.embedder)(&held.job().embedding, TextsOf::job(held.job()))?;
    let name = model.info().name.to_string();
    let keeps = !shared.options.cheap_models.contains(&name);
    let job = held.job().clone();
    let current = shared.with_store(move |store| current(store, &job)).await?;
    Ok(Embedding { held, model, current: Arc::new(current), keeps })
}

/// Only the same text has the same hash, so nothing else is asked of the chunks.
fn current(store: &dyn crate::IngestStore, job: &ClaimedJob) -> HashMap<ContentHash, Vec<f32>> {
    match store.embedded_chunks(&job.document) {
        Ok(chunks) => chunks
            .into_iter()
            .filter(|chunk| chunk.vector.len() == job.embedding.dimensions as usize)
            .map(|chunk| (text_hash(&chunk.chunk.contextual_text()), chunk.vector))
            .collect(),
        Err(error) => {
            tracing::warn!(%error, "vectors of the earlier version could not be read");
            HashMap::new()
        }
    }
}

/// Texts in their order, and what vectors of them are known.
type WithVectors = (Vec<String>, Vec<Option<Vec<f32>>>);

fn text_hash(text: &str) -> ContentHash {
    hash::of_bytes(text.as_bytes())
}

impl Embedding<'_> {
    /// The vectors of these texts, in their order.
    pub(crate) async fn vectors(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>, Trouble> {
        let count = texts.len() as u64;
        let (texts, mut vectors) = self.with_current(texts).await?;
        let reused = vectors.iter().flatten().count() as u64;
        if reused > 0 {
            self.held.advanced(reused, count);
        }
        let missing: Vec<String> = texts
            .into_iter()
            .zip(&vectors)
            .filter_map(|(text, vector)| vector.is_none().then_some(text))
            .collect();
        let made: Vec<Vec<Vec<f32>>> =
            stream::iter(batches(missing, self.held.shared().batch_of(&*self.model)))
                .map(|texts| self.batch_of_vectors(texts, count))
                .buffered(BATCHES_AT_ONCE)
                .try_collect()
                .await?;
        let gaps = vectors.iter_mut().filter(|vector| vector.is_none());
        gaps.zip(made.into_iter().flatten()).for_each(|(gap, vector)| *gap = Some(vector));
        Ok(vectors.into_iter().flatten().collect())
    }

    /// The texts, each with the vector that it has now.
    async fn with_current(&self, texts: Vec<String>) -> Result<WithVectors, Trouble> {
        if self.current.is_empty() {
            let none = vec![None; texts.len()];
            return Ok((texts, none));
        }
        let current = self.current.clone();
        let look = move || {
            let vectors = texts.iter().map(|text| current.get(&text_hash(text)).cloned()).collect();
            (texts, vectors)
        };
        Ok(self.held.shared().on_pool(look).await?)
    }

    async fn batch_of_vectors(
        &self,
        texts: Vec<String>,
        count: u64,
    ) -> Result<Vec<Vec<f32>>, Trouble> {
        let done = texts.len() as u64;
        let vectors = match self.keeps {
            true => self.kept_or_made(texts).await?,
            false => self.made(texts).await?,
        };
        self.held.advanced(done, count);
        Ok(vectors)
    }

    async fn kept_or_made(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>, Trouble> {
        let identity = self.identity();
        let keys: Vec<ArtifactKey> = texts.iter().map(|text| key(identity, text)).collect();
        let kept = self.held.artifacts().find(keys.clone()).await.into_iter();
        let mut vectors: Vec<Option<Vec<f32>>> =
            kept.map(|bytes| vector_of_bytes(&bytes?, identity.dimensions)).collect();
        let missing: Vec<(ArtifactKey, String)> = keys
            .into_iter()
            .zip(texts)
            .zip(&vectors)
            .filter_map(|(keyed, vector)| vector.is_none().then_some(keyed))
            .collect();
        if !missing.is_empty() {
            let (keys, texts): (Vec<_>, Vec<_>) = missing.into_iter().unzip();
            let made = self.made(texts).await?;
            let kept = keys.into_iter().zip(made.iter().map(|vector| vector_to_bytes(vector)));
            self.held.artifacts().keep(kept.collect()).await;
            let gaps = vectors.iter_mut().filter(|vector| vector.is_none());
            gaps.zip(made).for_each(|(gap, vector)| *gap = Some(vector));
        }
        Ok(vectors.into_iter().flatten().collect())
    }

    async fn made(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>, Trouble> {
        make_vectors(self.held.shared(), &*self.model, self.identity(), texts).await
    }

    fn identity(&self) -> &EmbeddingIdentity {
        &self.held.job().embedding
    }
}

/// What the model gives: one vector of the identity's dimensions for each text, at length one.
pub(crate) async fn make_vectors(
    shared: &Shared,
    model: &dyn EmbeddingModel,
    identity: &EmbeddingIdentity,
    texts: Vec<String>,
) -> Result<Vec<Vec<f32>>, Trouble> {
    let count = texts.len();
    let request = request(model, identity, texts);
    let answer = patience::ask(shared, || model.embed(request.clone())).await?;
    checked(answer.vectors, identity, count)
}

/// The same at once: a model in trouble is told, not waited for.
pub(crate) async fn make_vectors_now(
    model: &dyn EmbeddingModel,
    identity: &EmbeddingIdentity,
    texts: Vec<String>,
) -> Result<Vec<Vec<f32>>, Trouble> {
    let count = texts.len();
    let answer = model.embed(request(model, identity, texts)).await?;
    checked(answer.vectors, identity, count)
}

fn request(
    model: &dyn EmbeddingModel,
    identity: &EmbeddingIdentity,
    texts: Vec<String>,
) -> EmbeddingRequest {
    let prefix = &identity.document_prefix;
    let inputs = texts.into_iter().map(|text| match prefix.is_empty() {
        true => text,
        false => format!("{prefix}{text}"),
    });
    EmbeddingRequest {
        model: model.info().name.model.clone(),
        ..EmbeddingRequest::documents(inputs)
    }
}

/// The vectors at length one, if they are as many and as long as they must be.
fn checked(
    vectors: Vec<Vec<f32>>,
    identity: &EmbeddingIdentity,
    count: usize,
) -> Result<Vec<Vec<f32>>, Trouble> {
    if vectors.len() != count {
        let given = vectors.len();
        return Err(Trouble::Failed(format!("the model gave {given} vectors for {count} chunks")));
    }
    let (name, dimensions) = (&identity.model, identity.dimensions);
    match vectors.iter().find(|vector| vector.len() != dimensions as usize) {
        None => Ok(vectors.into_iter().map(normalised).collect()),
        Some(other) => {
            let length = other.len();
            let reason = format!(
                "`{name}` gave vectors of {length} dimensions, the dataset has {dimensions}"
            );
            Err(Trouble::Failed(reason))
        }
    }
}

fn batches(texts: Vec<String>, size: usize) -> Vec<Vec<String>> {
    let mut texts = texts.into_iter();
    let next = || Some(texts.by_ref().take(size).collect::<Vec<_>>());
    std::iter::from_fn(next).take_while(|batch| !batch.is_empty()).collect()
}

fn key(identity: &EmbeddingIdentity, text: &str) -> ArtifactKey {
    let EmbeddingIdentity { model, dimensions, document_prefix, .. } = identity;
    let parts =
        [model.as_bytes(), &dimensions.to_le_bytes(), document_prefix.as_bytes(), text.as_bytes()];
    artifacts::key(ArtifactKind::Embedding, &parts)
}

/// The vector at length one; a zero vector stays.
fn normalised(mut vector: Vec<f32>) -> Vec<f32> {
    let norm = vector.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>().sqrt();
    if norm > 0.0 && norm.is_finite() {
        vector.iter_mut().for_each(|x| *x = (f64::from(*x) / norm) as f32);
    }
    vector
}

//! Finding candidates: both sides are searched and fused, a tier at a time.

use std::collections::HashSet;
use std::time::Instant;

use llm_core::{EmbeddingRequest, ErrorKind, ModelError, Operation, SyncEmbeddingModel};
use rag_core::{ChunkFilter, ChunkId, Dataset, DatasetId, EmbeddingIdentity, SearchQuery};

use crate::retriever::Retriever;
use crate::{
    FusedHit, Retrieval, RetrieveError, RetrieveRequest, VectorWeight, default_vector_weight, fuse,
};

/// How many times as many hits the next tier has.
const TIER_GROWTH: usize = 16;

/// Datasets whose vectors can be searched with one query, and the question as their model sees it.
struct Group {
    filter: ChunkFilter,
    weight: VectorWeight,
    vector: Option<Vec<f32>>,
}

/// The candidates of a request, best first: as many as its page needs, by tiers.
///
/// The first tier are the best hits of either side, fused. Only when a page lies beyond them, a larger tier is searched
/// and what it adds follows behind. So the order of the first does not depend on how far a caller pages.
pub(crate) fn candidates(
    retriever: &Retriever,
    request: &RetrieveRequest,
    retrieval: &mut Retrieval,
) -> Result<Vec<FusedHit>, RetrieveError> {
    let groups = groups(retriever, request, retrieval);
    for group in &groups {
        retrieval.total += retriever.index.count(&group.filter)?;
    }
    let began = Instant::now();
    let wanted = request.skip.saturating_add(request.top);
    let mut limit = request.candidates.max(1);
    let mut found: Vec<FusedHit> = Vec::new();
    loop {
        let tier = tier(retriever, request, &groups, limit)?;
        let exhausted = tier.len() < limit;
        append_new(&mut found, tier);
        if exhausted || found.len() >= wanted || limit >= MOST_CANDIDATES {
            break;
        }
        limit = limit.saturating_mul(TIER_GROWTH).min(MOST_CANDIDATES);
    }
    retrieval.timings.search += began.elapsed();
    Ok(found)
}

/// Nobody pages further.
const MOST_CANDIDATES: usize = 16_384;

fn append_new(found: &mut Vec<FusedHit>, tier: Vec<FusedHit>) {
    let known: HashSet<ChunkId> = found.iter().map(|hit| hit.chunk.clone()).collect();
    found.extend(tier.into_iter().filter(|hit| !known.contains(&hit.chunk)));
}

fn tier(
    retriever: &Retriever,
    request: &RetrieveRequest,
    groups: &[Group],
    limit: usize,
) -> Result<Vec<FusedHit>, RetrieveError> {
    let mut hits = Vec::new();
    for group in groups {
        let query = SearchQuery {
            text: Some(request.question.clone()),
            vector: group.vector.clone(),
            filter: group.filter.clone(),
            limit,
            phrases: request.phrases,
        };
        let found = retriever.index.search(&query)?;
        hits.extend(fuse(&found, group.weight.among(&found)));
    }
    hits.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.chunk.cmp(&b.chunk)));
    Ok(hits)
}

fn groups(
    retriever: &Retriever,
    request: &RetrieveRequest,
    retrieval: &mut Retrieval,
) -> Vec<Group> {
    let mut groups = Vec::new();
    for (embedding, datasets) in by_embedding(&request.datasets) {
        let embedded = match request.vector_weight {
            Some(weight) if weight <= 0.0 => None,
            _ => embed(retriever, request, &embedding, retrieval),
        };
        let (vector, weight) = embedded
            .map_or((None, VectorWeight::Fixed(0.0)), |(vector, weight)| (Some(vector), weight));
        let filter = ChunkFilter {
            datasets,
            documents: request.documents.clone(),
            metadata: request.metadata.clone(),
        };
        groups.push(Group { filter, weight, vector });
    }
    groups
}

fn by_embedding(datasets: &[Dataset]) -> Vec<(EmbeddingIdentity, Vec<DatasetId>)> {
    let mut groups: Vec<(EmbeddingIdentity, Vec<DatasetId>)> = Vec::new();
    for dataset in datasets {
        match groups.iter_mut().find(|(embedding, _)| *embedding == dataset.embedding) {
            Some((_, datasets)) => datasets.push(dataset.id.clone()),
            None => groups.push((dataset.embedding.clone(), vec![dataset.id.clone()])),
        }
    }
    groups
}

/// The question's vector, and what vectors count; `None`, with a warning, when the model fails.
fn embed(
    retriever: &Retriever,
    request: &RetrieveRequest,
    identity: &EmbeddingIdentity,
    retrieval: &mut Retrieval,
) -> Option<(Vec<f32>, VectorWeight)> {
    let question = &request.question;
    let began = Instant::now();
    let embedder = request.embedders.as_ref().map_or(&retriever.embedder, |own| &own.0);
    let embedded = embedder(identity).and_then(|model| {
        let prefixed = format!("{}{question}", identity.query_prefix);
        let mut query = EmbeddingRequest::query(prefixed);
        query.dimensions = shortened(identity, &*model);
        let response = model.embed(&query)?;
        let vector = response.vectors.into_iter().next().unwrap_or_default();
        let scripts = model.info().scripts.as_ref();
        let measured = || default_vector_weight(&identity.model, scripts, question);
        let weight = request.vector_weight.map_or_else(measured, VectorWeight::Fixed);
        Ok((check_length(vector, identity)?, weight))
    });
    retrieval.timings.embed += began.elapsed();
    embedded
        .inspect_err(|error| {
            tracing::warn!(error = error as &dyn std::error::Error, "question not embedded");
            let warning = format!("only full text was searched: {} failed", identity.model);
            retrieval.warnings.push(warning);
        })
        .ok()
}

/// The length to ask for, when the dataset's vectors are shorter than the model's own.
fn shortened(identity: &EmbeddingIdentity, model: &dyn SyncEmbeddingModel) -> Option<u32> {
    let own = model.info().limits.dimensions?;
    (own != identity.dimensions).then_some(identity.dimensions)
}

fn check_length(vector: Vec<f32>, identity: &EmbeddingIdentity) -> Result<Vec<f32>, ModelError> {
    if vector.len() == identity.dimensions as usize {
        return Ok(vector);
    }
    let message = format!(
        "the vector has {} numbers, the dataset's have {}",
        vector.len(),
        identity.dimensions
    );
    Err(ModelError::new(ErrorKind::Malformed, Operation::Embed, message))
}

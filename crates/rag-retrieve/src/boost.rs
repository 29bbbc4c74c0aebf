//! What raises a hit besides its relevance: its dataset's page rank, and tags that it shares with the question.

use std::collections::{BTreeMap, HashMap};

use rag_core::{ChunkFilter, ChunkId, DatasetId, SearchQuery, Tag};

use crate::retriever::Retriever;
use crate::{RetrieveError, RetrieveRequest, RetrievedChunk};

/// What a hit gains whose tags are those of the question.
const TAG_BOOST: f32 = 0.2;
/// Descriptions of the tag datasets that tell the question's tags.
const DESCRIPTIONS: usize = 16;
/// The question's tags, at most, where the datasets do not say how many.
const USUAL_TAGS: usize = 3;

/// Whether any dataset of the request raises hits.
pub(crate) fn is_wanted(request: &RetrieveRequest) -> bool {
    request.datasets.iter().any(|dataset| {
        dataset.settings.page_rank > 0 || !dataset.settings.enrichment.tag_datasets.is_empty()
    })
}

/// Raises the hits and puts them in order.
pub(crate) fn boost(
    retriever: &Retriever,
    request: &RetrieveRequest,
    hits: &mut [RetrievedChunk],
) -> Result<(), RetrieveError> {
    let ranks: HashMap<&DatasetId, u8> =
        request.datasets.iter().map(|dataset| (&dataset.id, dataset.settings.page_rank)).collect();
    let asked = tags_of_question(retriever, request)?;
    for hit in hits.iter_mut() {
        let rank = ranks.get(&hit.chunk.dataset).copied().unwrap_or(0);
        hit.why.page_rank = f32::from(rank.min(100)) / 100.0;
        hit.why.tags = TAG_BOOST * cosine(&asked, &hit.chunk.tags);
        hit.score = hit.why.score();
    }
    hits.sort_by(|a, b| b.score.total_cmp(&a.score));
    Ok(())
}

/// What the question is about, by the descriptions that it finds in the tag datasets.
fn tags_of_question(
    retriever: &Retriever,
    request: &RetrieveRequest,
) -> Result<BTreeMap<String, f32>, RetrieveError> {
    let enrichments = || request.datasets.iter().map(|dataset| &dataset.settings.enrichment);
    let mut datasets: Vec<DatasetId> =
        enrichments().flat_map(|enrichment| enrichment.tag_datasets.clone()).collect();
    datasets.sort_unstable();
    datasets.dedup();
    if datasets.is_empty() {
        return Ok(BTreeMap::new());
    }
    let found = retriever.index.search(&SearchQuery {
        text: Some(request.question.clone()),
        filter: ChunkFilter { datasets, ..ChunkFilter::default() },
        limit: DESCRIPTIONS,
        ..SearchQuery::default()
    })?;
    let scores: HashMap<ChunkId, f32> =
        found.text.into_iter().map(|hit| (hit.chunk, hit.score)).collect();
    let ids: Vec<ChunkId> = scores.keys().cloned().collect();
    let mut weights: BTreeMap<String, f32> = BTreeMap::new();
    for description in retriever.store.chunks(&ids)? {
        let score = scores.get(&description.id).copied().unwrap_or(0.0);
        for tag in description.tags {
            *weights.entry(tag.name).or_default() += score * tag.weight;
        }
    }
    let most = enrichments().map(|enrichment| usize::from(enrichment.most_tags)).max();
    Ok(heaviest(weights, most.filter(|most| *most > 0).unwrap_or(USUAL_TAGS)))
}

fn heaviest(weights: BTreeMap<String, f32>, most: usize) -> BTreeMap<String, f32> {
    let mut ordered: Vec<(String, f32)> = weights.into_iter().collect();
    ordered.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    ordered.into_iter().take(most).collect()
}

fn cosine(asked: &BTreeMap<String, f32>, tags: &[Tag]) -> f32 {
    let length =
        |weights: &mut dyn Iterator<Item = f32>| weights.map(|w| w * w).sum::<f32>().sqrt();
    let shared: f32 = tags.iter().filter_map(|tag| Some(asked.get(&tag.name)? * tag.weight)).sum();
    let lengths = length(&mut asked.values().copied()) * length(&mut tags.iter().map(|t| t.weight));
    let cosine = shared / lengths;
    if cosine.is_finite() { cosine.clamp(0.0, 1.0) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_compared_as_directions() {
        let asked = BTreeMap::from([("tea".to_owned(), 2.0)]);
        let tag = |name: &str, weight| Tag { name: name.into(), weight };
        assert_eq!(cosine(&asked, &[tag("tea", 0.1)]), 1.0);
        assert_eq!(cosine(&asked, &[tag("coffee", 1.0)]), 0.0);
        assert_eq!(cosine(&asked, &[]), 0.0);
        let half = cosine(&asked, &[tag("tea", 1.0), tag("coffee", 1.0)]);
        assert!((half - 0.707).abs() < 1e-3);
    }

    #[test]
    fn the_heaviest_tags_stay() {
        let weights = BTreeMap::from([("a".into(), 1.0), ("b".into(), 3.0), ("c".into(), 2.0)]);
        assert_eq!(heaviest(weights, 2).into_keys().collect::<Vec<_>>(), ["b", "c"]);
    }
}

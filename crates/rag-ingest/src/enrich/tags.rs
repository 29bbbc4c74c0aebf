//! Tags of chunks: by the descriptions of tag datasets that resemble them, else by a model.

use std::collections::{BTreeMap, HashMap};

use futures::TryStreamExt;
use llm_bundle::Priority;
use llm_core::ModelError;
use minijinja::context;
use rag_core::{
    Chunk, ChunkFilter, ChunkId, ChunkIndex, DatasetId, EnrichmentOptions, MetadataStore,
    SearchQuery, StoreError, Tag,
};

use super::EnricherParts;
use super::answers::json;
use super::asking::Asking;
use super::prompts::{Template, attribute, quoted};
use crate::on_pool::on_pool;

/// Chunks that are looked at in one turn on the pool: others have theirs in between.
const CHUNKS_TOGETHER: usize = 16;
/// Descriptions that are looked at for a chunk.
const DESCRIPTIONS: usize = 8;
/// Descriptions count that resemble a chunk at least so much, compared with the one that does most.
const LEAST_OF_BEST: f32 = 0.5;
/// Tags for each chunk where the options do not say.
const USUAL_TAGS: u8 = 3;
/// What of a tag dataset is read for the tags that a model may choose from.
const MOST_DOCUMENTS: usize = 20;
const MOST_DESCRIPTIONS: u32 = 2_000;
/// Tags that a model may choose from.
const MOST_OFFERED: usize = 200;

/// Gives each searched chunk its tags.
pub(crate) async fn tag(
    parts: &EnricherParts,
    asking: &Asking<'_>,
    chunks: Vec<Chunk>,
    options: &EnrichmentOptions,
) -> Result<Vec<Chunk>, ModelError> {
    let most = if options.most_tags == 0 { USUAL_TAGS } else { options.most_tags };
    let mut tagged = Vec::with_capacity(chunks.len());
    for some in chunks.chunks(CHUNKS_TOGETHER) {
        let (index, store) = (parts.index.clone(), parts.chunks.clone());
        let (some, datasets) = (some.to_vec(), options.tag_datasets.clone());
        let look = move || by_resemblance(&*index, &*store, some, &datasets, most);
        match ask_stores(parts, look).await {
            Some(found) => tagged.extend(found),
            None => return Ok(chunks),
        }
    }
    let is_untagged = |chunk: &Chunk| chunk.kind.is_searched() && chunk.tags.is_empty();
    if !tagged.iter().any(is_untagged) {
        return Ok(tagged);
    }
    let (store, datasets) = (parts.chunks.clone(), options.tag_datasets.clone());
    let offered = ask_stores(parts, move || vocabulary(&*store, &datasets)).await;
    by_model(asking, tagged, &offered.unwrap_or_default(), most).await
}

/// What the stores say; `None` when they fail, or the pool ends, and with it this job.
async fn ask_stores<T: Send + 'static>(
    parts: &EnricherParts,
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Option<T> {
    match on_pool(&parts.pool, Priority::Batch, work).await.ok()? {
        Ok(found) => Some(found),
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "no tags were found");
            None
        }
    }
}

/// Tags by the descriptions that a chunk's words find.
fn by_resemblance(
    index: &dyn ChunkIndex,
    store: &dyn MetadataStore,
    mut chunks: Vec<Chunk>,
    datasets: &[DatasetId],
    most: u8,
) -> Result<Vec<Chunk>, StoreError> {
    for chunk in chunks.iter_mut().filter(|chunk| chunk.kind.is_searched()) {
        let found = index.search(&SearchQuery {
            text: Some(chunk.text.clone()),
            filter: ChunkFilter { datasets: datasets.to_vec(), ..ChunkFilter::default() },
            limit: DESCRIPTIONS,
            ..SearchQuery::default()
        })?;
        let best = found.text.first().map_or(0.0, |hit| hit.score).max(f32::MIN_POSITIVE);
        let likeness: HashMap<ChunkId, f32> =
            found.text.into_iter().map(|hit| (hit.chunk, hit.score / best)).collect();
        let ids: Vec<ChunkId> = likeness.keys().cloned().collect();
        let mut weights: BTreeMap<String, f32> = BTreeMap::new();
        for description in store.chunks(&ids)? {
            let likeness = likeness.get(&description.id).copied().unwrap_or(0.0);
            for tag in description.tags {
                if likeness >= LEAST_OF_BEST {
                    *weights.entry(tag.name).or_default() += likeness * tag.weight;
                }
            }
        }
        chunk.tags.extend(heaviest(weights, most));
    }
    Ok(chunks)
}

/// The tags of the tag datasets, the commonest first.
fn vocabulary(
    store: &dyn MetadataStore,
    datasets: &[DatasetId],
) -> Result<Vec<String>, StoreError> {
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for dataset in datasets {
        for document in store.documents(dataset)?.into_iter().take(MOST_DOCUMENTS) {
            for chunk in store.document_chunks(&document.id, 0..MOST_DESCRIPTIONS)? {
                for tag in chunk.tags {
                    *counts.entry(tag.name).or_default() += 1;
                }
            }
        }
    }
    let mut ordered: Vec<(String, u32)> = counts.into_iter().collect();
    ordered.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    Ok(ordered.into_iter().take(MOST_OFFERED).map(|(tag, _)| tag).collect())
}

/// Chunks that nothing resembles are put to the model, with the tags that there are.
async fn by_model(
    asking: &Asking<'_>,
    chunks: Vec<Chunk>,
    offered: &[String],
    most: u8,
) -> Result<Vec<Chunk>, ModelError> {
    if offered.is_empty() {
        return Ok(chunks);
    }
    let prompts = chunks.into_iter().map(|chunk| {
        let is_asked = chunk.kind.is_searched() && chunk.tags.is_empty();
        let prompt = is_asked.then(|| {
            Template::Tags.render(context! {
                most,
                tags => offered.to_vec(),
                headings => attribute(&chunk.headings.join(" › ")),
                text => quoted(&chunk.text),
            })
        });
        (chunk, prompt)
    });
    let answered = asking.ask_each(prompts).map_ok(|(mut chunk, answer)| {
        if let Some(answer) = answer {
            match json::<BTreeMap<String, f32>>(&answer) {
                Some(mut found) => {
                    found.retain(|tag, weight| offered.contains(tag) && *weight > 0.0);
                    let found = found.into_iter().map(|(tag, weight)| (tag, weight / 10.0));
                    chunk.tags = heaviest(found.collect(), most);
                }
                None => asking.unreadable(),
            }
        }
        chunk
    });
    answered.try_collect().await
}

fn heaviest(weights: BTreeMap<String, f32>, most: u8) -> Vec<Tag> {
    let mut tags: Vec<Tag> =
        weights.into_iter().map(|(name, weight)| Tag { name, weight }).collect();
    tags.sort_by(|a, b| b.weight.total_cmp(&a.weight).then_with(|| a.name.cmp(&b.name)));
    tags.truncate(usize::from(most));
    tags
}

//! A document's part of the graph of entities: what it says of each of them, and how they are related.
//!
//! Each entity becomes a chunk of its own, found by its name and by those of its relations. The graph of a dataset is all
//! of these together: an entity of several documents has a chunk in each, which comes and goes with its document.

use futures::TryStreamExt;
use llm_core::ModelError;
use minijinja::context;
use rag_core::{Chunk, ChunkKind, GraphOptions};

use super::answers::json;
use super::asking::Asking;
use super::entities::{Entities, Entity, Found};
use super::prompts::{Template, attribute, quoted};
use super::written;

/// Bytes of passages that are read in one call.
const MOST_BYTES: usize = 8_000;

/// One chunk for each entity, numbered after the others.
pub(crate) async fn write(
    asking: &Asking<'_>,
    chunks: &[Chunk],
    options: &GraphOptions,
) -> Result<Vec<Chunk>, ModelError> {
    let passages: Vec<&Chunk> =
        chunks.iter().filter(|chunk| chunk.kind == ChunkKind::Passage).collect();
    let prompts = together(&passages).into_iter().map(|some| {
        let prompt = prompt(some, options);
        (some, Some(prompt))
    });
    let answered: Vec<(&[&Chunk], Option<String>)> = asking.ask_each(prompts).try_collect().await?;
    let mut entities = Entities::default();
    for (some, answer) in answered {
        let Some(answer) = answer else { continue };
        match json::<Found>(&answer) {
            Some(found) => entities.add(found, some),
            None => asking.unreadable(),
        }
    }
    let worth_keeping = entities.into_worth_keeping().into_iter();
    let numbered = worth_keeping.zip(written::next_ordinal(chunks)..);
    Ok(numbered.filter_map(|(entity, ordinal)| chunk(&entity, ordinal)).collect())
}

/// Passages that follow each other, as many as are read in one call.
fn together<'a, 'c>(passages: &'a [&'c Chunk]) -> Vec<&'a [&'c Chunk]> {
    let (mut groups, mut start, mut bytes) = (Vec::new(), 0, 0);
    for (at, passage) in passages.iter().enumerate() {
        if bytes > 0 && bytes + passage.text.len() > MOST_BYTES {
            groups.push(&passages[start..at]);
            (start, bytes) = (at, 0);
        }
        bytes += passage.text.len();
    }
    groups.push(&passages[start..]);
    groups.retain(|group| !group.is_empty());
    groups
}

fn prompt(passages: &[&Chunk], options: &GraphOptions) -> String {
    let types: Vec<String> = options.types.iter().map(|name| attribute(name)).collect();
    let passages: Vec<String> = passages.iter().map(|chunk| quoted(&chunk.text)).collect();
    Template::Entities.render(context! { types, passages })
}

fn chunk(entity: &Entity<'_>, ordinal: u32) -> Option<Chunk> {
    let first = entity.passages.first()?;
    let (dataset, document) = (first.dataset.clone(), first.document.clone());
    let id = written::id(&format!("entity {} of {document}", entity.name))?;
    let places = entity.passages.iter().filter_map(|passage| passage.places.first().cloned());
    Some(Chunk {
        kind: ChunkKind::Entity,
        ordinal,
        span: first.span.clone(),
        headings: vec![entity.name.clone()],
        places: places.collect(),
        keywords: entity.relations.iter().map(|(other, _)| other.clone()).collect(),
        ..Chunk::new(id, dataset, document, entity.text())
    })
}

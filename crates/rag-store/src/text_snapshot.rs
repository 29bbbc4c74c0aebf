//! One state of the full-text index, with a way from chunks to their entries.

use std::sync::{Arc, OnceLock};

use rustc_hash::FxHashSet;
use tantivy::index::SegmentId;
use tantivy::{DocId, Searcher, SegmentReader};

use crate::full_text::key_column;
use crate::key::ChunkKey;

/// The segments of the index at one moment. Cheap to clone.
#[derive(Clone)]
pub(crate) struct TextSnapshot {
    pub(crate) searcher: Searcher,
    /// In the order of the searcher's segments.
    entries: Vec<Entries>,
}

/// The entries of a segment by chunk: made when first asked for, and kept as long as the segment lives.
#[derive(Clone)]
struct Entries {
    segment: SegmentId,
    by_key: Arc<OnceLock<Vec<(ChunkKey, DocId)>>>,
}

impl TextSnapshot {
    /// The searcher's segments; what is known of them from before is kept.
    pub(crate) fn new(searcher: Searcher, before: Option<&Self>) -> Self {
        let known = before.map(|before| &before.entries[..]).unwrap_or_default();
        let entries = searcher
            .segment_readers()
            .iter()
            .map(|segment| {
                let segment = segment.segment_id();
                let by_key = known
                    .iter()
                    .find(|entries| entries.segment == segment)
                    .map(|entries| entries.by_key.clone())
                    .unwrap_or_default();
                Entries { segment, by_key }
            })
            .collect();
        Self { searcher, entries }
    }

    /// For each segment its entries for the chunks of these versions, ascending. Deleted ones are among them.
    pub(crate) fn entries_of(
        &self,
        versions: &FxHashSet<u64>,
    ) -> tantivy::Result<Vec<Vec<(DocId, ChunkKey)>>> {
        let segments = self.searcher.segment_readers().iter().zip(&self.entries);
        segments.map(|(segment, entries)| entries.of(segment, versions)).collect()
    }
}

impl Entries {
    fn of(
        &self,
        segment: &SegmentReader,
        versions: &FxHashSet<u64>,
    ) -> tantivy::Result<Vec<(DocId, ChunkKey)>> {
        let by_key = match self.by_key.get() {
            Some(by_key) => by_key,
            None => {
                let by_key = read_keys(segment)?;
                self.by_key.get_or_init(|| by_key)
            }
        };
        let mut found: Vec<(DocId, ChunkKey)> = if versions.len() * COST_OF_LOOKUP < by_key.len() {
            versions.iter().flat_map(|version| of_version(by_key, *version)).collect()
        } else {
            by_key
                .chunk_by(|(left, _), (right, _)| left.version() == right.version())
                .filter(|same| versions.contains(&same[0].0.version()))
                .flatten()
                .map(|(key, entry)| (*entry, *key))
                .collect()
        };
        found.sort_unstable();
        Ok(found)
    }
}

/// A binary search costs as much as looking at so many entries.
const COST_OF_LOOKUP: usize = 32;

fn of_version(
    by_key: &[(ChunkKey, DocId)],
    version: u64,
) -> impl Iterator<Item = (DocId, ChunkKey)> {
    let first = by_key.partition_point(|(key, _)| key.version() < version);
    let same = by_key.iter().skip(first).take_while(move |(key, _)| key.version() == version);
    same.map(|(key, entry)| (*entry, *key))
}

fn read_keys(segment: &SegmentReader) -> tantivy::Result<Vec<(ChunkKey, DocId)>> {
    let keys = segment.fast_fields().column_first_or_default::<u64>(key_column())?;
    let mut by_key: Vec<(ChunkKey, DocId)> =
        (0..segment.max_doc()).map(|entry| (ChunkKey(keys.get_val(entry)), entry)).collect();
    // Nearly in order already, since documents are added in the order of their versions.
    by_key.sort();
    Ok(by_key)
}

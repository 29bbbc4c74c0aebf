//! Phrases in what is in the index: found by the places of their words.

use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashSet;
use tantivy::index::InvertedIndexReader;
use tantivy::postings::{Postings, TermInfo};
use tantivy::schema::IndexRecordOption;
use tantivy::{DocId, DocSet, SegmentReader, TERMINATED};

use crate::full_text::{Fields, key_column};
use crate::index_text::lists_of;
use crate::key::ChunkKey;
use crate::snapshot::Snapshot;
use rag_terms::Phrase;
use rag_terms::TextField;

/// For each segment its entries that hold phrases and are of versions that are admitted, ascending, with how many of
/// the phrases they hold. Takes time in proportion to how often the rarest words of the phrases occur.
pub(crate) fn entries_with_phrases(
    snapshot: &Snapshot,
    fields: Fields,
    phrases: &[Phrase],
    admits: impl Fn(u64) -> bool,
) -> tantivy::Result<Vec<Vec<(DocId, ChunkKey, u32)>>> {
    let datasets: FxHashSet<u32> = snapshot.datasets.iter().map(|dataset| dataset.no).collect();
    let mut found = Vec::new();
    for segment in snapshot.text.searcher.segment_readers() {
        let mut held: BTreeMap<DocId, u32> = BTreeMap::new();
        for phrase in phrases {
            for entry in entries_of(segment, fields, phrase, &datasets)? {
                *held.entry(entry).or_default() += 1;
            }
        }
        let keys = segment.fast_fields().column_first_or_default::<u64>(key_column())?;
        let alive = segment.alive_bitset();
        let held = held
            .into_iter()
            .filter(|(entry, _)| alive.is_none_or(|alive| alive.is_alive(*entry)))
            .map(|(entry, held)| (entry, ChunkKey(keys.get_val(entry)), held))
            .filter(|(_, key, _)| admits(key.version()));
        found.push(held.collect());
    }
    Ok(found)
}

fn entries_of(
    segment: &SegmentReader,
    fields: Fields,
    phrase: &Phrase,
    datasets: &FxHashSet<u32>,
) -> tantivy::Result<BTreeSet<DocId>> {
    let mut entries = BTreeSet::new();
    for field in TextField::ALL.into_iter().filter(|field| field.holds_phrases()) {
        let index = segment.inverted_index(fields.text(field))?;
        if let Some(words) = Word::all(&index, phrase, datasets)? {
            entries.extend(starts_of(&index, &words)?.into_iter().map(|(entry, _)| entry));
        }
    }
    Ok(entries)
}

/// A word of a phrase: how far from the phrase's beginning it stands, and the posting lists of all its forms.
struct Word {
    offset: u32,
    lists: Vec<TermInfo>,
}

impl Word {
    /// The words of a phrase, the rarest first; `None` when one occurs nowhere.
    fn all(
        index: &InvertedIndexReader,
        phrase: &Phrase,
        datasets: &FxHashSet<u32>,
    ) -> tantivy::Result<Option<Vec<Self>>> {
        let mut words = Vec::new();
        for (offset, terms) in (0..).zip(phrase) {
            let mut lists = Vec::new();
            for term in terms {
                lists.extend(lists_of(index, term, datasets)?);
            }
            if lists.is_empty() {
                return Ok(None);
            }
            words.push(Self { offset, lists });
        }
        words.sort_by_key(|word| {
            word.lists.iter().map(|list| u64::from(list.doc_freq)).sum::<u64>()
        });
        Ok(Some(words))
    }
}

/// Where a phrase begins: entries, ascending, with places in them.
fn starts_of(index: &InvertedIndexReader, words: &[Word]) -> tantivy::Result<Vec<(DocId, u32)>> {
    let Some((rarest, others)) = words.split_first() else { return Ok(Vec::new()) };
    let mut starts = Vec::new();
    let mut places = Vec::new();
    for list in &rarest.lists {
        let mut postings = read(index, list)?;
        while postings.doc() != TERMINATED {
            postings.positions(&mut places);
            let begun = places.iter().filter_map(|place| place.checked_sub(rarest.offset));
            starts.extend(begun.map(|start| (postings.doc(), start)));
            postings.advance();
        }
    }
    starts.sort_unstable();
    for word in others {
        keep_continued(index, word, &mut starts)?;
    }
    Ok(starts)
}

/// Drops the beginnings behind which this word does not stand.
fn keep_continued(
    index: &InvertedIndexReader,
    word: &Word,
    starts: &mut Vec<(DocId, u32)>,
) -> tantivy::Result<()> {
    let mut continued = vec![false; starts.len()];
    let mut places = Vec::new();
    for list in &word.lists {
        let mut postings = read(index, list)?;
        let mut first = 0;
        for same in starts.chunk_by(|(left, _), (right, _)| left == right) {
            let of_entry = first..first + same.len();
            first = of_entry.end;
            let Some((entry, _)) = same.first() else { continue };
            if postings.doc() < *entry {
                postings.seek(*entry);
            }
            if postings.doc() != *entry {
                continue;
            }
            postings.positions(&mut places);
            let continued = continued.get_mut(of_entry).unwrap_or_default();
            for ((_, start), continued) in same.iter().zip(continued) {
                *continued |= places.binary_search(&(start + word.offset)).is_ok();
            }
        }
    }
    let mut continued = continued.into_iter();
    starts.retain(|_| continued.next().unwrap_or(false));
    Ok(())
}

fn read(
    index: &InvertedIndexReader,
    list: &TermInfo,
) -> tantivy::Result<tantivy::postings::SegmentPostings> {
    Ok(index.read_postings_from_terminfo(list, IndexRecordOption::WithFreqsAndPositions)?)
}

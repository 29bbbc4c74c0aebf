//! Full text of what is in the index.
//!
//! There are three ways to score it, all with the same result. Usually tantivy walks through what matches and skips
//! what cannot reach the top. When few documents are allowed, only their entries are looked at. When many datasets are
//! searched at once, each with a posting list of its own for every term, the scores of all entries are added up list by
//! list.

use rustc_hash::{FxHashMap, FxHashSet};
use tantivy::index::InvertedIndexReader;
use tantivy::postings::{Postings, TermInfo};
use tantivy::query::{
    Bm25StatisticsProvider, BooleanQuery, BoostQuery, EnableScoring, Occur, Query, TermQuery,
};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocId, SegmentReader, Term};

use crate::full_text::{Fields, key_column, scope_of, scoped_term, scopes_of};
use crate::key::ChunkKey;
use crate::snapshot::Snapshot;
use crate::text_search::TextSearch;
use crate::top::Top;
use rag_terms::QuestionTerm;
use rag_terms::{FIELDS, TextField};

/// With more datasets than this, a term is looked up once for all of them.
const MANY_DATASETS: usize = 24;

/// Where the terms of a query are in the index.
pub(crate) struct IndexTerms<'a> {
    snapshot: &'a Snapshot,
    fields: Fields,
    terms: &'a [QuestionTerm],
    segments: Vec<SegmentTerms<'a>>,
}

/// The posting lists of a segment, by term and field: one for each dataset.
struct SegmentTerms<'a> {
    segment: &'a SegmentReader,
    lists: Vec<[Vec<TermInfo>; FIELDS]>,
}

impl<'a> IndexTerms<'a> {
    pub(crate) fn find(
        snapshot: &'a Snapshot,
        fields: Fields,
        terms: &'a [QuestionTerm],
    ) -> tantivy::Result<Self> {
        let datasets: FxHashSet<u32> = snapshot.datasets.iter().map(|dataset| dataset.no).collect();
        let mut segments = Vec::new();
        for segment in snapshot.text.searcher.segment_readers() {
            let mut lists = vec![<[Vec<TermInfo>; FIELDS]>::default(); terms.len()];
            for field in TextField::ALL {
                let index = segment.inverted_index(fields.text(field))?;
                if index.terms().num_terms() == 0 {
                    continue;
                }
                for (term, lists) in terms.iter().zip(&mut lists) {
                    *field.of_mut(lists) = lists_of(&index, &term.text, &datasets)?;
                }
            }
            segments.push(SegmentTerms { segment, lists });
        }
        Ok(Self { snapshot, fields, terms, segments })
    }

    /// Chunks that hold a term in a field.
    pub(crate) fn count(&self, term: usize, field: TextField) -> u64 {
        let lists = self.segments.iter().filter_map(|segment| segment.lists.get(term));
        lists.flat_map(|lists| field.of(lists)).map(|list| u64::from(list.doc_freq)).sum()
    }

    pub(crate) fn score(
        &self,
        search: &TextSearch<'_>,
        top: &mut Top<ChunkKey>,
    ) -> tantivy::Result<()> {
        if let Some(phrases) = &search.phrases {
            self.score_entries(search, &phrases.entries, |_| true, top)?;
            if phrases.are_required() {
                return Ok(());
            }
        }
        match search.allowed {
            Some(allowed) if (allowed.len() as u64) < search.corpus.documents / 2 => {
                let entries = self.snapshot.text.entries_of(allowed)?;
                self.score_entries(search, &entries, |key| !search.is_scored(key), top)
            }
            _ if self.snapshot.datasets.len() > MANY_DATASETS => self.score_all(search, top),
            _ => self.score_best(search, top),
        }
    }

    /// Scores these entries, which ascend in each segment.
    fn score_entries(
        &self,
        search: &TextSearch<'_>,
        entries: &[Vec<(DocId, ChunkKey)>],
        wanted: impl Fn(ChunkKey) -> bool,
        top: &mut Top<ChunkKey>,
    ) -> tantivy::Result<()> {
        for (terms, entries) in self.segments.iter().zip(entries) {
            if entries.is_empty() {
                continue;
            }
            let mut scores = vec![0.0; entries.len()];
            terms.each_list(self.fields, search, |postings, score| {
                for_each_common(postings, entries, |place, entry, count| {
                    scores[place] += score(entry, count);
                });
            })?;
            let alive = terms.segment.alive_bitset();
            for ((entry, key), score) in entries.iter().zip(scores) {
                let alive = alive.is_none_or(|alive| alive.is_alive(*entry));
                if alive && wanted(*key) && search.admits(key.version()) {
                    search.offer(*key, score, top);
                }
            }
        }
        Ok(())
    }

    /// Scores every entry that matches.
    fn score_all(&self, search: &TextSearch<'_>, top: &mut Top<ChunkKey>) -> tantivy::Result<()> {
        for terms in &self.segments {
            let mut scores = vec![0.0_f32; terms.segment.max_doc() as usize];
            terms.each_list(self.fields, search, |postings, score| {
                let mut entry = postings.doc();
                while entry != tantivy::TERMINATED {
                    scores[entry as usize] += score(entry, postings.term_freq());
                    entry = postings.advance();
                }
            })?;
            let keys = terms.segment.fast_fields().column_first_or_default::<u64>(key_column())?;
            let alive = terms.segment.alive_bitset();
            for (entry, score) in (0..).zip(scores) {
                if score <= 0.0 || score <= top.threshold() {
                    continue;
                }
                let key = ChunkKey(keys.get_val(entry));
                let alive = alive.is_none_or(|alive| alive.is_alive(entry));
                if alive && !search.is_scored(key) && search.admits(key.version()) {
                    search.offer(key, score, top);
                }
            }
        }
        Ok(())
    }

    /// Leaves it to the engine to skip what cannot reach the top.
    fn score_best(&self, search: &TextSearch<'_>, top: &mut Top<ChunkKey>) -> tantivy::Result<()> {
        let statistics = Statistics::new(self, search);
        if statistics.matching.is_empty() {
            return Ok(());
        }
        let searcher = &self.snapshot.text.searcher;
        let scoring = EnableScoring::enabled_from_statistics_provider(&statistics, searcher);
        let weight = BooleanQuery::new(statistics.clauses()).weight(scoring)?;
        for segment in searcher.segment_readers() {
            let keys = segment.fast_fields().column_first_or_default::<u64>(key_column())?;
            let alive = segment.alive_bitset();
            weight.for_each_pruning(top.threshold(), segment, &mut |entry, score| {
                let key = ChunkKey(keys.get_val(entry));
                let alive = alive.is_none_or(|alive| alive.is_alive(entry));
                if alive && !search.is_scored(key) && search.admits(key.version()) {
                    search.offer(key, score, top);
                }
                top.threshold()
            })?;
        }
        Ok(())
    }
}

/// The posting lists of a term in these datasets.
pub(crate) fn lists_of(
    index: &InvertedIndexReader,
    term: &str,
    datasets: &FxHashSet<u32>,
) -> tantivy::Result<Vec<TermInfo>> {
    match datasets.len() > MANY_DATASETS {
        true => lists_of_many(index, term, datasets),
        false => lists_of_few(index, term, datasets),
    }
}

/// The posting lists of a term, looked up for each dataset.
fn lists_of_few(
    index: &InvertedIndexReader,
    term: &str,
    datasets: &FxHashSet<u32>,
) -> tantivy::Result<Vec<TermInfo>> {
    let mut lists = Vec::new();
    for dataset in datasets {
        lists.extend(index.terms().get(scoped_term(term, *dataset))?);
    }
    Ok(lists)
}

/// The posting lists of a term, picked out of those of all datasets, which are neighbours in the dictionary.
fn lists_of_many(
    index: &InvertedIndexReader,
    term: &str,
    datasets: &FxHashSet<u32>,
) -> tantivy::Result<Vec<TermInfo>> {
    let (first, end) = scopes_of(term);
    let mut stream = index.terms().range().ge(first).lt(end).into_stream()?;
    let mut lists = Vec::new();
    while let Some((scoped, list)) = stream.next() {
        if scope_of(scoped).is_some_and(|dataset| datasets.contains(&dataset)) {
            lists.push(list.clone());
        }
    }
    Ok(lists)
}

impl SegmentTerms<'_> {
    /// Calls `each` with every posting list that is searched, and with what scores an entry given the count there.
    fn each_list(
        &self,
        fields: Fields,
        search: &TextSearch<'_>,
        mut each: impl FnMut(&mut dyn Postings, &dyn Fn(DocId, u32) -> f32),
    ) -> tantivy::Result<()> {
        for field in TextField::ALL {
            let index = self.segment.inverted_index(fields.text(field))?;
            let lengths = self.segment.get_fieldnorms_reader(fields.text(field))?;
            for (term, lists) in self.lists.iter().enumerate() {
                if !search.is_searched(term, field) {
                    continue;
                }
                let score =
                    |entry, count| search.score(term, field, count, lengths.fieldnorm_id(entry));
                for list in field.of(lists) {
                    let option = IndexRecordOption::WithFreqs;
                    each(&mut index.read_postings_from_terminfo(list, option)?, &score);
                }
            }
        }
        Ok(())
    }
}

/// Calls `each` for the entries that are in a posting list, with their places among the entries and their counts.
fn for_each_common(
    postings: &mut dyn Postings,
    entries: &[(DocId, ChunkKey)],
    mut each: impl FnMut(usize, DocId, u32),
) {
    /// Postings that are stepped over one by one before jumping is cheaper.
    const STEPS_PER_JUMP: usize = 8;
    let jump = postings.size_hint() as usize > entries.len() * STEPS_PER_JUMP;
    for (place, (entry, _)) in entries.iter().enumerate() {
        if jump && postings.doc() < *entry {
            postings.seek(*entry);
        }
        while postings.doc() < *entry {
            postings.advance();
        }
        if postings.doc() == *entry {
            each(place, *entry, postings.term_freq());
        }
    }
}

/// What the engine needs to know for BM25, counted over the datasets of the search and the tail.
struct Statistics {
    chunks: u64,
    tokens: FxHashMap<Field, u64>,
    /// Chunks that hold a term and what a match counts, by scoped term.
    matching: FxHashMap<Term, (u64, f32)>,
}

impl Statistics {
    fn new(index: &IndexTerms<'_>, search: &TextSearch<'_>) -> Self {
        let mut matching = FxHashMap::default();
        for (number, term) in index.terms.iter().enumerate() {
            for field in TextField::ALL {
                if search.is_searched(number, field) && index.count(number, field) > 0 {
                    for dataset in &index.snapshot.datasets {
                        let field_of_index = index.fields.text(field);
                        let scoped = scoped_term(&term.text, dataset.no);
                        let scoped = Term::from_field_text(field_of_index, &scoped);
                        let boost = term.boost * field.boost();
                        matching.insert(scoped, (search.matching(number, field), boost));
                    }
                }
            }
        }
        let tokens = TextField::ALL
            .map(|field| (index.fields.text(field), search.corpus.tokens(field)))
            .into_iter()
            .collect();
        Self { chunks: search.corpus.chunks, tokens, matching }
    }

    fn clauses(&self) -> Vec<(Occur, Box<dyn Query>)> {
        let clause = |(term, (_, boost)): (&Term, &(u64, f32))| {
            let query = TermQuery::new(term.clone(), IndexRecordOption::WithFreqs);
            let boosted: Box<dyn Query> = Box::new(BoostQuery::new(Box::new(query), *boost));
            (Occur::Should, boosted)
        };
        self.matching.iter().map(clause).collect()
    }
}

impl Bm25StatisticsProvider for Statistics {
    fn total_num_tokens(&self, field: Field) -> tantivy::Result<u64> {
        Ok(self.tokens.get(&field).copied().unwrap_or(0))
    }

    fn total_num_docs(&self) -> tantivy::Result<u64> {
        Ok(self.chunks)
    }

    fn doc_freq(&self, term: &Term) -> tantivy::Result<u64> {
        Ok(self.matching.get(term).map_or(0, |(matching, _)| *matching))
    }
}

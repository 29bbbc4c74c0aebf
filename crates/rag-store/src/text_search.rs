//! Full-text search over one snapshot: BM25 over the index and over what is not in it yet.

use rustc_hash::{FxHashMap, FxHashSet};
use tantivy::query::{
    Bm25StatisticsProvider, BooleanQuery, BoostQuery, EnableScoring, Occur, Query, Scorer,
    TermQuery,
};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocId, SegmentReader, Term};

use crate::analysis;
use crate::bm25::{self, Bm25};
use crate::full_text::{Fields, key_column, scoped_term};
use crate::key::ChunkKey;
use crate::prepared::{TextField, term_hash};
use crate::snapshot::Snapshot;
use crate::top::Top;

/// Terms of a query that are looked up.
const MOST_TERMS: usize = 512;
/// Of these, the rarest that are searched for. A question has a dozen; a pasted page has hundreds, and the rare ones
/// tell it apart.
const MOST_SEARCHED_TERMS: usize = 96;

/// What a text search found.
#[derive(Debug, Default)]
pub(crate) struct TextMatches {
    /// Best first.
    pub(crate) hits: Vec<(f32, ChunkKey)>,
    /// A score that no chunk reaches.
    pub(crate) ceiling: f32,
}

/// The best chunks for the words of `text` that are of one of the `allowed` versions (`None`: of any).
pub(crate) fn search(
    snapshot: &Snapshot,
    fields: Fields,
    text: &str,
    allowed: Option<&FxHashSet<u64>>,
    limit: usize,
) -> tantivy::Result<TextMatches> {
    let words = query_terms(text);
    if words.is_empty() || limit == 0 {
        return Ok(TextMatches::default());
    }
    let tail = TailMatches::find(snapshot, &words);
    let mut terms = find_terms(snapshot, fields, &words, &tail)?;
    let corpus = Corpus::of(snapshot).at_least(&terms);
    let ceiling = ceiling(&words, &terms, &corpus);
    keep_rarest(&mut terms, MOST_SEARCHED_TERMS);

    let mut top = Top::new(limit);
    tail.score(&terms, &corpus, allowed, &mut top);
    score_index(snapshot, fields, &terms, &corpus, allowed, &mut top)?;
    Ok(TextMatches { hits: top.into_sorted(), ceiling })
}

/// A term of the query, and which of the query's words it stands for.
struct QueryTerm {
    text: String,
    word: usize,
}

fn query_terms(text: &str) -> Vec<QueryTerm> {
    let words = analysis::query_words(text, MOST_TERMS).into_iter().enumerate();
    words
        .flat_map(|(word, terms)| terms.into_iter().map(move |text| QueryTerm { text, word }))
        .collect()
}

/// The score of a chunk that holds every word of the query countless times.
fn ceiling(words: &[QueryTerm], terms: &[SearchTerm], corpus: &Corpus) -> f32 {
    let mut matching = vec![0; words.len()];
    for term in terms.iter().filter(|term| term.field == TextField::Body) {
        matching[term.index] = term.matching;
    }
    let by_word = words.chunk_by(|left, right| left.word == right.word);
    let mut first = 0;
    by_word
        .map(|same| {
            let found = matching[first..first + same.len()].iter().copied().max().unwrap_or(0);
            first += same.len();
            bm25::ceiling(found, corpus.chunks)
        })
        .sum()
}

/// How many chunks there are, and how long their fields are.
struct Corpus {
    documents: u64,
    chunks: u64,
    tokens: [u64; 2],
}

impl Corpus {
    fn of(snapshot: &Snapshot) -> Self {
        let mut corpus = Self { documents: 0, chunks: 0, tokens: [0, 0] };
        let mut add = |documents: usize, chunks: usize, [body, title]: [u64; 2]| {
            corpus.documents += documents as u64;
            corpus.chunks += chunks as u64;
            corpus.tokens[0] += body;
            corpus.tokens[1] += title;
        };
        for dataset in &snapshot.datasets {
            for block in snapshot.files.iter().filter_map(|file| file.block(dataset.no)) {
                add(block.document_count(), block.vectors.len(), block.tokens);
            }
            for rows in dataset.tail.iter().map(|document| document.rows()) {
                add(1, rows.len(), rows.tokens);
            }
        }
        corpus
    }

    /// Terms count dead chunks too until the index is rid of them, so more may match than there are.
    fn at_least(mut self, terms: &[SearchTerm]) -> Self {
        let most = terms.iter().map(|term| term.matching).max().unwrap_or(0);
        self.chunks = self.chunks.max(most);
        self
    }

    fn tokens(&self, field: TextField) -> u64 {
        let [body, title] = self.tokens;
        match field {
            TextField::Body => body,
            TextField::Title => title,
        }
    }
}

/// A term of the query in one field.
struct SearchTerm {
    /// Its place among the query's terms.
    index: usize,
    field: TextField,
    /// Chunks that hold it, in the index and in the tail, dead ones included.
    matching: u64,
    /// The datasets in whose index it is.
    scoped: Vec<Term>,
}

impl SearchTerm {
    fn bm25(&self, corpus: &Corpus) -> Bm25 {
        let length = corpus.tokens(self.field) as f32 / corpus.chunks as f32;
        Bm25::new(self.matching, corpus.chunks, length, self.field.boost())
    }
}

/// The terms by field, those that are anywhere.
fn find_terms(
    snapshot: &Snapshot,
    fields: Fields,
    terms: &[QueryTerm],
    tail: &TailMatches,
) -> tantivy::Result<Vec<SearchTerm>> {
    let mut found = Vec::new();
    for (index, term) in terms.iter().enumerate() {
        for field in TextField::ALL {
            let mut matching = tail.matching(index, field);
            let mut scoped = Vec::new();
            for dataset in &snapshot.datasets {
                let term = scoped_term(fields.text(field), dataset.no, &term.text);
                let in_index = snapshot.text.searcher.doc_freq(&term)?;
                if in_index > 0 {
                    matching += in_index;
                    scoped.push(term);
                }
            }
            if matching > 0 {
                found.push(SearchTerm { index, field, matching, scoped });
            }
        }
    }
    Ok(found)
}

fn keep_rarest(terms: &mut Vec<SearchTerm>, most: usize) {
    if terms.len() > TextField::ALL.len() * most {
        terms.sort_by_key(|term| (term.matching, term.index));
        terms.truncate(TextField::ALL.len() * most);
    }
}

/// The chunks of the tail that hold terms of the query.
struct TailMatches {
    chunks: Vec<TailMatch>,
    /// Chunks by term and field.
    matching: FxHashMap<(usize, TextField), u64>,
}

struct TailMatch {
    key: ChunkKey,
    lengths: [u32; 2],
    /// Term, field and how often.
    counts: Vec<(usize, TextField, u32)>,
}

impl TailMatches {
    fn find(snapshot: &Snapshot, terms: &[QueryTerm]) -> Self {
        let hashes: Vec<u64> = terms.iter().map(|term| term_hash(&term.text)).collect();
        let mut matches = Self { chunks: Vec::new(), matching: FxHashMap::default() };
        for document in snapshot.datasets.iter().flat_map(|dataset| dataset.tail.iter()) {
            for (position, chunk) in document.content.words.iter().enumerate() {
                let mut counts = Vec::new();
                for field in TextField::ALL {
                    let field_words = chunk.of(field);
                    for (index, hash) in hashes.iter().enumerate() {
                        let count = field_words.count(*hash);
                        if count > 0 {
                            counts.push((index, field, count));
                            *matches.matching.entry((index, field)).or_default() += 1;
                        }
                    }
                }
                if !counts.is_empty() {
                    matches.chunks.push(TailMatch {
                        key: ChunkKey::new(document.version, position),
                        lengths: TextField::ALL.map(|field| chunk.of(field).length),
                        counts,
                    });
                }
            }
        }
        matches
    }

    fn matching(&self, term: usize, field: TextField) -> u64 {
        self.matching.get(&(term, field)).copied().unwrap_or(0)
    }

    fn score(
        &self,
        terms: &[SearchTerm],
        corpus: &Corpus,
        allowed: Option<&FxHashSet<u64>>,
        top: &mut Top<ChunkKey>,
    ) {
        let scorers: FxHashMap<(usize, TextField), Bm25> =
            terms.iter().map(|term| ((term.index, term.field), term.bm25(corpus))).collect();
        for chunk in &self.chunks {
            if allowed.is_some_and(|allowed| !allowed.contains(&chunk.key.version())) {
                continue;
            }
            let [body, title] = chunk.lengths;
            let score = chunk.counts.iter().filter_map(|(term, field, count)| {
                let length = match field {
                    TextField::Body => body,
                    TextField::Title => title,
                };
                Some(scorers.get(&(*term, *field))?.score(*count, length))
            });
            let score: f32 = score.sum();
            if score > 0.0 {
                top.push(score, chunk.key);
            }
        }
    }
}

fn score_index(
    snapshot: &Snapshot,
    fields: Fields,
    terms: &[SearchTerm],
    corpus: &Corpus,
    allowed: Option<&FxHashSet<u64>>,
    top: &mut Top<ChunkKey>,
) -> tantivy::Result<()> {
    if terms.iter().all(|term| term.scoped.is_empty()) {
        return Ok(());
    }
    let statistics = Statistics::new(fields, terms, corpus);
    let scoring =
        EnableScoring::enabled_from_statistics_provider(&statistics, &snapshot.text.searcher);
    match allowed {
        Some(allowed) if are_selective(allowed, corpus) => {
            let entries = snapshot.text.entries_of(allowed)?;
            score_entries(snapshot, terms, scoring, &entries, top)
        }
        _ => score_matching(snapshot, terms, scoring, allowed, top),
    }
}

/// Whether to score what is allowed instead of all that matches. The filter says how many documents, not chunks; as
/// either way is right, a guess will do.
fn are_selective(allowed: &FxHashSet<u64>, corpus: &Corpus) -> bool {
    (allowed.len() as u64) < corpus.documents / 2
}

/// Scores some entries of each segment.
fn score_entries(
    snapshot: &Snapshot,
    terms: &[SearchTerm],
    scoring: EnableScoring<'_>,
    entries: &[(&SegmentReader, Vec<(DocId, ChunkKey)>)],
    top: &mut Top<ChunkKey>,
) -> tantivy::Result<()> {
    let weights = terms
        .iter()
        .flat_map(queries)
        .map(|query| query.weight(scoring))
        .collect::<tantivy::Result<Vec<_>>>()?;
    for (segment, entries) in entries.iter().filter(|(_, entries)| !entries.is_empty()) {
        let mut scores = vec![0.0; entries.len()];
        for weight in &weights {
            add_scores(&mut *weight.scorer(segment, 1.0)?, entries, &mut scores);
        }
        for ((entry, key), score) in entries.iter().zip(scores) {
            let alive = segment.alive_bitset().is_none_or(|alive| alive.is_alive(*entry));
            if score > 0.0 && alive && !snapshot.is_dead(key.version()) {
                top.push(score, *key);
            }
        }
    }
    Ok(())
}

/// Adds the scores of one term to those of the entries that hold it.
fn add_scores(scorer: &mut dyn Scorer, entries: &[(DocId, ChunkKey)], scores: &mut [f32]) {
    /// Entries that are stepped over one by one before jumping is cheaper.
    const STEPS_PER_JUMP: usize = 8;
    let jump = scorer.size_hint() as usize > entries.len() * STEPS_PER_JUMP;
    for ((entry, _), score) in entries.iter().zip(scores) {
        if jump && scorer.doc() < *entry {
            scorer.seek(*entry);
        }
        while scorer.doc() < *entry {
            scorer.advance();
        }
        if scorer.doc() == *entry {
            *score += scorer.score();
        }
    }
}

/// Walks through all that match, leaving out what cannot reach the top.
fn score_matching(
    snapshot: &Snapshot,
    terms: &[SearchTerm],
    scoring: EnableScoring<'_>,
    allowed: Option<&FxHashSet<u64>>,
    top: &mut Top<ChunkKey>,
) -> tantivy::Result<()> {
    let clauses = terms.iter().flat_map(queries).map(|query| (Occur::Should, query)).collect();
    let weight = BooleanQuery::new(clauses).weight(scoring)?;
    let findable = |key: ChunkKey| {
        !snapshot.is_dead(key.version())
            && allowed.is_none_or(|allowed| allowed.contains(&key.version()))
    };
    for segment in snapshot.text.searcher.segment_readers() {
        let keys = segment.fast_fields().column_first_or_default::<u64>(key_column())?;
        let alive = segment.alive_bitset();
        weight.for_each_pruning(top.threshold(), segment, &mut |entry, score| {
            if alive.is_none_or(|alive| alive.is_alive(entry)) {
                let key = ChunkKey(keys.get_val(entry));
                if findable(key) {
                    top.push(score, key);
                }
            }
            top.threshold()
        })?;
    }
    Ok(())
}

/// A query for each dataset that holds the term.
fn queries(term: &SearchTerm) -> impl Iterator<Item = Box<dyn Query>> {
    term.scoped.iter().map(|scoped| {
        let query = TermQuery::new(scoped.clone(), IndexRecordOption::WithFreqs);
        Box::new(BoostQuery::new(Box::new(query), term.field.boost())) as Box<dyn Query>
    })
}

/// What BM25 needs to know, counted over the datasets of the search and the tail.
struct Statistics {
    chunks: u64,
    tokens: FxHashMap<Field, u64>,
    matching: FxHashMap<Term, u64>,
}

impl Statistics {
    fn new(fields: Fields, terms: &[SearchTerm], corpus: &Corpus) -> Self {
        let matching = terms
            .iter()
            .flat_map(|term| term.scoped.iter().map(|scoped| (scoped.clone(), term.matching)));
        Self {
            chunks: corpus.chunks,
            tokens: TextField::ALL
                .into_iter()
                .map(|field| (fields.text(field), corpus.tokens(field)))
                .collect(),
            matching: matching.collect(),
        }
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
        Ok(self.matching.get(term).copied().unwrap_or(0))
    }
}

//! Full-text search over one snapshot: BM25 over the index and over what is not in it yet.

use rustc_hash::FxHashSet;

use crate::analysis;
use crate::bm25::{self, Lengths};
use crate::full_text::Fields;
use crate::index_text::IndexTerms;
use crate::key::ChunkKey;
use crate::prepared::TextField;
use crate::snapshot::Snapshot;
use crate::tail_text::TailMatches;
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
    let terms = query_terms(text);
    if terms.is_empty() || limit == 0 {
        return Ok(TextMatches::default());
    }
    let tail = TailMatches::find(snapshot, &terms);
    let index = IndexTerms::find(snapshot, fields, &terms)?;
    let search = TextSearch::new(snapshot, &terms, &tail, &index, allowed);

    let mut top = Top::new(limit);
    tail.score(&search, &mut top);
    index.score(&search, &mut top)?;
    Ok(TextMatches { hits: top.into_sorted(), ceiling: search.ceiling(&terms) })
}

/// A term of the query, and which of the query's words it stands for.
pub(crate) struct QueryTerm {
    pub(crate) text: String,
    word: usize,
}

fn query_terms(text: &str) -> Vec<QueryTerm> {
    let words = analysis::query_words(text, MOST_TERMS).into_iter().enumerate();
    words
        .flat_map(|(word, terms)| terms.into_iter().map(move |text| QueryTerm { text, word }))
        .collect()
}

/// What scoring needs to know.
pub(crate) struct TextSearch<'a> {
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) allowed: Option<&'a FxHashSet<u64>>,
    pub(crate) corpus: Corpus,
    /// By term and field.
    matching: Vec<[u64; 2]>,
    /// By term and field, boosted; 0 for terms that are not searched for.
    ceilings: Vec<[f32; 2]>,
    lengths: [Lengths; 2],
}

impl<'a> TextSearch<'a> {
    fn new(
        snapshot: &'a Snapshot,
        terms: &[QueryTerm],
        tail: &TailMatches,
        index: &IndexTerms<'_>,
        allowed: Option<&'a FxHashSet<u64>>,
    ) -> Self {
        let matching: Vec<[u64; 2]> = (0..terms.len())
            .map(|term| {
                TextField::ALL.map(|field| tail.count(term, field) + index.count(term, field))
            })
            .collect();
        let corpus = Corpus::of(snapshot).at_least(&matching);
        let searched = searched(&matching);
        let ceiling = |(matching, searched): (&[u64; 2], bool)| {
            TextField::ALL.map(|field| match field.of(matching) {
                0 => 0.0,
                _ if !searched => 0.0,
                matching => field.boost() * bm25::ceiling(*matching, corpus.chunks),
            })
        };
        let ceilings = matching.iter().zip(searched).map(ceiling).collect();
        let lengths = TextField::ALL.map(|field| Lengths::around(corpus.average_length(field)));
        Self { snapshot, allowed, corpus, matching, ceilings, lengths }
    }

    /// Whether a chunk of this version may be found.
    pub(crate) fn admits(&self, version: u64) -> bool {
        !self.snapshot.is_dead(version)
            && self.allowed.is_none_or(|allowed| allowed.contains(&version))
    }

    /// Chunks that hold a term in a field, in the index and in the tail, dead ones included.
    pub(crate) fn matching(&self, term: usize, field: TextField) -> u64 {
        self.matching.get(term).map_or(0, |matching| *field.of(matching))
    }

    /// Whether a term is searched for in a field: it occurs there, and is rare enough.
    pub(crate) fn is_searched(&self, term: usize, field: TextField) -> bool {
        self.ceilings.get(term).is_some_and(|ceilings| *field.of(ceilings) > 0.0)
    }

    /// The score of a field that holds a term `count` times, given its length's id.
    pub(crate) fn score(&self, term: usize, field: TextField, count: u32, length: u8) -> f32 {
        let ceiling = self.ceilings.get(term).map_or(0.0, |ceilings| *field.of(ceilings));
        field.of(&self.lengths).score(ceiling, count, length)
    }

    /// The score of a chunk that holds every word of the query in its body countless times. Words that are nowhere
    /// count too: a chunk covers less of a question that asks for something else.
    fn ceiling(&self, terms: &[QueryTerm]) -> f32 {
        let numbered: Vec<(usize, &QueryTerm)> = terms.iter().enumerate().collect();
        let words = numbered.chunk_by(|(_, left), (_, right)| left.word == right.word);
        words
            .map(|word| {
                let matching = word.iter().map(|(term, _)| self.matching(*term, TextField::Body));
                bm25::ceiling(matching.max().unwrap_or(0), self.corpus.chunks)
            })
            .sum()
    }
}

/// Which terms are searched for: the rarest that occur.
fn searched(matching: &[[u64; 2]]) -> Vec<bool> {
    let mut found: Vec<(u64, usize)> = matching
        .iter()
        .enumerate()
        .map(|(term, [body, title])| (body + title, term))
        .filter(|(matching, _)| *matching > 0)
        .collect();
    found.sort_unstable();
    let mut searched = vec![false; matching.len()];
    for (_, term) in found.into_iter().take(MOST_SEARCHED_TERMS) {
        searched[term] = true;
    }
    searched
}

/// How much there is, dead chunks included.
pub(crate) struct Corpus {
    pub(crate) documents: u64,
    pub(crate) chunks: u64,
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

    /// The full-text index may count dead chunks that the files are rid of, so more may match than there are.
    fn at_least(mut self, matching: &[[u64; 2]]) -> Self {
        let most = matching.iter().flatten().copied().max().unwrap_or(0);
        self.chunks = self.chunks.max(most);
        self
    }

    pub(crate) fn tokens(&self, field: TextField) -> u64 {
        *field.of(&self.tokens)
    }

    fn average_length(&self, field: TextField) -> f32 {
        self.tokens(field) as f32 / self.chunks as f32
    }
}

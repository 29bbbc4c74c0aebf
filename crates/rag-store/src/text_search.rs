//! Full-text search over one snapshot: BM25 over the index and over what is not in it yet.

use rag_core::PhraseUse;
use rag_terms::{FIELDS, QuestionTerm, TextField, question_terms};
use rustc_hash::FxHashSet;

use crate::bm25::{self, Lengths};
use crate::full_text::Fields;
use crate::index_text::IndexTerms;
use crate::key::ChunkKey;
use crate::phrase_matches::PhraseMatches;
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
    /// The score of a chunk whose body has all words and phrases.
    pub(crate) ceiling: f32,
    /// The chunks that may be found at all, because they hold the phrases that are required; `None`: any.
    pub(crate) admitted: Option<Vec<ChunkKey>>,
}

/// The best chunks for the words of `text` that are of one of the `allowed` versions (`None`: of any).
pub(crate) fn search(
    snapshot: &Snapshot,
    fields: Fields,
    text: &str,
    phrase_use: PhraseUse,
    allowed: Option<&FxHashSet<u64>>,
    limit: usize,
) -> tantivy::Result<TextMatches> {
    let terms = question_terms(text, MOST_TERMS);
    if terms.is_empty() || limit == 0 {
        return Ok(TextMatches::default());
    }
    let tail = TailMatches::find(snapshot, &terms);
    let index = IndexTerms::find(snapshot, fields, &terms)?;
    let mut search = TextSearch::new(snapshot, &terms, &tail, &index, allowed);
    let phrases = rag_terms::phrases(text);
    let admits = |version| search.admits(version);
    search.phrases = PhraseMatches::find(snapshot, fields, &phrases, phrase_use, admits)?;

    let mut top = Top::new(limit);
    tail.score(&search, &mut top);
    index.score(&search, &mut top)?;
    let required = search.phrases.as_ref().filter(|phrases| phrases.are_required());
    Ok(TextMatches {
        hits: top.into_sorted(),
        ceiling: search.ceiling(),
        admitted: required.map(PhraseMatches::with_all),
    })
}

/// What scoring needs to know.
pub(crate) struct TextSearch<'a> {
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) allowed: Option<&'a FxHashSet<u64>>,
    pub(crate) corpus: Corpus,
    /// By term and field: the chunks by which its rarity is told, 0 where it does not occur.
    matching: Vec<[u64; FIELDS]>,
    /// By term and field, boosted; 0 for terms that are not searched for.
    ceilings: Vec<[f32; FIELDS]>,
    lengths: [Lengths; FIELDS],
    /// What the words of a chunk score that has all of them in its body countless times.
    words_ceiling: f32,
    pub(crate) phrases: Option<PhraseMatches>,
}

impl<'a> TextSearch<'a> {
    fn new(
        snapshot: &'a Snapshot,
        terms: &[QuestionTerm],
        tail: &TailMatches,
        index: &IndexTerms<'_>,
        allowed: Option<&'a FxHashSet<u64>>,
    ) -> Self {
        let matching: Vec<[u64; FIELDS]> = (0..terms.len())
            .map(|term| {
                TextField::ALL.map(|field| tail.count(term, field) + index.count(term, field))
            })
            .map(by_rarity)
            .collect();
        let corpus = Corpus::of(snapshot).at_least(&matching);
        let searched = searched(&matching);
        let ceiling = |((term, matching), searched): ((&QuestionTerm, &[u64; FIELDS]), bool)| {
            TextField::ALL.map(|field| match field.of(matching) {
                0 => 0.0,
                _ if !searched => 0.0,
                matching => term.boost * field.boost() * bm25::ceiling(*matching, corpus.chunks),
            })
        };
        let ceilings = terms.iter().zip(&matching).zip(searched).map(ceiling).collect();
        let lengths = TextField::ALL.map(|field| Lengths::around(corpus.average_length(field)));
        let words_ceiling = words_ceiling(terms, &matching, corpus.chunks);
        let phrases = None;
        Self { snapshot, allowed, corpus, matching, ceilings, lengths, words_ceiling, phrases }
    }

    /// Whether a chunk of this version may be found.
    pub(crate) fn admits(&self, version: u64) -> bool {
        !self.snapshot.is_dead(version)
            && self.allowed.is_none_or(|allowed| allowed.contains(&version))
    }

    /// Chunks by which the rarity of a term in a field is told, in the index and in the tail, dead ones included; 0
    /// where it does not occur.
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

    /// Whether a chunk has been offered already, because it holds phrases.
    pub(crate) fn is_scored(&self, key: ChunkKey) -> bool {
        self.phrases.as_ref().is_some_and(|phrases| phrases.hold_any(key))
    }

    /// Offers a chunk that may be found, given what its words score.
    pub(crate) fn offer(&self, key: ChunkKey, words: f32, top: &mut Top<ChunkKey>) {
        let score = match &self.phrases {
            Some(phrases) => phrases.score(key, words, self.words_ceiling),
            None => words,
        };
        if score > 0.0 {
            top.push(score, key);
        }
    }

    /// The score of a chunk that has all words in its body, countless times, and all phrases.
    fn ceiling(&self) -> f32 {
        let phrases = self.phrases.as_ref();
        phrases.map_or(self.words_ceiling, |phrases| phrases.ceiling(self.words_ceiling))
    }
}

/// Words that are nowhere count too: a chunk covers less of a question that asks for something else.
fn words_ceiling(terms: &[QuestionTerm], matching: &[[u64; FIELDS]], chunks: u64) -> f32 {
    let counted: Vec<(usize, u64)> = terms
        .iter()
        .zip(matching)
        .map(|(term, matching)| (term.word, *TextField::Body.of(matching)))
        .collect();
    let words = counted.chunk_by(|(left, _), (right, _)| left == right);
    let most = |word: &[(usize, u64)]| word.iter().map(|(_, matching)| *matching).max();
    words.map(|word| bm25::ceiling(most(word).unwrap_or(0), chunks)).sum()
}

/// How rare a word is in a field that few chunks have tells nothing: the field where it is commonest tells it there.
fn by_rarity(counts: [u64; FIELDS]) -> [u64; FIELDS] {
    let most = counts.iter().copied().max().unwrap_or(0);
    TextField::ALL.map(|field| match *field.of(&counts) {
        0 => 0,
        _ if field.usual_length().is_some() => most,
        count => count,
    })
}

/// Which terms are searched for: the rarest that occur.
fn searched(matching: &[[u64; FIELDS]]) -> Vec<bool> {
    let mut found: Vec<(u64, usize)> = matching
        .iter()
        .enumerate()
        .map(|(term, matching)| (matching.iter().sum(), term))
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
    /// Of bodies and of titles.
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
    fn at_least(mut self, matching: &[[u64; FIELDS]]) -> Self {
        let most = matching.iter().flatten().copied().max().unwrap_or(0);
        self.chunks = self.chunks.max(most);
        self
    }

    pub(crate) fn tokens(&self, field: TextField) -> u64 {
        let [body, title] = self.tokens;
        match field {
            TextField::Body => body,
            TextField::Title => title,
            _ => field.usual_length().unwrap_or(1).saturating_mul(self.chunks),
        }
    }

    fn average_length(&self, field: TextField) -> f32 {
        self.tokens(field) as f32 / self.chunks as f32
    }
}

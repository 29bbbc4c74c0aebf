//! Full-text search: the database finds and orders candidates, roughly; they are scored here, by BM25 over four fields.

use rag_core::{PhraseUse, StoreError};
use rag_terms::{FIELDS, QuestionTerm, TextField, phrases, question_terms};
use rustc_hash::FxHashMap;
use tokio_postgres::Row;

use crate::connection::{Connection, column};
use crate::filter_sql::Parameters;
use crate::lexemes::{FoundLexemes, phrase_query, rank_weights, scoped, term_query};
use crate::scope::Scope;
use crate::statistics::{Corpus, Statistics};

const K1: f32 = 1.2;
const B: f32 = 0.75;
/// Terms of a query that are looked up.
const MOST_TERMS: usize = 512;
/// Terms of all datasets together that a query may have.
const MOST_SCOPED_TERMS: usize = 20_000;
/// The rarest terms that are searched for. A question has a dozen; a pasted page has hundreds, and the rare ones tell
/// it apart.
const MOST_SEARCHED_TERMS: usize = 96;
/// The rarest of these, by which the database orders candidates.
const MOST_ORDERING_TERMS: usize = 24;
/// Matches that the database looks at before common words are left to the scoring of what the rare ones found.
const MATCHES_LOOKED_AT: u64 = 10_000;
/// Candidates that are scored for each hit asked for, and at least.
const CANDIDATES_PER_HIT: usize = 4;
const LEAST_CANDIDATES: usize = 256;
/// Chunks with required phrases that are looked at by vector.
const MOST_ADMITTED: i64 = 50_000;

/// What a text search found.
#[derive(Debug, Default)]
pub(crate) struct TextMatches {
    /// Best first.
    pub(crate) hits: Vec<(f32, i64)>,
    /// The score of a chunk whose body has all words and phrases.
    pub(crate) ceiling: f32,
    /// The chunks that may be found at all, because they hold the phrases that are required; `None`: any.
    pub(crate) admitted: Option<Vec<i64>>,
}

/// The best chunks for the words of `text`.
pub(crate) fn search(
    database: &mut Connection,
    statistics: &Statistics,
    scope: &Scope,
    text: &str,
    phrase_use: PhraseUse,
    limit: usize,
) -> Result<TextMatches, StoreError> {
    let datasets = scope.numbers();
    let most = (MOST_SCOPED_TERMS / datasets.len().max(1)).clamp(8, MOST_TERMS);
    let terms = question_terms(text, most);
    if terms.is_empty() || limit == 0 {
        return Ok(TextMatches::default());
    }
    let corpus = statistics.corpus(database, &datasets)?;
    let matching = statistics.matching(database, &datasets, &terms)?;
    let phrases: Vec<String> =
        phrases(text).iter().map(|phrase| phrase_query(&datasets, phrase)).collect();
    let is_required = phrase_use == PhraseUse::Require && !phrases.is_empty();
    let search = TextSearch::new(scope, &terms, &matching, corpus, phrases, is_required);
    let admitted = is_required.then(|| search.admitted(database)).transpose()?;
    let mut hits = search.hits(database, limit)?;
    let held = search.phrases_count(&hits);
    hits.truncate(limit);
    Ok(TextMatches {
        ceiling: search.words_ceiling * (1 + held) as f32,
        hits: hits.into_iter().map(|hit| (hit.score, hit.key)).collect(),
        admitted,
    })
}

struct TextSearch<'a> {
    scope: &'a Scope,
    datasets: Vec<i64>,
    /// Those that are searched for, the rarest first.
    terms: Vec<SearchedTerm<'a>>,
    average_lengths: [f32; FIELDS],
    /// What the words of a chunk score that has all of them in its body countless times.
    words_ceiling: f32,
    phrases: Vec<String>,
    /// Whether only chunks with all phrases may be found.
    is_required: bool,
}

struct SearchedTerm<'a> {
    text: &'a str,
    /// Chunks that have it.
    matching: u64,
    /// What no score of it reaches.
    ceiling: f32,
}

struct Hit {
    score: f32,
    key: i64,
    /// Phrases that it has.
    held: u32,
}

impl<'a> TextSearch<'a> {
    fn new(
        scope: &'a Scope,
        terms: &'a [QuestionTerm],
        matching: &[u64],
        mut corpus: Corpus,
        phrases: Vec<String>,
        is_required: bool,
    ) -> Self {
        corpus.chunks = corpus.chunks.max(matching.iter().copied().max().unwrap_or(0));
        let mut searched: Vec<SearchedTerm<'a>> = terms
            .iter()
            .zip(matching)
            .filter(|(_, matching)| **matching > 0)
            .map(|(term, matching)| SearchedTerm {
                text: &term.text,
                matching: *matching,
                ceiling: term.boost * ceiling(*matching, corpus.chunks),
            })
            .collect();
        searched.sort_by_key(|term| term.matching);
        searched.truncate(MOST_SEARCHED_TERMS);
        Self {
            scope,
            datasets: scope.numbers(),
            terms: searched,
            average_lengths: corpus.average_lengths(),
            words_ceiling: words_ceiling(terms, matching, corpus.chunks),
            phrases,
            is_required,
        }
    }

    /// The best chunks. First those with the rare words; those that have only common ones when these are not enough.
    fn hits(&self, database: &mut Connection, limit: usize) -> Result<Vec<Hit>, StoreError> {
        let mut looked_at = MATCHES_LOOKED_AT;
        loop {
            let essential = self.essential(looked_at);
            let hits = self.hits_with(database, &self.terms[..essential], limit)?;
            if hits.len() >= limit || essential >= self.terms.len() {
                return Ok(hits);
            }
            looked_at = looked_at.saturating_mul(8);
        }
    }

    /// How many of the terms, the rarest first, lead to about so many matches.
    fn essential(&self, matches: u64) -> usize {
        if self.scope.chunks <= matches {
            return self.terms.len();
        }
        let mut sum = 0_u64;
        let within = self.terms.iter().take_while(|term| {
            sum = sum.saturating_add(term.matching);
            sum <= matches
        });
        within.count().max(1).min(self.terms.len())
    }

    fn hits_with(
        &self,
        database: &mut Connection,
        essential: &[SearchedTerm<'_>],
        limit: usize,
    ) -> Result<Vec<Hit>, StoreError> {
        let candidates = limit.saturating_mul(CANDIDATES_PER_HIT).max(LEAST_CANDIDATES);
        let mut parameters = Parameters::new();
        let matches = self.matches(essential, &mut parameters);
        let Some(matches) = matches else { return Ok(Vec::new()) };
        let documents = self.scope.condition("c.document", &mut parameters);
        let held = self.held(&mut parameters);
        let order = self.order(&mut parameters);
        let candidates = parameters.add(i64::try_from(candidates).unwrap_or(i64::MAX));
        let sql = format!(
            "SELECT c.key, c.length, c.terms, {held} AS held FROM chunk_terms AS c
             WHERE {matches}{documents} ORDER BY held DESC, {order} DESC, c.key LIMIT {candidates}"
        );
        let rows = database.query(&sql, &parameters.values())?;
        let numbers = self.numbers();
        let mut hits: Vec<Hit> =
            rows.iter().map(|row| self.scored(row, &numbers)).collect::<Result<_, _>>()?;
        hits.retain(|hit| hit.score > 0.0);
        hits.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.key.cmp(&b.key)));
        Ok(hits)
    }

    /// The condition that a candidate fulfils; `None`: nothing can.
    fn matches(
        &self,
        essential: &[SearchedTerm<'_>],
        parameters: &mut Parameters,
    ) -> Option<String> {
        if self.is_required {
            return Some(self.with_all_phrases(parameters));
        }
        let words = essential.iter().map(|term| term_query(&self.datasets, term.text));
        let either: Vec<String> = words.chain(self.phrases.iter().cloned()).collect();
        let either = either.iter().map(|query| format!("({query})")).collect::<Vec<_>>();
        (!either.is_empty()).then(|| has(&either.join(" | "), parameters))
    }

    fn with_all_phrases(&self, parameters: &mut Parameters) -> String {
        let each = self.phrases.iter().map(|phrase| has(phrase, parameters));
        each.collect::<Vec<_>>().join(" AND ")
    }

    /// How many phrases a candidate has.
    fn held(&self, parameters: &mut Parameters) -> String {
        let each: Vec<String> = self
            .phrases
            .iter()
            .map(|phrase| format!("({})::integer", has(phrase, parameters)))
            .collect();
        if each.is_empty() { "0".into() } else { each.join(" + ") }
    }

    /// About what a candidate will score.
    fn order(&self, parameters: &mut Parameters) -> String {
        let weights = parameters.add(rank_weights().to_vec());
        let each: Vec<String> = self
            .terms
            .iter()
            .take(MOST_ORDERING_TERMS)
            .map(|term| {
                let query = parameters.add(term_query(&self.datasets, term.text));
                let ceiling = parameters.add(term.ceiling);
                format!(
                    "ts_rank({weights}::real[], c.terms, {query}::text::tsquery) * {ceiling}::real"
                )
            })
            .collect();
        if each.is_empty() {
            return "0::real".into();
        }
        let average = parameters.add(*TextField::Body.of(&self.average_lengths));
        format!("({}) / (0.5 + 0.5 * c.length / {average}::real)", each.join(" + "))
    }

    /// The terms' places by how they stand in the index.
    fn numbers(&self) -> FxHashMap<Vec<u8>, usize> {
        let scoped_terms = |(at, term): (usize, &SearchedTerm<'_>)| {
            let of = |dataset: &i64| (scoped(*dataset, term.text).into_bytes(), at);
            self.datasets.iter().map(of).collect::<Vec<_>>()
        };
        self.terms.iter().enumerate().flat_map(scoped_terms).collect()
    }

    fn scored(&self, row: &Row, numbers: &FxHashMap<Vec<u8>, usize>) -> Result<Hit, StoreError> {
        let found: FoundLexemes<'_> = column(row, 2)?;
        let mut lengths = [0_u32; FIELDS];
        let mut matches: Vec<(usize, [u32; FIELDS])> = Vec::new();
        found.each(|term, counts| {
            for field in TextField::ALL {
                *field.of_mut(&mut lengths) += field.of(&counts);
            }
            matches.extend(numbers.get(term).map(|at| (*at, counts)));
        });
        // Words beyond those whose places are kept count, too.
        *TextField::Body.of_mut(&mut lengths) = column::<i32>(row, 1)?.max(0).cast_unsigned();
        matches.sort_unstable_by_key(|(at, _)| *at);
        let of_term = |(at, counts): &(usize, [u32; FIELDS])| -> f32 {
            let ceiling = self.terms[*at].ceiling;
            let score = |field: TextField| {
                let average = field.of(&self.average_lengths);
                let norm = K1 * (1.0 - B + B * *field.of(&lengths) as f32 / average);
                let count = *field.of(counts) as f32;
                field.boost() * ceiling * count / (count + norm)
            };
            TextField::ALL.into_iter().map(score).sum()
        };
        let words: f32 = matches.iter().map(of_term).sum();
        let held = column::<i32>(row, 3)?.max(0).cast_unsigned();
        let score = match held {
            0 => words,
            held => words.min(self.words_ceiling) + self.words_ceiling * held as f32,
        };
        Ok(Hit { score, key: column(row, 0)?, held })
    }

    /// The phrases that make a difference: all, unless no chunk has any.
    fn phrases_count(&self, hits: &[Hit]) -> usize {
        let any = self.is_required || hits.iter().any(|hit| hit.held > 0);
        if any { self.phrases.len() } else { 0 }
    }

    /// The chunks that hold every phrase.
    fn admitted(&self, database: &mut Connection) -> Result<Vec<i64>, StoreError> {
        let mut parameters = Parameters::new();
        let phrases = self.with_all_phrases(&mut parameters);
        let documents = self.scope.condition("c.document", &mut parameters);
        let sql = format!(
            "SELECT c.key FROM chunk_terms AS c WHERE {phrases}{documents} LIMIT {MOST_ADMITTED}"
        );
        let rows = database.query(&sql, &parameters.values())?;
        rows.iter().map(|row| column(row, 0)).collect()
    }
}

/// The condition that a chunk is found by this `tsquery`.
fn has(query: &str, parameters: &mut Parameters) -> String {
    format!("c.terms @@ {}::text::tsquery", parameters.add(query.to_owned()))
}

/// What no score of a term reaches that occurs in `matching` of `chunks` chunks.
fn ceiling(matching: u64, chunks: u64) -> f32 {
    let (matching, chunks) = (matching as f32, chunks as f32);
    let rarity = (1.0 + (chunks - matching + 0.5) / (matching + 0.5)).ln();
    rarity * (1.0 + K1)
}

/// Words that are nowhere count too: a chunk covers less of a question that asks for something else.
fn words_ceiling(terms: &[QuestionTerm], matching: &[u64], chunks: u64) -> f32 {
    let counted: Vec<(usize, u64)> =
        terms.iter().zip(matching).map(|(term, matching)| (term.word, *matching)).collect();
    let words = counted.chunk_by(|(left, _), (right, _)| left == right);
    let most = |word: &[(usize, u64)]| word.iter().map(|(_, matching)| *matching).max();
    words.map(|word| ceiling(most(word).unwrap_or(0), chunks)).sum()
}

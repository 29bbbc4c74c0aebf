//! Choosing the sentences of the evidence that bear on a question.

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
};

use super::evidence::Evidence;
use crate::{
    sentences::{begins_block, sentences},
    static_table::StaticTable,
    terms::{terms, terms_of_words},
};

/// A sentence to quote.
#[derive(Debug, Clone, PartialEq)]
pub struct Quote {
    /// The number of the evidence that it stands in.
    pub id: u32,
    /// The sentence as it stands there.
    pub text: String,
    /// How well it bears on the question, 0 to 1.
    pub score: f32,
}

/// The most sentences that are quoted.
const MAX_QUOTES: usize = 3;
/// The least share of the best sentence's score that a further one needs.
const RUNNER_UP: f32 = 0.8;
/// The least score of any quote; see `docs/evidence/static-embedding.md` for how it was chosen.
const LEAST_SCORE: f32 = 0.3;
/// No word says more than this, however many pieces it is made of.
const MAX_SALIENCE: f32 = 1.5;
/// What is added to a sentence that ends with a colon, at most.
const MAX_CONTINUATION_BYTES: usize = 600;

/// The parts of a sentence's score; each part is 0 to 1 and they add up to 1.
const TERMS_WEIGHT: f32 = 0.55;
const CONTEXT_WEIGHT: f32 = 0.2;
const MEANING_WEIGHT: f32 = 0.25;

/// Chooses the one to three sentences that bear on the question best, best first; none when
/// nothing does.
///
/// A sentence scores by the question's terms that stand in it, each by how rare it is in the
/// evidence and in general, by the terms around it (its neighbours and the title), and by how near
/// its static embedding is to the question's.
pub(super) fn select(question: &str, evidence: &[Evidence], table: &StaticTable<'_>) -> Vec<Quote> {
    let candidates = candidates(evidence);
    let question_terms = QuestionTerms::weigh(question, &candidates, table);
    let place = table.embed_one(question);
    let mut scored: Vec<(f32, &Candidate<'_>)> = candidates
        .iter()
        .map(|candidate| {
            let nearness = dot(&place, &table.embed_one(candidate.text())).max(0.0);
            let score = TERMS_WEIGHT * question_terms.share(|term| candidate.terms.contains(term))
                + CONTEXT_WEIGHT * question_terms.share(|term| candidate.stands_near(term))
                + MEANING_WEIGHT * nearness;
            (score, candidate)
        })
        .collect();
    scored.sort_by(|left, right| right.0.total_cmp(&left.0));
    distinct(scored)
}

/// A sentence that may be quoted.
struct Candidate<'a> {
    evidence: &'a Evidence,
    span: Range<usize>,
    terms: HashSet<String>,
    /// The terms of the sentences before and after it, and of the title.
    near: HashSet<String>,
}

impl Candidate<'_> {
    fn text(&self) -> &str {
        &self.evidence.text[self.span.clone()]
    }

    /// Whether both are the same words (of overlapping chunks, say) or overlap.
    fn repeats(&self, other: &Self) -> bool {
        let overlaps = self.evidence.id == other.evidence.id
            && self.span.start < other.span.end
            && other.span.start < self.span.end;
        overlaps || self.terms == other.terms
    }

    fn stands_near(&self, term: &str) -> bool {
        self.terms.contains(term) || self.near.contains(term)
    }
}

fn candidates(evidence: &[Evidence]) -> Vec<Candidate<'_>> {
    evidence.iter().flat_map(candidates_of).collect()
}

fn candidates_of(evidence: &Evidence) -> Vec<Candidate<'_>> {
    let title: HashSet<String> = terms(&evidence.title).into_iter().collect();
    let spans = sentences(&evidence.text);
    let of_sentences: Vec<HashSet<String>> = spans
        .iter()
        .map(|span| terms(&evidence.text[span.clone()]).into_iter().collect())
        .collect();
    let near = |index: usize| {
        let before = index.checked_sub(1).and_then(|index| of_sentences.get(index));
        let after = of_sentences.get(index + 1);
        before.into_iter().chain(after).flatten().chain(&title).cloned().collect()
    };
    of_sentences
        .iter()
        .enumerate()
        .map(|(index, terms)| Candidate {
            evidence,
            span: quoted_span(&evidence.text, index, &spans),
            terms: terms.clone(),
            near: near(index),
        })
        .filter(|candidate| is_whole(candidate.text()))
        .collect()
}

/// Whether every block of code in it is closed. A chunk may end inside of one, and half a block would take whatever
/// follows the quote into itself.
fn is_whole(text: &str) -> bool {
    text.matches("```").count().is_multiple_of(2)
}

/// The span of a sentence, with what it announces when it ends with a colon: a list, an example.
fn quoted_span(text: &str, index: usize, spans: &[Range<usize>]) -> Range<usize> {
    let span = spans[index].clone();
    if !text[span.clone()].ends_with([':', '：']) {
        return span;
    }
    let announced = spans[index + 1..]
        .iter()
        .enumerate()
        .take_while(|(place, next)| *place == 0 || begins_block(&text[next.start..next.end]))
        .take_while(|(_, next)| next.end - span.start <= MAX_CONTINUATION_BYTES)
        .last();
    span.start..announced.map_or(span.end, |(_, next)| next.end)
}

/// The best candidates that are good enough and do not repeat each other.
fn distinct(scored: Vec<(f32, &Candidate<'_>)>) -> Vec<Quote> {
    let best = scored.first().map_or(0.0, |(score, _)| *score);
    let least = (best * RUNNER_UP).max(LEAST_SCORE);
    let mut chosen: Vec<(f32, &Candidate<'_>)> = Vec::new();
    for (score, candidate) in scored {
        if score < least || chosen.len() == MAX_QUOTES {
            break;
        }
        if !chosen.iter().any(|(_, other)| other.repeats(candidate)) {
            chosen.push((score, candidate));
        }
    }
    chosen
        .into_iter()
        .map(|(score, candidate)| Quote {
            id: candidate.evidence.id,
            text: candidate.text().to_owned(),
            score,
        })
        .collect()
}

/// The question's terms and how much each one tells.
struct QuestionTerms {
    weights: Vec<(String, f32)>,
    total: f32,
}

impl QuestionTerms {
    fn weigh(question: &str, candidates: &[Candidate<'_>], table: &StaticTable<'_>) -> Self {
        let mut counts: HashMap<&str, f32> = HashMap::new();
        for term in candidates.iter().flat_map(|candidate| &candidate.terms) {
            *counts.entry(term).or_default() += 1.0;
        }
        let sentences = candidates.len() as f32;
        let distinct: HashMap<String, String> = terms_of_words(question).into_iter().collect();
        let weigh = |(term, word): (String, String)| {
            let count = counts.get(term.as_str()).copied().unwrap_or(0.0);
            let rarity = (1.0 + sentences / (1.0 + count)).ln();
            let weight = rarity * table.salience(&word).min(MAX_SALIENCE);
            (term, weight)
        };
        let weights: Vec<(String, f32)> = distinct.into_iter().map(weigh).collect();
        let total = weights.iter().map(|(_, weight)| weight).sum();
        Self { weights, total }
    }

    /// The share of the terms, by weight, for which `stands` holds.
    fn share(&self, stands: impl Fn(&str) -> bool) -> f32 {
        if self.total <= 0.0 {
            return 0.0;
        }
        let standing = self.weights.iter().filter(|(term, _)| stands(term));
        standing.map(|(_, weight)| weight).sum::<f32>() / self.total
    }
}

fn dot(left: &[f32], right: &[f32]) -> f32 {
    left.iter().zip(right).map(|(left, right)| left * right).sum()
}

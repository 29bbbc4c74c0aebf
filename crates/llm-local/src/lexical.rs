//! `local/lexical`: reranks passages by their words and a little meaning.

use std::collections::HashMap;

use llm_core::{
    ErrorKind, Execution, ModelError, ModelInfo, ModelKind, ModelName, Operation, Ranked,
    RerankRequest, RerankResponse, ScoreType, SyncRerankModel, Usage,
};

use crate::{
    sentences::sentences,
    static_embedding::embedded_table,
    static_table::StaticTable,
    terms::{terms, terms_of_words},
};

/// BM25's saturation of repeated terms, and how much longer documents are discounted.
const SATURATION: f32 = 1.2;
const LENGTH_DISCOUNT: f32 = 0.5;

/// The parts of a score; each part is 0 to 1 and they add up to 1.
const COVERAGE_WEIGHT: f32 = 0.5;
const PROXIMITY_WEIGHT: f32 = 0.25;
const MEANING_WEIGHT: f32 = 0.25;

/// A [`SyncRerankModel`] over the words of query and passages.
///
/// A passage scores 0 to 1: the share of the query's terms that stand in it, each weighted by how
/// rare it is among the passages and in general, saturated like BM25 and discounted by length; the
/// share that stands together in one of its sentences; and how near its static embedding is to the
/// query's. Scores of one answer can be compared, those of different answers only roughly.
#[derive(Debug, Clone)]
pub struct Lexical {
    info: ModelInfo,
}

impl Lexical {
    /// The model `local/lexical`.
    pub fn new() -> Self {
        let mut info = ModelInfo::new(ModelName::new("local", "lexical"), ModelKind::Rerank);
        info.execution = Execution::Sync;
        info.scores = Some(ScoreType::Probability);
        info.description =
            Some("scores passages by term coverage, proximity and static similarity".into());
        Self { info }
    }
}

impl Default for Lexical {
    fn default() -> Self {
        Self::new()
    }
}

impl SyncRerankModel for Lexical {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// # Errors
    /// `Internal` when the program was built with a damaged table.
    fn rerank(&self, request: &RerankRequest) -> Result<RerankResponse, ModelError> {
        let table = embedded_table().map_err(|error| {
            ModelError::new(
                ErrorKind::Internal,
                Operation::Rerank,
                "the embedded table cannot be read",
            )
            .at("local", "lexical")
            .with_source(error.clone())
        })?;
        let scores = scores(&request.query, &request.documents, table);
        let mut results: Vec<Ranked> = scores
            .into_iter()
            .enumerate()
            .map(|(index, score)| Ranked::new(index, score))
            .collect();
        results.sort_by(|left, right| right.score.total_cmp(&left.score));
        results.truncate(request.top.unwrap_or(usize::MAX));

        let tokens = |text: &String| table.vocabulary().count(text) as u64;
        let of_documents: u64 = request.documents.iter().map(tokens).sum();
        Ok(RerankResponse {
            results,
            model: Some(self.info.name.model.clone()),
            scores: self.info.scores,
            usage: Usage {
                input_tokens: Some(tokens(&request.query) + of_documents),
                ..Usage::default()
            },
        })
    }
}

/// The score of each document, in their order.
fn scores(query: &str, documents: &[String], table: &StaticTable<'_>) -> Vec<f32> {
    let documents: Vec<Document<'_>> = documents.iter().map(|text| Document::read(text)).collect();
    let query_terms = QueryTerms::weigh(query, &documents, table);
    let lengths: f32 = documents.iter().map(Document::length).sum();
    let mean_length = (lengths / documents.len().max(1) as f32).max(1.0);
    let place = table.embed_one(query);
    documents
        .iter()
        .map(|document| {
            let relative = document.length() / mean_length;
            let nearness = dot(&place, &table.embed_one(document.text)).clamp(0.0, 1.0);
            COVERAGE_WEIGHT * query_terms.coverage(document, relative)
                + PROXIMITY_WEIGHT * query_terms.proximity(document)
                + MEANING_WEIGHT * nearness
        })
        .collect()
}

struct Document<'a> {
    text: &'a str,
    /// How often each term stands in each sentence.
    sentences: Vec<HashMap<String, f32>>,
    counts: HashMap<String, f32>,
}

impl<'a> Document<'a> {
    fn read(text: &'a str) -> Self {
        let sentences: Vec<HashMap<String, f32>> =
            sentences(text).into_iter().map(|span| counted(&text[span])).collect();
        Self { text, sentences, counts: counted(text) }
    }

    fn length(&self) -> f32 {
        self.counts.values().sum()
    }
}

fn counted(text: &str) -> HashMap<String, f32> {
    let mut counts = HashMap::new();
    for term in terms(text) {
        *counts.entry(term).or_default() += 1.0;
    }
    counts
}

/// The query's terms and how much each one tells.
struct QueryTerms {
    weights: Vec<(String, f32)>,
    total: f32,
}

impl QueryTerms {
    fn weigh(query: &str, documents: &[Document<'_>], table: &StaticTable<'_>) -> Self {
        let distinct: HashMap<String, String> = terms_of_words(query).into_iter().collect();
        let count = documents.len() as f32;
        let weigh = |(term, word): (String, String)| {
            let holding = documents.iter().filter(|document| document.counts.contains_key(&term));
            let rarity = (1.0 + (count + 0.5) / (0.5 + holding.count() as f32)).ln();
            let weight = rarity * table.salience(&word);
            (term, weight)
        };
        let mut weights: Vec<(String, f32)> = distinct.into_iter().map(weigh).collect();
        weights.sort_by(|left, right| left.0.cmp(&right.0));
        let total = weights.iter().map(|(_, weight)| weight).sum();
        Self { weights, total }
    }

    /// How much of the query a document holds, repeated terms saturated.
    fn coverage(&self, document: &Document<'_>, relative_length: f32) -> f32 {
        let discount = 1.0 - LENGTH_DISCOUNT + LENGTH_DISCOUNT * relative_length;
        self.share(|term| {
            let count = document.counts.get(term).copied().unwrap_or(0.0);
            count / (count + SATURATION * discount)
        })
    }

    /// How much of the query the best sentence holds.
    fn proximity(&self, document: &Document<'_>) -> f32 {
        let of_sentence = |sentence: &HashMap<String, f32>| {
            self.share(|term| if sentence.contains_key(term) { 1.0 } else { 0.0 })
        };
        document.sentences.iter().map(of_sentence).fold(0.0, f32::max)
    }

    fn share(&self, part: impl Fn(&str) -> f32) -> f32 {
        if self.total <= 0.0 {
            return 0.0;
        }
        self.weights.iter().map(|(term, weight)| weight * part(term)).sum::<f32>() / self.total
    }
}

fn dot(left: &[f32], right: &[f32]) -> f32 {
    left.iter().zip(right).map(|(left, right)| left * right).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rerank(query: &str, documents: &[&str], top: Option<usize>) -> Vec<Ranked> {
        let request = RerankRequest {
            query: query.into(),
            documents: documents.iter().map(|text| text.to_string()).collect(),
            top,
            ..RerankRequest::default()
        };
        Lexical::new().rerank(&request).unwrap().results
    }

    fn order(query: &str, documents: &[&str]) -> Vec<usize> {
        rerank(query, documents, None).iter().map(|ranked| ranked.index).collect()
    }

    #[test]
    fn rare_terms_count_more_than_common_ones() {
        let documents =
            ["The cat and the dog and the bird.", "A zither is an instrument.", "The end."];
        assert_eq!(order("what is the zither", &documents)[0], 1);
    }

    #[test]
    fn terms_in_one_sentence_count_more_than_scattered_ones() {
        let scattered = "Green is a colour. Many people like it a lot. Tea is a drink.";
        let together = "Green tea is a drink. Many people like it a lot. It has a colour.";
        assert_eq!(order("green tea", &[scattered, together]), [1, 0]);
    }

    #[test]
    fn meaning_breaks_ties_between_texts_without_shared_words() {
        let documents =
            ["The parliament passed a law.", "The physician treated patients with drugs."];
        assert_eq!(order("doctor medicine hospital", &documents), [1, 0]);
    }

    #[test]
    fn only_the_best_are_given_when_asked() {
        let ranked = rerank("tea", &["coffee", "tea", "water"], Some(1));
        assert_eq!(ranked.len(), 1);
        assert_eq!(ranked[0].index, 1);
        assert!(rerank("tea", &[], None).is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn scores_are_between_0_and_1_and_sorted(query in ".{0,40}", documents in prop::collection::vec(".{0,80}", 0..6)) {
            let documents: Vec<&str> = documents.iter().map(String::as_str).collect();
            let ranked = rerank(&query, &documents, None);
            prop_assert_eq!(ranked.len(), documents.len());
            prop_assert!(ranked.iter().all(|ranked| (0.0..=1.0001).contains(&ranked.score)));
            prop_assert!(ranked.is_sorted_by(|left, right| left.score >= right.score));
        }
    }
}

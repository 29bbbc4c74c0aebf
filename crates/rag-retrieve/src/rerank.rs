//! Ordering hits anew by a rerank model.

use std::time::Instant;

use llm_core::{ModelError, RerankRequest, RerankResponse, ScoreType};

use crate::{Reranker, Retrieval, RetrievedChunk};

/// Orders the hits by the model's scores, ties by the order before. What the model did not score counts as 0. When the
/// model fails, the order stays, with a warning.
pub(crate) fn rerank(
    question: &str,
    reranker: &Reranker,
    mut hits: Vec<RetrievedChunk>,
    retrieval: &mut Retrieval,
) -> Vec<RetrievedChunk> {
    if hits.is_empty() {
        return hits;
    }
    let began = Instant::now();
    match scores(question, reranker, &hits) {
        Ok(scores) => {
            for (hit, score) in hits.iter_mut().zip(scores) {
                hit.why.rerank = Some(score.unwrap_or(0.0));
                hit.score = hit.why.score();
            }
            hits.sort_by(|a, b| b.score.total_cmp(&a.score));
        }
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "hits not reranked");
            let model = &reranker.model.info().name;
            retrieval.warnings.push(format!("hits are in the order of the search: {model} failed"));
        }
    }
    retrieval.timings.rerank += began.elapsed();
    hits
}

/// The model's score of each hit, 0 to 1.
fn scores(
    question: &str,
    reranker: &Reranker,
    hits: &[RetrievedChunk],
) -> Result<Vec<Option<f32>>, ModelError> {
    let request = RerankRequest {
        query: question.to_owned(),
        documents: hits.iter().map(|hit| hit.chunk.contextual_text()).collect(),
        ..RerankRequest::default()
    };
    let response = reranker.model.rerank(&request)?;
    let values = relevances(&response, reranker.model.info().scores);
    let mut scores = vec![None; hits.len()];
    for (ranked, value) in response.results.iter().zip(values) {
        if let Some(score) = scores.get_mut(ranked.index).filter(|_| value.is_finite()) {
            *score = Some(value);
        }
    }
    Ok(scores)
}

/// Each result's score in 0 to 1: what the answer says, else by how it or the model declares its scores.
fn relevances(response: &RerankResponse, declared: Option<ScoreType>) -> Vec<f32> {
    let told: Option<Vec<f32>> = response.results.iter().map(|ranked| ranked.relevance).collect();
    told.unwrap_or_else(|| {
        let mut values: Vec<f32> = response.results.iter().map(|ranked| ranked.score).collect();
        let scores = response.scores.or(declared).unwrap_or(ScoreType::Unbounded);
        scores.normalise(&mut values);
        values
    })
}

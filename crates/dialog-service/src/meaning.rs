//! Matching the sentences of an answer without markers to those of its evidence by meaning.

use std::sync::Arc;

use llm_core::{EmbeddingModel, EmbeddingRequest};

/// Pairs of sentences that are compared, in well below a millisecond; in a longer answer, or with more evidence, words alone
/// decide.
const MOST_PAIRS: usize = 4_096;

/// The cosine of each of `claims`, sentences of the answer, to each of `sentences`, those of the evidence. `None` where that cannot be told, for whatever reason.
/// Dropping the future cancels the call.
pub(crate) async fn cosines(
    embedding: &Arc<dyn EmbeddingModel>,
    claims: Vec<String>,
    sentences: Vec<String>,
) -> Option<Vec<Vec<f32>>> {
    if claims.len() * sentences.len() > MOST_PAIRS {
        return None;
    }
    let (claimed, model) = (claims.len(), embedding.info().name.model.clone());
    let texts = claims.into_iter().chain(sentences);
    let request = EmbeddingRequest { model, ..EmbeddingRequest::documents(texts) };
    let embedded = match embedding.embed(request).await {
        Ok(embedded) => embedded,
        Err(error) => {
            tracing::warn!(%error, "sentences were matched by their words alone");
            return None;
        }
    };
    let vectors: Vec<Vec<f32>> = embedded.vectors.into_iter().map(unit).collect();
    let (claims, sentences) = vectors.split_at_checked(claimed)?;
    let cosine = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum();
    let row = |claim: &Vec<f32>| sentences.iter().map(|other| cosine(claim, other)).collect();
    Some(claims.iter().map(row).collect())
}

fn unit(vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    if length > 0.0 { vector.into_iter().map(|x| x / length).collect() } else { vector }
}

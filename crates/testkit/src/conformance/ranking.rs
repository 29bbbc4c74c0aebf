//! Rankings against a recording.

use llm_core::{ModelError, RerankResponse};
use serde_json::Value;

use crate::Expectation;

/// How the scores of a call differ from what the independent reader got; empty when they do not.
pub fn compare_ranking(
    expect: &Expectation,
    result: &Result<RerankResponse, ModelError>,
) -> Vec<String> {
    let response = match result {
        Ok(response) => response,
        Err(error) => return vec![format!("failed: {error:?}")],
    };
    let Some(expected) = &expect.ranking else {
        return Vec::new();
    };
    let found: Vec<(u64, f32)> =
        response.results.iter().map(|ranked| (ranked.index as u64, ranked.score)).collect();
    let mut expected: Vec<(u64, f32)> = expected.iter().filter_map(entry).collect();
    // Services answer in any order.
    expected.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    match found == expected {
        true => Vec::new(),
        false => vec![format!("ranking: {found:?}, not {expected:?}")],
    }
}

/// `[index, score]`
fn entry(entry: &Value) -> Option<(u64, f32)> {
    Some((entry.get(0)?.as_u64()?, entry.get(1)?.as_f64()? as f32))
}

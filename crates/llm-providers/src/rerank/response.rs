//! The answer. Pure.

use llm_core::{ErrorKind, ModelError, Operation, Ranked, RerankResponse, Usage};
use serde::Deserialize;
use serde_json::Value;

use super::quirks::RerankShape;
use crate::openai::errors;
use crate::ranking::rank;

/// Reads the answer to a request with `count` documents, and keeps the best `top` of them: best first, ties by index.
///
/// # Errors
/// `Malformed` when it is none, when it names a document twice or one that was not sent, or a score is no number; the
/// service's failure when the body tells one.
pub fn parse_rerank_response(
    body: &[u8],
    count: usize,
    top: Option<usize>,
    shape: RerankShape,
) -> Result<RerankResponse, ModelError> {
    let mut body: Value = serde_json::from_slice(body)
        .map_err(|error| malformed("this is no rerank reply").with_source(error))?;
    let Some(entries) = entries(&mut body, shape) else {
        return Err(match body.get("error").or(body.get("detail")) {
            Some(_) => errors::from_body(Operation::Rerank, None, &body),
            None => malformed("this is no rerank reply: it has no scores"),
        });
    };
    let mut results = match shape {
        RerankShape::DeepInfra => scores(entries, count)?,
        _ => ranked(entries, count)?,
    };
    results.truncate(top.unwrap_or(usize::MAX));
    let model = body.get("model").and_then(Value::as_str).map(str::to_owned);
    Ok(RerankResponse { results, model, usage: usage(&body), ..RerankResponse::default() })
}

/// The list with the scores. Servers of one shape do not agree on its name.
fn entries(body: &mut Value, shape: RerankShape) -> Option<Vec<Value>> {
    let names: &[&str] = match shape {
        RerankShape::Cohere | RerankShape::Voyage => &["results", "data"],
        RerankShape::Tei => &["results"],
        RerankShape::Nim => &["rankings"],
        RerankShape::DeepInfra => &["scores"],
    };
    if let (RerankShape::Tei, Value::Array(entries)) = (shape, &mut *body) {
        return Some(std::mem::take(entries));
    }
    names.iter().find_map(|name| match body.get_mut(*name)? {
        Value::Array(entries) => Some(std::mem::take(entries)),
        _ => None,
    })
}

#[derive(Deserialize)]
struct Entry {
    index: usize,
    #[serde(alias = "relevance_score", alias = "logit")]
    score: f32,
}

fn ranked(entries: Vec<Value>, count: usize) -> Result<Vec<Ranked>, ModelError> {
    let entries = entries.into_iter().map(|entry| {
        let Entry { index, score } = serde_json::from_value(entry)
            .map_err(|error| malformed("a document has no index or no score").with_source(error))?;
        Ok((index, score))
    });
    rank(entries.collect::<Result<Vec<_>, ModelError>>()?, count)
}

/// One score for each document, in their order.
fn scores(scores: Vec<Value>, count: usize) -> Result<Vec<Ranked>, ModelError> {
    if scores.len() != count {
        return Err(malformed(format!("{} scores came for {count} documents", scores.len())));
    }
    let number = |score: Value| score.as_f64().map_or(f32::NAN, |score| score as f32);
    rank(scores.into_iter().map(number).enumerate(), count)
}

/// What was consumed, wherever services tell it.
fn usage(body: &Value) -> Usage {
    let count = |places: &[&str]| places.iter().find_map(|at| body.pointer(at)?.as_u64());
    let cost = ["/usage/cost", "/inference_status/cost"];
    let raw = body.get("usage").or(body.get("meta")).filter(|raw| raw.is_object());
    Usage {
        input_tokens: count(&[
            "/usage/prompt_tokens",
            "/usage/input_tokens",
            "/usage/total_tokens",
            "/meta/tokens/input_tokens",
            "/input_tokens",
        ]),
        search_units: count(&["/meta/billed_units/search_units", "/usage/search_units"]),
        cost: cost.iter().find_map(|at| body.pointer(at)?.as_f64()),
        raw: raw.cloned(),
        ..Usage::default()
    }
}

fn malformed(message: impl Into<String>) -> ModelError {
    ModelError::new(ErrorKind::Malformed, Operation::Rerank, message)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn parse(
        body: &Value,
        count: usize,
        top: Option<usize>,
        shape: RerankShape,
    ) -> Result<RerankResponse, ModelError> {
        parse_rerank_response(body.to_string().as_bytes(), count, top, shape)
    }

    #[test]
    fn answers_of_each_shape_come_best_first() {
        use RerankShape::{Cohere, DeepInfra, Nim, Tei, Voyage};
        let list = |score: &str| {
            json!([
                { "index": 2, score: -4.5 }, { "index": 1, score: 0.5, "document": { "text": "b" } },
                { "index": 0, score: 0.5 },
            ])
        };
        for (shape, body, tokens) in [
            (
                Cohere,
                json!({ "results": list("relevance_score"), "usage": { "total_tokens": 7 } }),
                Some(7),
            ),
            (
                Cohere,
                json!({ "data": list("relevance_score"), "usage": { "prompt_tokens": 7 } }),
                Some(7),
            ),
            (
                Cohere,
                json!({ "results": list("relevance_score"), "meta": { "tokens": { "input_tokens": 7 } } }),
                Some(7),
            ),
            (
                Voyage,
                json!({ "data": list("relevance_score"), "usage": { "total_tokens": 7 } }),
                Some(7),
            ),
            (Tei, list("score"), None),
            (Nim, json!({ "rankings": list("logit") }), None),
            (DeepInfra, json!({ "scores": [0.5, 0.5, -4.5], "input_tokens": 7 }), Some(7)),
        ] {
            let response = parse(&body, 3, None, shape).unwrap();
            let order: Vec<_> =
                response.results.iter().map(|ranked| (ranked.index, ranked.score)).collect();
            assert_eq!(order, [(0, 0.5), (1, 0.5), (2, -4.5)], "{shape:?}");
            assert_eq!(response.usage.input_tokens, tokens, "{shape:?}");
            assert_eq!(parse(&body, 3, Some(1), shape).unwrap().results.len(), 1);
        }
    }

    #[test]
    fn refuses_what_is_not_whole() {
        use RerankShape::{Cohere, DeepInfra, Tei};
        let entry = |index: i64| json!({ "index": index, "relevance_score": 0.5 });
        for (shape, body) in [
            (Cohere, json!({ "results": [entry(3)] })),
            (Cohere, json!({ "results": [entry(-1)] })),
            (Cohere, json!({ "results": [entry(1), entry(1)] })),
            (Cohere, json!({ "results": [{ "index": 0 }] })),
            (Cohere, json!({ "results": [{ "index": 0, "relevance_score": 1e300 }] })),
            (Cohere, json!({})),
            (Cohere, json!([])),
            (Tei, json!({})),
            (DeepInfra, json!({ "scores": [0.5] })),
            (DeepInfra, json!({ "scores": [0.5, null, 0.5] })),
        ] {
            let error = parse(&body, 3, None, shape).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Malformed, "{shape:?} {body}");
        }
        let error = json!({ "error": { "message": "m", "code": 429 } });
        assert_eq!(parse(&error, 3, None, Cohere).unwrap_err().kind(), ErrorKind::RateLimit);
    }

    proptest! {
        #[test]
        fn every_answer_is_sorted_and_within_the_request(
            scores in proptest::collection::vec(-9_i32..9, 0..20), count in 0_usize..20,
        ) {
            let list: Vec<Value> = scores
                .iter()
                .enumerate()
                .map(|(index, score)| json!({ "index": index, "relevance_score": score }))
                .collect();
            let body = json!({ "results": list });
            if let Ok(response) = parse(&body, count, None, RerankShape::Cohere) {
                prop_assert_eq!(response.results.len(), scores.len());
                prop_assert!(response.results.iter().all(|ranked| ranked.index < count));
                let is_sorted = response.results.is_sorted_by(|a, b| {
                    a.score > b.score || a.score == b.score && a.index < b.index
                });
                prop_assert!(is_sorted);
            } else {
                prop_assert!(scores.len() > count);
            }
        }
    }
}

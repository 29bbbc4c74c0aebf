//! The request, in both directions. Pure.

use llm_core::RerankRequest;
use serde_json::{Map, Value, json};

use super::quirks::{RerankQuirks, RerankShape};
use crate::openai::RequestError;
use crate::openai::fields::Fields;

/// Writes the body. [`RerankRequest::top`] is sent where the shape has a field for it; whoever reads the answer cuts it
/// anyway. [`RerankRequest::extra_body`] comes last and replaces what stands there under the same name.
pub fn render_rerank_request(request: RerankRequest, quirks: &RerankQuirks) -> Map<String, Value> {
    let RerankRequest { model, query, documents, top, extra_body, .. } = request;
    let mut body = Map::new();
    let mut put = |name: &str, value: Value| {
        body.insert(name.to_owned(), value);
    };
    match quirks.shape {
        RerankShape::Cohere | RerankShape::Voyage => {
            put("model", model.into());
            put("query", query.into());
            put("documents", documents.into());
            if let (Some(top), Some(field)) = (top, top_field(quirks.shape)) {
                put(field, top.into());
            }
            if quirks.returns_documents {
                put("return_documents", false.into());
            }
        }
        RerankShape::Tei => {
            put("query", query.into());
            put("texts", documents.into());
        }
        RerankShape::Nim => {
            let passages = documents.into_iter().map(|text| json!({ "text": text }));
            put("model", model.into());
            put("query", json!({ "text": query }));
            put("passages", passages.collect());
        }
        RerankShape::DeepInfra => {
            put("queries", vec![query; documents.len()].into());
            put("documents", documents.into());
        }
    }
    body.extend(extra_body);
    body
}

fn top_field(shape: RerankShape) -> Option<&'static str> {
    match shape {
        RerankShape::Cohere => Some("top_n"),
        RerankShape::Voyage => Some("top_k"),
        _ => None,
    }
}

/// Reads a body of a shape; `model` is the model where the body does not name it. What has no name in the vocabulary
/// goes to [`RerankRequest::extra_body`].
///
/// # Errors
/// When a field is missing or has the wrong type; the error names it.
pub fn parse_rerank_request(
    model: &str,
    body: Value,
    shape: RerankShape,
) -> Result<RerankRequest, RequestError> {
    let mut fields = Fields::of(body, "")?;
    let named: Option<String> = match shape {
        RerankShape::Tei | RerankShape::DeepInfra => None,
        _ => fields.optional("model")?,
    };
    let mut request =
        RerankRequest { model: named.unwrap_or_else(|| model.to_owned()), ..Default::default() };
    match shape {
        RerankShape::Cohere | RerankShape::Voyage => {
            request.query = fields.required("query")?;
            request.documents = texts(&mut fields, "documents")?;
            if let Some(field) = top_field(shape) {
                request.top = fields.optional(field)?;
            }
        }
        RerankShape::Tei => {
            request.query = fields.required("query")?;
            request.documents = texts(&mut fields, "texts")?;
        }
        RerankShape::Nim => {
            let path = fields.path("query");
            let query = fields.take("query").ok_or_else(|| fields.error("query", "is missing"))?;
            request.query = Fields::of(query, path)?.required("text")?;
            request.documents = texts(&mut fields, "passages")?;
        }
        RerankShape::DeepInfra => {
            let queries: Vec<String> = fields.required("queries")?;
            let mut different = queries.windows(2).filter(|pair| pair[0] != pair[1]);
            if different.next().is_some() {
                return Err(fields.error("queries", "must be one question"));
            }
            let first = queries.into_iter().next();
            request.query = first.ok_or_else(|| fields.error("queries", "must not be empty"))?;
            request.documents = texts(&mut fields, "documents")?;
        }
    }
    request.extra_body = fields.rest();
    Ok(request)
}

/// A list of texts, or of objects with a `text`.
fn texts(fields: &mut Fields, name: &str) -> Result<Vec<String>, RequestError> {
    let path = fields.path(name);
    if fields.peek(name).is_none() {
        return Err(fields.error(name, "is missing"));
    }
    let entries = fields.list(name)?.into_iter().enumerate();
    entries
        .map(|(at, entry)| match entry {
            Value::String(text) => Ok(text),
            entry => Fields::of(entry, format!("{path}[{at}]"))?.required("text"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quirks(shape: RerankShape) -> RerankQuirks {
        RerankQuirks { shape, ..RerankQuirks::default() }
    }

    #[test]
    fn bodies_are_those_of_each_shape() {
        let request = RerankRequest {
            model: "m".into(),
            query: "q".into(),
            documents: vec!["a".into(), "b".into()],
            top: Some(1),
            extra_body: Map::from_iter([("truncate".to_owned(), "END".into())]),
            ..RerankRequest::default()
        };
        for (shape, has_top, body) in [
            (
                RerankShape::Cohere,
                true,
                json!({ "model": "m", "query": "q", "documents": ["a", "b"], "top_n": 1, "truncate": "END" }),
            ),
            (
                RerankShape::Voyage,
                true,
                json!({ "model": "m", "query": "q", "documents": ["a", "b"], "top_k": 1, "truncate": "END" }),
            ),
            (
                RerankShape::Tei,
                false,
                json!({ "query": "q", "texts": ["a", "b"], "truncate": "END" }),
            ),
            (
                RerankShape::Nim,
                false,
                json!({
                    "model": "m", "query": { "text": "q" }, "passages": [{ "text": "a" }, { "text": "b" }],
                    "truncate": "END",
                }),
            ),
            (
                RerankShape::DeepInfra,
                false,
                json!({ "queries": ["q", "q"], "documents": ["a", "b"], "truncate": "END" }),
            ),
        ] {
            let rendered = render_rerank_request(request.clone(), &quirks(shape));
            assert_eq!(Value::Object(rendered), body, "{shape:?}");
            let top = request.top.filter(|_| has_top);
            let parsed = parse_rerank_request("m", body, shape).unwrap();
            assert_eq!(parsed, RerankRequest { top, ..request.clone() }, "{shape:?}");
        }
    }

    #[test]
    fn documents_that_would_come_back_are_declined() {
        let quirks = RerankQuirks { returns_documents: true, ..RerankQuirks::default() };
        let body = render_rerank_request(RerankRequest::default(), &quirks);
        assert_eq!(body["return_documents"], false);
    }

    #[test]
    fn a_wrong_field_is_named() {
        let param = |body: Value, shape| {
            parse_rerank_request("m", body, shape).unwrap_err().param.unwrap_or_default()
        };
        let query = || json!({ "query": "q", "documents": ["a", 7] });
        assert_eq!(param(query(), RerankShape::Cohere), "documents[1]");
        assert_eq!(param(json!({ "query": "q" }), RerankShape::Tei), "texts");
        assert_eq!(param(query(), RerankShape::Nim), "query");
        assert_eq!(param(json!({ "queries": ["a", "b"] }), RerankShape::DeepInfra), "queries");
    }
}

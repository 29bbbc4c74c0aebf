//! Rerank as most services offer it.

use anyhow::Result;
use llm_core::RerankRequest;
use llm_providers::catalogue;
use llm_providers::rerank::{RerankQuirks, Reranker, parse_rerank_request};
use serde_json::Value;
use testkit::conformance::{Outcome, compare_failure, compare_ranking};
use testkit::{Chunking, Exchange, ReplayServer};

use super::compare_sent;

/// Whether the exchange is a question for a ranking.
pub(super) fn covers(exchange: &Exchange) -> bool {
    exchange.wire == "rerank" && exchange.op == "rerank"
}

/// Replays an exchange and tells how it differs from its recording.
pub(super) async fn replay(server: &ReplayServer, exchange: &Exchange) -> Result<Vec<String>> {
    let quirks = catalogue::find(&exchange.provider).map(|entry| entry.quirks.rerank.clone());
    let mut quirks = quirks.unwrap_or_default();
    let model = exchange.model.clone().unwrap_or_default();
    let body = exchange.request.body.clone();
    // What the client says to save bytes, the recorded one need not have said.
    quirks.returns_documents &= says_whether_documents_return(body.as_ref());
    let request = body.map(|body| parse_rerank_request(&model, body, quirks.shape)).transpose();
    let request = match request {
        Ok(request) => request.unwrap_or_else(|| any_question(exchange)),
        // A request that we refuse ourselves passes when the service refused it, too.
        Err(_) if exchange.response.status >= 400 => return Ok(Vec::new()),
        Err(refusal) => return Ok(vec![format!("refused: {refusal}")]),
    };
    let result =
        client(server, exchange, quirks)?.model(request.model.clone()).rerank(request).await;
    let mut differences = if exchange.response.status >= 400 {
        compare_failure(exchange, &Outcome { response: Default::default(), error: result.err() })
    } else {
        let expect = exchange.expect.as_ref();
        expect.map(|expect| compare_ranking(expect, &result)).unwrap_or_default()
    };
    let is_recorded = exchange.request.body.is_some();
    differences.extend(compare_sent(server, exchange, &[], is_recorded, normalise_rerank_request));
    Ok(differences)
}

/// The client for an exchange, talking to the replay server, with the path that was recorded.
fn client(server: &ReplayServer, exchange: &Exchange, quirks: RerankQuirks) -> Result<Reranker> {
    let origin = server.add(exchange.clone(), Chunking::Random { longest: 700, seed: 1 });
    let path = exchange.request.url.splitn(4, '/').nth(3).unwrap_or_default();
    let quirks = RerankQuirks { path: Some(path.to_owned()), ..quirks };
    Ok(Reranker::builder(&exchange.provider, origin).quirks(quirks).build()?)
}

fn says_whether_documents_return(body: Option<&Value>) -> bool {
    body.is_some_and(|body| body.get("return_documents").is_some())
}

/// Any request with as many documents as the answer speaks of.
fn any_question(exchange: &Exchange) -> RerankRequest {
    let ranking = exchange.expect.as_ref().and_then(|expect| expect.ranking.as_ref());
    let indexes = ranking.into_iter().flatten().filter_map(|entry| entry.get(0)?.as_u64());
    let count = indexes.max().map_or(1, |last| last as usize + 1);
    RerankRequest { documents: vec!["text".into(); count], ..RerankRequest::default() }
}

/// `null` is the same as nothing, and so is a document as text or as an object with nothing else.
fn normalise_rerank_request(mut body: Value) -> Value {
    if let Some(fields) = body.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
        for document in
            fields.get_mut("documents").and_then(Value::as_array_mut).into_iter().flatten()
        {
            if let Some(text) = document.get_mut("text").map(Value::take) {
                *document = text;
            }
        }
    }
    body
}

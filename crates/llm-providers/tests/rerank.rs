//! Rerank and embeddings of services, by the data that tells how they are asked: the real client against a replay server.

use llm_core::{
    EmbeddingRequest, ErrorKind, Limits, ModelInfo, ModelKind, ModelName, ModelSource,
    RerankRequest, Retry, RetryHint, ScoreType,
};
use llm_providers::rerank::{Elsewhere, RerankQuirks, RerankShape, Reranker};
use llm_providers::{EmbeddingQuirks, EmbeddingShape, OpenAi, Quirks, catalogue};
use serde_json::{Value, json};
use testkit::{Chunking, Exchange, ReplayServer};

/// Something to replay that was written for a test, after the service's documentation.
fn exchange(id: &str, status: u16, body: Value) -> Exchange {
    serde_json::from_value(json!({
        "id": id, "provider": "p", "dialect": "d", "wire": "rerank", "kind": "rerank",
        "request": { "method": "POST", "url": "https://a.example/" },
        "response": { "status": status, "framing": "json", "body": body.to_string() },
    }))
    .unwrap()
}

fn question(documents: &[&str]) -> RerankRequest {
    RerankRequest {
        query: "q".into(),
        documents: documents.iter().map(|text| (*text).to_owned()).collect(),
        ..RerankRequest::default()
    }
}

fn with_batch(model: &str, batch: u32) -> ModelInfo {
    let limits = Limits { batch: Some(batch), ..Limits::default() };
    let info = ModelInfo::new(ModelName::new("p", model), ModelKind::Rerank);
    ModelInfo { limits, ..info }
}

#[tokio::test]
async fn each_service_is_asked_at_its_own_address() {
    let server = ReplayServer::start().await.unwrap();
    let scored = |list: &str, score: &str| json!({ list: [{ "index": 0, score: 0.5 }] });
    let tei = RerankQuirks { shape: RerankShape::Tei, ..RerankQuirks::default() };
    let nim = RerankQuirks {
        shape: RerankShape::Nim,
        path: Some("retrieval/{model_}/reranking".into()),
        scores: Some(ScoreType::Logit),
        ..RerankQuirks::default()
    };
    let deep_infra = RerankQuirks {
        shape: RerankShape::DeepInfra,
        path: Some("inference/{model}".into()),
        ..RerankQuirks::default()
    };
    for (quirks, model, body, path) in [
        (RerankQuirks::default(), "m", scored("results", "relevance_score"), "/rerank"),
        (tei, "m", json!([{ "index": 0, "score": 0.5 }]), "/rerank"),
        (
            nim,
            "nvidia/llama-3.2-rerank v2",
            scored("rankings", "logit"),
            "/retrieval/nvidia/llama-3_2-rerank%20v2/reranking",
        ),
        (deep_infra, "Qwen/Q-0.6B", json!({ "scores": [0.5] }), "/inference/Qwen/Q-0.6B"),
    ] {
        let origin = server.add(exchange("x", 200, body), Chunking::Whole);
        let scores = quirks.scores.unwrap_or(ScoreType::Unbounded);
        let service = Reranker::builder("p", origin).quirks(quirks).build().unwrap();
        let model = service.model(model);
        assert_eq!(model.info().scores, Some(scores));
        let response = model.rerank(question(&["a"])).await.unwrap();
        assert_eq!((response.results[0].index, response.results[0].score), (0, 0.5));
        assert_eq!(server.taken("x")[0].path, path);
    }
}

#[tokio::test]
async fn a_models_name_leads_nowhere_else() {
    let server = ReplayServer::start().await.unwrap();
    let body = json!({ "results": [{ "index": 0, "relevance_score": 0.5 }] });
    let origin = server.add(exchange("x", 200, body), Chunking::Whole);
    let quirks = RerankQuirks { path: Some("i/{model}".into()), ..RerankQuirks::default() };
    let service = Reranker::builder("p", origin).quirks(quirks).build().unwrap();
    for (model, path) in
        [("../../admin?x=1", "/i/%252E%252E/%252E%252E/admin%3Fx%3D1"), ("a/..", "/i/a/%252E%252E")]
    {
        service.model(model).rerank(question(&["a"])).await.unwrap();
        assert_eq!(server.taken("x")[0].path, path);
    }
}

/// Rerank of some providers is below another address than the rest, but only where the rest is at their own.
#[tokio::test]
async fn rerank_may_be_elsewhere() {
    let server = ReplayServer::start().await.unwrap();
    let body = json!({ "results": [{ "index": 0, "relevance_score": 0.5 }] });
    let chat = server.add(exchange("chat", 200, body.clone()), Chunking::Whole);
    let rerank = server.add(exchange("rerank", 200, body), Chunking::Whole);
    let elsewhere =
        Elsewhere { instead_of: chat.clone(), base_url: rerank, path: Some("reranks".into()) };
    let quirks = RerankQuirks { elsewhere: vec![elsewhere], ..RerankQuirks::default() };
    let quirks = Quirks { rerank: quirks, ..Quirks::default() };
    let ask = async |base_url: String| {
        let provider = OpenAi::builder("p", base_url).quirks(quirks.clone()).build().unwrap();
        let model = ModelSource::rerank(&provider, "m").unwrap();
        model.rerank(question(&["a"])).await.unwrap();
    };
    ask(format!("{chat}/")).await;
    assert_eq!(server.taken("rerank")[0].path, "/reranks");
    assert!(server.taken("chat").is_empty());
    ask(format!("{chat}/v1")).await;
    assert_eq!(server.taken("chat")[0].path, "/v1/rerank");
    assert!(server.taken("rerank").is_empty());
}

#[tokio::test]
async fn large_requests_are_split_where_scores_compare() {
    let server = ReplayServer::start().await.unwrap();
    let body = json!({
        "results": [{ "index": 1, "relevance_score": 0.9 }, { "index": 0, "relevance_score": 0.1 }],
        "usage": { "total_tokens": 5 },
    });
    let origin = server.add(exchange("x", 200, body), Chunking::Whole);
    let quirks = |scores| {
        let rerank = RerankQuirks { scores, ..RerankQuirks::default() };
        Quirks { rerank, ..Quirks::default() }
    };
    let provider = |scores| OpenAi::builder("p", &origin).quirks(quirks(scores)).build().unwrap();
    let model = provider(Some(ScoreType::Probability)).rerank_with(with_batch("m", 2));
    let request = RerankRequest { top: Some(3), ..question(&["a", "b", "c", "d"]) };
    let response = model.rerank(request).await.unwrap();
    let order: Vec<usize> = response.results.iter().map(|ranked| ranked.index).collect();
    assert_eq!((order, response.usage.input_tokens), (vec![1, 3, 0], Some(10)));
    let mut sent: Vec<Value> =
        server.taken("x").iter().map(|sent| sent.json()["documents"].clone()).collect();
    sent.sort_by_key(Value::to_string);
    assert_eq!(sent, [json!(["a", "b"]), json!(["c", "d"])]);

    // Numbers that only compare with those of the same call cannot be put together.
    let model = provider(None).rerank_with(with_batch("m", 2));
    let error = model.rerank(question(&["a", "b", "c"])).await.unwrap_err();
    assert_eq!((error.kind(), error.param()), (ErrorKind::InvalidRequest, Some("documents")));

    let nothing = model.rerank(question(&[])).await.unwrap();
    assert!(nothing.results.is_empty() && server.taken("x").is_empty());
}

#[tokio::test]
async fn failures_are_told_by_their_words() {
    let server = ReplayServer::start().await.unwrap();
    for (status, body, kind, retry) in [
        (
            501,
            json!({ "error": { "code": 501, "message": "start it with `--reranking`", "type": "not_supported_error" } }),
            ErrorKind::Unsupported,
            Retry::No,
        ),
        (
            429,
            json!({ "error": "Model is overloaded", "error_type": "Overloaded" }),
            ErrorKind::Overloaded,
            Retry::Now,
        ),
        (
            413,
            json!({ "error": "batch size 40 > maximum allowed batch size 32", "error_type": "Validation" }),
            ErrorKind::InvalidRequest,
            Retry::No,
        ),
        (
            400,
            json!({ "detail": "Model x is not supported." }),
            ErrorKind::InvalidRequest,
            Retry::No,
        ),
    ] {
        let origin = server.add(exchange("x", status, body.clone()), Chunking::Whole);
        let key = "sk-secret".to_owned().into();
        let service = Reranker::builder("p", origin).api_key(key).build().unwrap();
        let error = service.model("m").rerank(question(&["a"])).await.unwrap_err();
        assert_eq!((error.kind(), error.retry()), (kind, retry), "{body}");
        assert_eq!((error.provider(), error.model(), error.status()), ("p", "m", Some(status)));
        assert!(!format!("{service:?} {error:?}").contains("sk-secret"));
    }
}

#[tokio::test]
async fn embeddings_are_split_by_what_the_provider_takes() {
    let server = ReplayServer::start().await.unwrap();
    let origin = server.add(exchange("x", 200, json!([[1.0, 0.0], [0.0, 1.0]])), Chunking::Whole);
    let embedding =
        EmbeddingQuirks { shape: EmbeddingShape::Tei, batch: Some(2), ..Default::default() };
    let quirks = Quirks { embedding, ..Quirks::default() };
    let model = OpenAi::builder("tei", origin).quirks(quirks).build().unwrap().embedding("m");
    assert_eq!(model.info().limits.batch, Some(2));
    let response = model.embed(EmbeddingRequest::documents(["a", "b", "c", "d"])).await.unwrap();
    assert_eq!(response.vectors.len(), 4);
    let sent = server.taken("x");
    assert!(sent.iter().all(|sent| sent.path == "/embed" && sent.json()["inputs"].is_array()));
    assert_eq!(sent.len(), 2);
}

#[test]
fn batches_are_data() {
    let batch = |provider: &str, model: &str| {
        let entry = catalogue::find(provider).unwrap();
        let provider = OpenAi::from_entry(entry).build().unwrap();
        provider.embedding(model).info().limits.batch
    };
    assert_eq!(batch("voyage", "voyage-3.5"), Some(1000));
    assert_eq!(batch("openai", "text-embedding-3-small"), Some(2048));
    assert_eq!(batch("groq", "m"), None);
}

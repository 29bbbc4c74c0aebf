//! Hugging Face's servers: answers written after their documentation, and the real clients against a replay server.
#![cfg(feature = "huggingface")]

use llm_core::{
    ChatEvent, ChatFold, ChatRequest, ChatResponse, EmbeddingRequest, ErrorKind, FinishReason,
    Message, RerankRequest,
};
use llm_providers::HuggingFace;
use llm_providers::huggingface::{GenerationDecoder, Tei};
use llm_providers::stream::decode_chunks;
use proptest::prelude::*;
use serde_json::{Value, json};
use testkit::{Chunking, Exchange, ReplayServer, split};

/// Something to replay that was written for a test.
fn exchange(status: u16, framing: &str, body: &str) -> Exchange {
    serde_json::from_value(json!({
        "id": "x", "provider": "hf", "dialect": "hf", "wire": "hf-inference", "kind": "chat",
        "request": { "method": "POST", "url": "https://a.example/" },
        "response": { "status": status, "framing": framing, "body": body },
    }))
    .unwrap()
}

fn sse(events: &[Value]) -> String {
    events.iter().map(|event| format!("data:{event}\n\n")).collect()
}

fn tokens() -> Vec<Value> {
    let token = |text: &str, special: bool| json!({ "id": 1, "text": text, "logprob": -0.1, "special": special });
    vec![
        json!({ "index": 1, "token": token("to ", false), "generated_text": null, "details": null }),
        json!({ "index": 2, "token": token("be", false), "generated_text": null, "details": null }),
        json!({ "index": 3, "token": token("</s>", true), "generated_text": "to be", "details": {
            "finish_reason": "eos_token", "generated_tokens": 3, "input_length": 2, "seed": null,
        } }),
    ]
}

fn decode(chunks: Vec<&[u8]>) -> (Vec<ChatEvent>, Result<(), ErrorKind>) {
    let (events, result) = decode_chunks(chunks, GenerationDecoder::new(None), 1 << 20);
    (events, result.map_err(|error| error.kind()))
}

proptest! {
    #[test]
    fn any_split_gives_the_same_events(longest in 1_usize..80, seed in any::<u64>()) {
        let text = sse(&tokens());
        let whole = decode(vec![text.as_bytes()]);
        prop_assert_eq!(decode(split(text.as_bytes(), longest, seed)), whole);
    }
}

#[test]
fn a_cut_stream_is_an_error_and_so_is_an_event_that_says_so() {
    let text = sse(&tokens());
    let end = text.find("</s>").unwrap();
    for cut in [0, end / 2, end] {
        assert_eq!(decode(vec![&text.as_bytes()[..cut]]).1, Err(ErrorKind::Malformed), "{cut}");
    }
    let failure =
        json!({ "error": "Request failed during generation", "error_type": "generation" });
    let body = sse(&[tokens()[0].clone(), failure]);
    let (events, result) = decode(vec![body.as_bytes()]);
    let mut fold = ChatFold::default();
    events.into_iter().for_each(|event| fold.push(event));
    assert_eq!((&*fold.text(), result), ("to ", Err(ErrorKind::Upstream)));
}

#[tokio::test]
async fn texts_go_on() {
    let server = ReplayServer::start().await.unwrap();
    let whole = json!([{ "generated_text": "to be", "details": {
        "finish_reason": "eos_token", "generated_tokens": 3, "prefill": [{}, {}],
    } }]);
    for (is_streamed, framing, body) in
        [(true, "sse", sse(&tokens())), (false, "json", whole.to_string())]
    {
        let origin = server.add(exchange(200, framing, &body), Chunking::Whole);
        let provider = HuggingFace::builder("hf").base_url(origin).build().unwrap();
        let mut request = ChatRequest::new(vec![Message::user("what is")]);
        (request.stream, request.max_output_tokens) = (is_streamed, Some(9));
        let reply = provider.generation("a/b").chat(request).await.unwrap();
        let response = ChatResponse::collect(reply).await.unwrap();
        assert_eq!((&*response.text(), response.choices[0].finish), ("to be", FinishReason::Stop));
        assert_eq!(response.usage.total_tokens(), Some(5));
        let sent = server.taken("x").remove(0);
        assert_eq!((&*sent.path, &sent.json()["inputs"]), ("/models/a/b", &json!("what is")));
        assert_eq!(sent.json()["parameters"], json!({ "max_new_tokens": 9 }));
    }
}

#[tokio::test]
async fn servers_for_embeddings_tell_their_limits() {
    let server = ReplayServer::start().await.unwrap();
    let info = json!({
        "model_id": "BAAI/bge-m3", "model_type": { "reranker": {} }, "max_input_length": 512,
        "max_client_batch_size": 2, "version": "1",
    });
    let origin = server.add(exchange(200, "json", &info.to_string()), Chunking::Whole);
    let tei = Tei::builder("tei", &origin).build().unwrap();
    let info = tei.info().await.unwrap().model_info("tei");
    assert_eq!(server.taken("x")[0].path, "/info");
    assert_eq!((info.limits.batch, info.limits.context_tokens), (Some(2), Some(512)));

    let body = json!([{ "index": 1, "score": 0.9 }, { "index": 0, "score": 0.1 }]);
    server.add(exchange(200, "json", &body.to_string()), Chunking::Whole);
    let documents = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
    let request = RerankRequest { query: "q".into(), documents, ..RerankRequest::default() };
    let response = tei.rerank_with(info).rerank(request).await.unwrap();
    let order: Vec<usize> = response.results.iter().map(|ranked| ranked.index).collect();
    assert_eq!(order, [1, 3, 0, 2]);
    assert!(server.taken("x").iter().all(|sent| sent.path == "/rerank"));

    server.add(exchange(200, "json", "[[1.0, 2.0]]"), Chunking::Whole);
    let response = tei.embedding("m").embed(EmbeddingRequest::query("hi")).await.unwrap();
    assert_eq!(response.vectors, [[1.0, 2.0]]);
    assert_eq!(server.taken("x")[0].json(), json!({ "inputs": ["hi"] }));
}

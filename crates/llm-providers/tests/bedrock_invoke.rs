//! InvokeModel: recorded streams however they are cut, and the client against a real server.
#![cfg(feature = "bedrock")]

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::StreamExt;
use llm_core::{
    ChatEvent, ChatRequest, ChatResponse, ErrorKind, FinishReason, Message, ModelError,
    RerankRequest,
};
use llm_providers::bedrock::event_stream::{FrameDecoder, encode_frame};
use llm_providers::bedrock::invoke::decode_chunks;
use llm_providers::bedrock::{Bedrock, InvokeFamily};
use proptest::prelude::*;
use serde_json::{Value, json};
use testkit::{Chunking, Exchange, ReplayServer, split};

const RECORDINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/captures");

/// Large enough for every recording.
const MAX_EVENT: usize = 8 << 20;

fn recorded_streams() -> Vec<(InvokeFamily, Exchange)> {
    let root = Path::new(RECORDINGS);
    if !root.is_dir() {
        eprintln!("skipped: there are no recordings at {RECORDINGS}");
        return Vec::new();
    }
    let exchanges = Exchange::read_all(root, |folder| folder == "bedrock-invoke").unwrap();
    let streams: Vec<_> = exchanges
        .into_iter()
        .filter(|exchange| exchange.response.framing == "aws-eventstream")
        .filter_map(|exchange| Some((InvokeFamily::of(exchange.model.as_deref()?)?, exchange)))
        .collect();
    assert!(!streams.is_empty());
    streams
}

fn decode(chunks: Vec<&[u8]>, family: InvokeFamily) -> String {
    let (events, result) = decode_chunks(chunks, family, MAX_EVENT);
    format!("{events:?} {result:?}")
}

#[test]
fn any_split_gives_the_same_events() {
    for (at, (family, exchange)) in recorded_streams().iter().enumerate() {
        let bytes = exchange.response.bytes();
        let whole = decode(vec![&bytes], *family);
        for longest in [1, 2, 7, 100, 2000] {
            let chunks = split(&bytes, longest, at as u64);
            assert_eq!(decode(chunks, *family), whole, "{} in chunks of {longest}", exchange.id);
        }
    }
}

/// A stream that is cut short before the event that ends its message is an error, never a short answer.
#[test]
fn a_cut_stream_is_an_error() {
    for (family, exchange) in recorded_streams() {
        let bytes = exchange.response.bytes();
        let mut frames = FrameDecoder::new(MAX_EVENT);
        let mut input = &bytes[..];
        let mut end_of_message = bytes.len();
        while let Some(frame) = frames.next(&mut input).unwrap() {
            let payload: Value = serde_json::from_slice(frame.payload).unwrap();
            let native = STANDARD.decode(payload["bytes"].as_str().unwrap()).unwrap();
            let native = String::from_utf8_lossy(&native).replace("reason\":null", "");
            let ends =
                ["message_delta", "messageStop", "Reason\":\"", "_reason\":\"", "stream-end"];
            if ends.iter().any(|word| native.contains(word)) {
                break;
            }
            end_of_message = bytes.len() - input.len();
        }
        let end = end_of_message.min(bytes.len() - 1);
        for cut in [0, end / 3, end / 2] {
            let (_, result) = decode_chunks([&bytes[..cut]], family, MAX_EVENT);
            assert!(result.is_err(), "{} cut at {cut} of {end}", exchange.id);
        }
    }
}

/// A frame with one native event.
fn chunk(event: &Value) -> Vec<u8> {
    let payload = json!({ "bytes": STANDARD.encode(event.to_string()), "p": "abc" });
    let headers = [(":message-type", "event"), (":event-type", "chunk")];
    encode_frame(&headers, payload.to_string().as_bytes())
}

async fn serve(body: impl Into<Vec<u8>>, headers: Value) -> (ReplayServer, Bedrock) {
    let exchange: Exchange = serde_json::from_value(json!({
        "id": "own", "provider": "bedrock", "dialect": "own", "wire": "bedrock-invoke", "kind": "chat",
        "request": { "method": "POST", "url": "https://bedrock/model/m/invoke" },
        "response": { "status": 200, "headers": headers, "framing": "binary",
            "body_base64": STANDARD.encode(body.into()) },
    }))
    .unwrap();
    let server = ReplayServer::start().await.unwrap();
    let origin = server.add(exchange, Chunking::Random { longest: 9, seed: 4 });
    let bedrock = Bedrock::builder("bedrock", "us-east-1")
        .runtime_url(&origin)
        .agent_url(&origin)
        .bearer_token("token".into())
        .build()
        .unwrap();
    (server, bedrock)
}

fn question() -> ChatRequest {
    ChatRequest::new(vec![Message::system("be brief"), Message::user("why is the sky blue")])
}

async fn ask(
    bedrock: &Bedrock,
    model: &str,
    request: ChatRequest,
) -> Result<ChatResponse, ModelError> {
    ChatResponse::collect(bedrock.invoke_chat(model).chat(request).await?).await
}

#[tokio::test]
async fn every_family_is_asked_in_its_own_words() {
    let metrics =
        json!({ "inputTokenCount": 5, "outputTokenCount": 2, "cacheReadInputTokenCount": 3 });
    let claude = [
        json!({ "type": "message_start", "message": { "content": [], "usage": { "input_tokens": 5 } } }),
        json!({ "type": "content_block_delta", "index": 0,
            "delta": { "type": "text_delta", "text": "air" } }),
        json!({ "type": "message_delta", "delta": { "stop_reason": "end_turn" },
            "usage": { "output_tokens": 2, "cache_read_input_tokens": 3 } }),
        json!({ "type": "message_stop", "amazon-bedrock-invocationMetrics": metrics }),
    ];
    let nova = [
        json!({ "messageStart": { "role": "assistant" } }),
        json!({ "contentBlockDelta": { "contentBlockIndex": 0, "delta": { "text": "air" } } }),
        json!({ "messageStop": { "stopReason": "end_turn" } }),
        json!({ "metadata": { "usage": {} }, "amazon-bedrock-invocationMetrics": metrics }),
    ];
    let command = [
        json!({ "event_type": "stream-start", "generation_id": "g" }),
        json!({ "event_type": "text-generation", "text": "air" }),
        json!({ "event_type": "stream-end", "response": { "text": "air", "finish_reason": "COMPLETE" },
            "amazon-bedrock-invocationMetrics": metrics }),
    ];
    let completions = [
        json!({ "choices": [{ "index": 0, "delta": { "content": "<reasoning>hm</reasoning>air" } }] }),
        json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }],
            "amazon-bedrock-invocationMetrics": metrics }),
    ];
    let llama = [
        json!({ "generation": "air", "prompt_token_count": 8, "stop_reason": null }),
        json!({ "generation": "", "generation_token_count": 2, "stop_reason": "stop",
            "amazon-bedrock-invocationMetrics": metrics }),
    ];
    let titan = [json!({ "outputText": "air", "index": 0, "completionReason": "FINISH",
        "amazon-bedrock-invocationMetrics": metrics })];
    for (model, events, field) in [
        ("anthropic.claude-haiku-4-5-20251001-v1:0", &claude[..], "anthropic_version"),
        ("amazon.nova-lite-v1:0", &nova, "schemaVersion"),
        ("cohere.command-r-v1:0", &command, "preamble"),
        ("openai.gpt-oss-20b-1:0", &completions, "messages"),
        ("meta.llama3-8b-instruct-v1:0", &llama, "prompt"),
        ("amazon.titan-text-express-v1", &titan, "inputText"),
    ] {
        let body: Vec<u8> = events.iter().flat_map(chunk).collect();
        let (server, bedrock) = serve(body, json!({ "x-amzn-requestid": "r-1" })).await;
        let request = ChatRequest { service_tier: Some("flex".into()), ..question().streamed() };
        let response = ask(&bedrock, model, request).await.unwrap();
        assert_eq!(response.warnings, [], "{model}");
        assert_eq!(response.text(), "air", "{model}");
        assert_eq!(response.choices[0].finish, FinishReason::Stop, "{model}");
        let usage = &response.usage;
        assert_eq!((usage.input_tokens, usage.output_tokens), (Some(8), Some(2)), "{model}");
        assert_eq!(usage.cache_read_tokens, Some(3), "{model}");
        assert_eq!(response.started.request_id.as_deref(), Some("r-1"), "{model}");
        let seen = &server.taken("own")[0];
        assert_eq!(
            seen.path,
            format!("/model/{}/invoke-with-response-stream", model.replace(':', "%3A")),
        );
        let body = seen.json();
        assert!(body.get(field).is_some(), "{model}: {body}");
        assert!(body.get("stream").is_none(), "{model}: {body}");
        assert!(body.get("service_tier").is_none(), "{model}: {body}");
        assert_eq!(seen.headers["x-amzn-bedrock-service-tier"], "flex");
    }
}

#[tokio::test]
async fn whole_answers_have_their_count_in_headers() {
    let body = json!({ "generation": "air", "stop_reason": "length" }).to_string();
    let headers = json!({ "x-amzn-bedrock-input-token-count": "5",
        "x-amzn-bedrock-output-token-count": "2" });
    let (server, bedrock) = serve(body, headers).await;
    let response = ask(&bedrock, "meta.llama2-13b-chat-v1", question()).await.unwrap();
    assert_eq!((response.text().as_str(), response.usage.total_tokens()), ("air", Some(7)));
    assert_eq!(response.choices[0].finish, FinishReason::Length);
    let prompt = "<s>[INST] <<SYS>>\nbe brief\n<</SYS>>\n\nwhy is the sky blue [/INST]";
    assert_eq!(server.taken("own")[0].json()["prompt"], prompt);

    let mut own = question();
    own.extra_body.insert("prompt".into(), "mine".into());
    ask(&bedrock, "meta.llama2-13b-chat-v1", own).await.unwrap();
    assert_eq!(server.taken("own")[0].json()["prompt"], "mine");
}

#[tokio::test]
async fn failures_in_a_stream_come_after_what_was_said() {
    let mut body = chunk(&json!({ "generation": "so", "stop_reason": null }));
    let exception = [(":message-type", "exception"), (":exception-type", "throttlingException")];
    body.extend(encode_frame(&exception, b"{\"message\":\"slow\"}"));
    let cut = chunk(&json!({ "generation": "so", "stop_reason": null }));
    for (body, kind) in [(body, ErrorKind::RateLimit), (cut, ErrorKind::Malformed)] {
        let (_server, bedrock) = serve(body, json!({ "x-amzn-requestid": "r-1" })).await;
        let model = bedrock.invoke_chat("meta.llama3-8b-instruct-v1:0");
        let items: Vec<_> = model.chat(question().streamed()).await.unwrap().collect().await;
        assert!(items.iter().any(|item| matches!(item, Ok(ChatEvent::Text { .. }))));
        let error = items.last().unwrap().as_ref().unwrap_err();
        assert_eq!((error.kind(), error.request_id()), (kind, Some("r-1")));
    }
}

#[tokio::test]
async fn an_unknown_family_is_named_by_the_caller() {
    let body = json!({ "outputs": [{ "text": "air", "stop_reason": "stop" }] }).to_string();
    let (server, bedrock) = serve(body, json!({})).await;
    let profile = "arn:aws:bedrock:us-east-1:1:application-inference-profile/x";
    let error = ask(&bedrock, profile, question()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(server.taken("own").is_empty());
    let model = bedrock.invoke_chat_of(InvokeFamily::Mistral, profile);
    let reply = model.chat(question()).await.unwrap();
    assert_eq!(ChatResponse::collect(reply).await.unwrap().text(), "air");
}

#[tokio::test]
async fn rerank_goes_through_invoke_model() {
    let body = json!({ "results": [{ "index": 1, "relevance_score": 0.9 }] }).to_string();
    let (server, bedrock) = serve(body, json!({})).await;
    let request = RerankRequest {
        query: "q".into(),
        documents: vec!["a".into(), "b".into()],
        top: Some(1),
        ..RerankRequest::default()
    };
    let response = bedrock.invoke_rerank("cohere.rerank-v3-5:0").rerank(request).await.unwrap();
    assert_eq!(response.results[0].index, 1);
    let expected = json!({ "query": "q", "documents": ["a", "b"], "top_n": 1, "api_version": 2 });
    assert_eq!(server.taken("own")[0].json(), expected);
}

proptest! {
    #[test]
    fn no_bytes_break_the_decoders(
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..4),
        bytes in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let headers = [(":message-type", "event"), (":event-type", "chunk")];
        let framed: Vec<u8> = payloads
            .iter()
            .flat_map(|payload| {
                let payload = json!({ "bytes": STANDARD.encode(payload) }).to_string();
                encode_frame(&headers, payload.as_bytes())
            })
            .collect();
        for family in [
            InvokeFamily::Claude, InvokeFamily::Nova, InvokeFamily::CommandR, InvokeFamily::Llama,
            InvokeFamily::ChatCompletions, InvokeFamily::Titan,
        ] {
            let _ = decode_chunks([&framed[..]], family, 4096);
            let _ = decode_chunks([&bytes[..]], family, 4096);
        }
    }
}

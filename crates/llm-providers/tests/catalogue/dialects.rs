//! Rows of every dialect, and keys that are more than a text.

use std::collections::BTreeMap;

use futures::TryStreamExt;
use llm_core::{ChatRequest, ChatResponse, Message, SpeechRequest};
use llm_providers::catalogue::{self, Dialect, ProviderEntry};
use llm_providers::{Access, KeyFormat, connect, connect_entry};
use serde_json::json;

use crate::provider::{KEY, MODEL, Provider, STREAM, rows_of};

fn question() -> ChatRequest {
    ChatRequest::new(vec![Message::user("A question?")])
}

#[tokio::test]
async fn other_dialects_are_reached_through_the_same_door() {
    let gemini = json!({ "candidates": [{
        "content": { "parts": [{ "text": "yes" }] }, "finishReason": "STOP",
    }] });
    let anthropic = json!({
        "type": "message", "role": "assistant", "content": [{ "type": "text", "text": "yes" }],
        "stop_reason": "end_turn", "usage": { "input_tokens": 1, "output_tokens": 1 },
    });
    let cohere = json!({
        "message": { "role": "assistant", "content": [{ "type": "text", "text": "yes" }] },
        "finish_reason": "COMPLETE",
    });
    let dashscope = json!({ "request_id": "r", "output": { "choices": [
        { "message": { "content": "yes" }, "finish_reason": "stop" },
    ] } });
    let ollama = json!({ "message": { "content": "yes" }, "done": true, "done_reason": "stop" });
    let converse = json!({
        "output": { "message": { "role": "assistant", "content": [{ "text": "yes" }] } },
        "stopReason": "end_turn", "usage": { "inputTokens": 1, "outputTokens": 1 },
    });
    for (dialect, body, path, header, value) in [
        (Dialect::Gemini, &gemini, "/models/m:generateContent", "x-goog-api-key", KEY),
        (
            Dialect::Vertex,
            &gemini,
            "/publishers/google/models/m:generateContent",
            "authorization",
            "Bearer sk-test",
        ),
        (Dialect::Anthropic, &anthropic, "/messages", "x-api-key", KEY),
        (
            Dialect::DashScope,
            &dashscope,
            "/services/aigc/text-generation/generation",
            "authorization",
            "Bearer sk-test",
        ),
        (Dialect::Ollama, &ollama, "/api/chat", "authorization", "Bearer sk-test"),
        (Dialect::Cohere, &cohere, "/v2/chat", "authorization", "Bearer sk-test"),
        (Dialect::Bedrock, &converse, "/model/m/converse", "authorization", "Bearer sk-test"),
    ] {
        for entry in rows_of(dialect) {
            let provider = Provider::of(entry, &body.to_string(), "application/json").await;
            let source = connect_entry(entry, provider.access.clone()).unwrap();
            let reply = source.chat("m").unwrap().chat(question()).await.unwrap();
            assert_eq!(ChatResponse::collect(reply).await.unwrap().text(), "yes", "{}", entry.name);
            let seen = provider.seen();
            assert_eq!(seen.path, format!("{}{path}", provider.path), "{}", entry.name);
            assert_eq!(seen.headers[header], value, "{}", entry.name);
        }
    }
}

#[tokio::test]
async fn azure_is_asked_at_the_address_of_its_interface() {
    let body = json!({ "choices": [{ "index": 0, "message": { "content": "yes" }, "finish_reason": "stop" }] });
    let ragflow = json!({ "api_key": KEY, "api_version": "2024-10-21" }).to_string();
    for (name, key, version, path, query) in [
        ("azure", KEY, None, "/openai/v1/chat/completions", ""),
        (
            "Azure-OpenAI",
            ragflow.as_str(),
            None,
            "/openai/deployments/m/chat/completions",
            "api-version=2024-10-21",
        ),
        (
            "azure-ai",
            KEY,
            Some("2024-05-01-preview"),
            "/models/chat/completions",
            "api-version=2024-05-01-preview",
        ),
    ] {
        let entry = catalogue::find(name).unwrap();
        let provider = Provider::of(entry, &body.to_string(), "application/json").await;
        let version = version.map(|version: &str| ("api_version".to_owned(), version.to_owned()));
        let access = Access {
            key: Some(key.into()),
            variables: version.into_iter().collect(),
            ..provider.access.clone()
        };
        let source = connect_entry(entry, access).unwrap();
        source.chat("m").unwrap().chat(question()).await.unwrap();
        let seen = provider.seen();
        assert_eq!((seen.path.as_str(), seen.query.as_str()), (path, query), "{name}");
        assert_eq!(seen.headers["api-key"], KEY, "{name}");
    }
}

#[tokio::test]
async fn claude_on_vertex_is_asked_in_its_own_dialect() {
    let entry = catalogue::find("vertex").unwrap();
    let body = json!({
        "type": "message", "role": "assistant", "content": [{ "type": "text", "text": "yes" }],
        "stop_reason": "end_turn", "usage": { "input_tokens": 1, "output_tokens": 1 },
    });
    let provider = Provider::of(entry, &body.to_string(), "application/json").await;
    let source = connect_entry(entry, provider.access.clone()).unwrap();
    let model = source.chat("claude-opus-4-5@20251101").unwrap();
    assert_eq!(model.info().limits.context_tokens, Some(200_000));
    let answer = ChatResponse::collect(model.chat(question()).await.unwrap()).await.unwrap();
    assert_eq!(answer.text(), "yes");
    let path = "/publishers/anthropic/models/claude-opus-4-5@20251101:rawPredict";
    assert_eq!(provider.seen().path, format!("{}{path}", provider.path));
}

#[tokio::test]
async fn aws_keys_sign_when_there_is_no_token() {
    let entry = catalogue::find("Bedrock").unwrap();
    let body = json!({
        "output": { "message": { "role": "assistant", "content": [{ "text": "yes" }] } },
        "stopReason": "end_turn",
    });
    let ragflow = json!({
        "auth_mode": "access_key_secret", "bedrock_ak": "AKID", "bedrock_sk": "hush",
        "bedrock_region": "eu-central-1",
    });
    let secrets =
        [("access_key_id", "AKID"), ("secret_access_key", "hush"), ("session_token", "t")];
    for (key, secrets) in [(Some(ragflow.to_string().into()), &[][..]), (None, &secrets[..])] {
        let provider = Provider::of(entry, &body.to_string(), "application/json").await;
        let secrets: BTreeMap<_, _> =
            secrets.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
        let has_session = !secrets.is_empty();
        let variables = BTreeMap::from([("region".to_owned(), "eu-central-1".to_owned())]);
        let access = Access { key, secrets, variables, ..provider.access.clone() };
        let source = connect_entry(entry, access).unwrap();
        source.chat("m").unwrap().chat(question()).await.unwrap();
        let seen = provider.seen();
        let authorization = seen.headers["authorization"].to_str().unwrap();
        assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKID/"), "{authorization}");
        assert!(authorization.contains("/eu-central-1/bedrock/"), "{authorization}");
        assert_eq!(seen.headers.contains_key("x-amz-security-token"), has_session);
    }
}

#[tokio::test]
async fn keys_of_ragflow_reach_the_request() {
    let key = |entry: &ProviderEntry| match entry.key_format {
        KeyFormat::OpenRouter => json!({ "api_key": KEY, "provider_order": "a,b" }),
        KeyFormat::MiniMax => json!({ "api_key": KEY, "group_id": "7 8" }),
        KeyFormat::VolcEngine => json!({ "ark_api_key": KEY, "ep_id": "ep-1", "endpoint_id": "" }),
        _ => json!(null),
    };
    for entry in rows_of(Dialect::OpenAi) {
        let key = key(entry);
        if key.is_null() {
            continue;
        }
        let provider = Provider::of(entry, STREAM, "text/event-stream").await;
        let access = Access { key: Some(key.to_string().into()), ..provider.access.clone() };
        let source = connect_entry(entry, access).unwrap();
        let reply = source.chat(MODEL).unwrap().chat(question().streamed()).await.unwrap();
        ChatResponse::collect(reply).await.unwrap();
        let seen = provider.seen();
        assert_eq!(seen.headers["authorization"], format!("Bearer {KEY}").as_str());
        let (model, query, routing) = match entry.key_format {
            KeyFormat::OpenRouter => {
                (MODEL, None, Some(json!({ "order": ["a", "b"], "allow_fallbacks": false })))
            }
            KeyFormat::MiniMax => (MODEL, Some("GroupId=7+8"), None),
            _ => ("ep-1", None, None),
        };
        let body = seen.json();
        assert_eq!(body["model"], model, "{}", entry.name);
        assert_eq!(seen.query, query.unwrap_or_default(), "{}", entry.name);
        assert_eq!(body.get("provider"), routing.as_ref(), "{}", entry.name);
    }
}

#[tokio::test]
async fn a_voice_of_ragflows_key_speaks() {
    let entry = catalogue::find("Fish Audio").unwrap();
    let provider = Provider::of(entry, "sound", "audio/mpeg").await;
    let key = json!({ "fish_audio_ak": KEY, "fish_audio_refid": "v" }).to_string();
    let access = Access { key: Some(key.into()), ..provider.access.clone() };
    let source = connect_entry(entry, access).unwrap();
    let request = SpeechRequest { input: "Hello.".into(), ..SpeechRequest::default() };
    let mut sound = source.speech("s1").unwrap().speak(request).await.unwrap();
    assert_eq!(sound.try_next().await.unwrap().unwrap(), "sound");
    let seen = provider.seen();
    assert_eq!(seen.path, format!("{}/tts", provider.path));
    assert_eq!(seen.headers["authorization"], format!("Bearer {KEY}").as_str());
    assert_eq!(seen.headers["model"], "s1");
    assert_eq!(seen.json(), json!({ "text": "Hello.", "reference_id": "v" }));
}

#[test]
fn what_is_missing_is_named() {
    let access = |name: &str, value: &str| Access {
        variables: BTreeMap::from([(name.to_owned(), value.to_owned())]),
        ..Access::default()
    };
    for (name, access, expected) in [
        ("nobody", Access::default(), "no provider `nobody` is known"),
        (
            "cloudflare",
            Access::default(),
            "`account` has no value; it usually stands in CLOUDFLARE",
        ),
        ("cloudflare", access("account", "a/b"), "`account` may hold letters"),
        ("cloudflare", access("region", "x"), "`region` `cloudflare` has no such variable"),
        ("openai-compatible", Access::default(), "`base_url` has no value"),
        ("bedrock", Access::default(), "`region` has no value"),
        ("vertex", access("project", "p"), "`location` has no value"),
    ] {
        let error = connect(name, access).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(expected), "{name}: {error}");
    }
}

//! Providers of every dialect behind `[[provider]]`, asked through the server.

use std::collections::BTreeMap;

use api_server::config::ProviderConfig;
use serde_json::{Value, json};
use testkit::{Chunking, Exchange, RecordedRequest, RecordedResponse, ReplayServer};

use crate::site::Site;

/// An exchange that nobody recorded: this body for every question.
fn exchange(id: &str, body: &Value) -> Exchange {
    Exchange {
        id: id.into(),
        provider: id.into(),
        dialect: id.into(),
        request: RecordedRequest { method: "POST".into(), ..Default::default() },
        response: RecordedResponse {
            status: 200,
            headers: BTreeMap::from([("content-type".into(), "application/json".into())]),
            framing: "json".into(),
            body: Some(body.to_string()),
            ..Default::default()
        },
        ..Default::default()
    }
}

/// The `[[provider]]` sections of a configuration file.
fn sections(text: &str) -> Vec<ProviderConfig> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("colloquy.toml");
    std::fs::write(&file, text).unwrap();
    api_server::config::load(Some(&file), &BTreeMap::new()).unwrap().provider
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_of_any_dialect_answers() {
    let upstream = ReplayServer::start().await.unwrap();
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), "hush").unwrap();
    let secret = secret.path().display().to_string();
    let anthropic = json!({
        "type": "message", "role": "assistant", "content": [{ "type": "text", "text": "yes" }],
        "stop_reason": "end_turn", "usage": { "input_tokens": 3, "output_tokens": 1 },
    });
    let gemini = json!({
        "candidates": [{ "content": { "parts": [{ "text": "yes" }] }, "finishReason": "STOP" }],
        "usageMetadata": { "promptTokenCount": 3, "candidatesTokenCount": 1 },
    });
    let bedrock = json!({
        "output": { "message": { "role": "assistant", "content": [{ "text": "yes" }] } },
        "stopReason": "end_turn", "usage": { "inputTokens": 3, "outputTokens": 1 },
    });
    let responses = json!({
        "id": "resp_1", "object": "response", "status": "completed", "model": "m",
        "output": [{
            "type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
            "content": [{ "type": "output_text", "text": "yes", "annotations": [] }],
        }],
        "usage": { "input_tokens": 3, "output_tokens": 1 },
    });
    let origin = |id: &str, body: &Value| upstream.add(exchange(id, body), Chunking::Whole);
    let providers = sections(&format!(
        "[[provider]]\nname = \"claude\"\nlike = \"anthropic\"\napi_key = \"file:{secret}\"\nbase_url = \"{}/v1\"\n\
         [[provider]]\nname = \"google\"\ndialect = \"gemini\"\napi_key = \"file:{secret}\"\nbase_url = \"{}/v1beta\"\n\
         [[provider]]\nname = \"aws\"\nlike = \"bedrock\"\nbase_url = \"{}\"\nvariables.region = \"eu-central-1\"\n\
         secrets = {{ access_key_id = \"file:{secret}\", secret_access_key = \"file:{secret}\" }}\n\
         [[provider]]\nname = \"responses\"\ndialect = \"openai-responses\"\napi_key = \"file:{secret}\"\nbase_url = \"{}/v1\"\n\
         [[provider]]\nname = \"token\"\nlike = \"bedrock\"\napi_key = \"file:{secret}\"\nbase_url = \"{}\"\n\
         variables.region = \"eu-central-1\"\n",
        origin("claude", &anthropic),
        origin("google", &gemini),
        origin("aws", &bedrock),
        origin("responses", &responses),
        origin("token", &bedrock),
    ));
    let site = Site::start_with(&[], |config| config.provider.extend(providers)).await;
    for (name, path, header, value) in [
        ("claude", "/v1/messages", "x-api-key", "hush"),
        ("google", "/v1beta/models/m:generateContent", "x-goog-api-key", "hush"),
        ("aws", "/model/m/converse", "authorization", "AWS4-HMAC-SHA256 Credential=hush/"),
        ("responses", "/v1/responses", "authorization", "Bearer hush"),
        ("token", "/model/m/converse", "authorization", "Bearer hush"),
    ] {
        let request = json!({
            "model": format!("{name}/m"), "messages": [{ "role": "user", "content": "Well?" }],
        });
        let answer = site.client.post("/v1/chat/completions", &request).await;
        let body = answer.json();
        assert_eq!(body["choices"][0]["message"]["content"], "yes", "{name}: {body}");
        assert_eq!(body["usage"]["prompt_tokens"], 3, "{name}: {body}");
        let seen = upstream.taken(name).remove(0);
        assert_eq!(seen.path, path);
        let sent = seen.headers[header].to_str().unwrap();
        assert!(sent.starts_with(value), "{name}: {sent}");
    }
}

//! Every row of the catalogue, connected to and asked: what is sent is what the row says. A new row is covered by itself.

use std::collections::BTreeMap;

use llm_core::{
    ChatRequest, ChatResponse, EmbeddingRequest, Media, MediaSource, Message, ModelKind, Part,
    Reasoning, ReasoningOptions, Role, Sampling, Tool, ToolChoice, VisionRequest, Warning,
};
use llm_providers::catalogue::{self, Dialect, ProviderEntry};
use llm_providers::{
    Access, KeyFormat, OutputLimit, ReasoningRequest, ReasoningReturn, connect, connect_entry,
};
use serde_json::{Value, json};
use testkit::{Chunking, Exchange, RecordedRequest, RecordedResponse, ReplayServer, SeenRequest};

/// A model that no rule for a family means.
const MODEL: &str = "some/model-1";

const KEY: &str = "sk-test";

/// The parameters of the dialect whose names rows may change, and how the request below sets them.
fn parameters() -> Vec<(&'static str, Value)> {
    vec![
        ("temperature", json!(0.5)),
        ("top_p", json!(0.9)),
        ("top_k", json!(40)),
        ("frequency_penalty", json!(0.25)),
        ("presence_penalty", json!(0.75)),
        ("seed", json!(7)),
        ("logit_bias", json!({ "5": 1.0 })),
        ("stop", json!("END")),
        ("n", json!(2)),
        ("logprobs", json!(true)),
        ("top_logprobs", json!(3)),
        ("service_tier", json!("flex")),
        ("user", json!("u")),
        ("parallel_tool_calls", json!(false)),
    ]
}

/// A request that says everything a row may have an opinion about.
fn request() -> ChatRequest {
    let thought = Part::Reasoning(Reasoning { text: "a thought".into(), ..Reasoning::default() });
    let assistant = Message::new(Role::Assistant, vec![thought, Part::text("An answer.")]);
    ChatRequest {
        messages: vec![
            Message::new(Role::Developer, vec![Part::text("Be brief.")]),
            Message::user("A question?"),
            assistant,
            Message::user("Another?"),
        ],
        stream: true,
        tools: vec![Tool::function("look", "Looks.", json!({ "type": "object" }))],
        tool_choice: Some(ToolChoice::Required),
        parallel_tool_calls: Some(false),
        sampling: Sampling {
            temperature: Some(0.5),
            top_p: Some(0.9),
            top_k: Some(40),
            frequency_penalty: Some(0.25),
            presence_penalty: Some(0.75),
            seed: Some(7),
            logit_bias: BTreeMap::from([("5".to_owned(), 1.0)]),
        },
        max_output_tokens: Some(100),
        stop: vec!["END".into()],
        n: Some(2),
        logprobs: Some(true),
        top_logprobs: Some(3),
        reasoning: Some(ReasoningOptions { effort: Some("low".into()), ..Default::default() }),
        service_tier: Some("flex".into()),
        user: Some("u".into()),
        ..ChatRequest::default()
    }
}

/// A provider that gives the same answer to everybody, at a row's path.
struct Provider {
    server: ReplayServer,
    id: String,
    path: String,
    access: Access,
}

impl Provider {
    /// Answers as the row's dialect does.
    async fn of(entry: &ProviderEntry, body: &str, content_type: &str) -> Self {
        let server = ReplayServer::start().await.unwrap();
        let headers = BTreeMap::from([("content-type".to_owned(), content_type.to_owned())]);
        let exchange = Exchange {
            id: entry.name.clone(),
            provider: entry.name.clone(),
            dialect: String::new(),
            wire: String::new(),
            op: String::new(),
            kind: String::new(),
            model: None,
            features: Vec::new(),
            fidelity: Vec::new(),
            request: RecordedRequest {
                method: "POST".into(),
                url: String::new(),
                headers: BTreeMap::new(),
                body: None,
                body_truncated: false,
            },
            response: RecordedResponse {
                status: 200,
                headers,
                framing: String::new(),
                body: Some(body.to_owned()),
                body_base64: None,
                chunk_lengths: None,
            },
            expect: None,
        };
        let origin = server.add(exchange, Chunking::Whole);
        let variables: BTreeMap<_, _> =
            entry.variables.keys().map(|name| (name.clone(), format!("a-{name}"))).collect();
        let path = path_of(entry, &variables);
        let access = Access {
            key: Some(KEY.into()),
            base_url: Some(format!("{origin}{path}")),
            variables,
            ..Access::default()
        };
        Self { server, id: entry.name.clone(), path, access }
    }

    /// What was asked, once.
    fn seen(&self) -> SeenRequest {
        let mut seen = self.server.taken(&self.id);
        assert_eq!(seen.len(), 1, "{}", self.id);
        seen.remove(0)
    }
}

/// What stands behind the host in a row's base URL.
fn path_of(entry: &ProviderEntry, variables: &BTreeMap<String, String>) -> String {
    let filled = variables.iter().fold(entry.base_url.clone(), |url, (name, value)| {
        url.replace(&format!("{{{name}}}"), value)
    });
    let (_, rest) = filled.split_once("://").unwrap_or(("", "host"));
    rest.find('/').map_or(String::new(), |at| rest[at..].to_owned())
}

const STREAM: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"yes\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

async fn ask(entry: &ProviderEntry, model: &str) -> (SeenRequest, Vec<Warning>) {
    let provider = Provider::of(entry, STREAM, "text/event-stream").await;
    let source = connect_entry(entry, provider.access.clone()).unwrap();
    let reply = source.chat(model).unwrap().chat(request()).await.unwrap();
    let answer = ChatResponse::collect(reply).await.unwrap();
    assert_eq!(answer.text(), "yes", "{}", entry.name);
    let seen = provider.seen();
    assert_eq!(seen.path, format!("{}/chat/completions", provider.path), "{}", entry.name);
    (seen, answer.warnings)
}

/// Compares what was sent to a model with what the row says.
fn check_chat(entry: &ProviderEntry, model: &str, seen: &SeenRequest, warnings: &[Warning]) {
    let (name, quirks, body) = (&entry.name, &entry.quirks, seen.json());
    assert_eq!(seen.headers["authorization"], format!("Bearer {KEY}").as_str(), "{name}");
    assert_eq!(body["model"], model, "{name}");

    for (parameter, value) in parameters() {
        let sent_as = quirks.rename.get(parameter).map_or(parameter, String::as_str);
        let warned = warnings.iter().any(|warning| {
            warning.code == "dropped_parameter" && warning.param.as_deref() == Some(parameter)
        });
        if quirks.drops(model, parameter) {
            assert!(
                body.get(parameter).is_none() && body.get(sent_as).is_none(),
                "{name}: {parameter}"
            );
            assert!(warned, "{name}: {parameter} is left out without a word");
        } else {
            assert_eq!(body[sent_as], value, "{name}: {parameter}");
            assert!(!warned, "{name}: {parameter}");
        }
    }
    let (limit, other) = match quirks.output_limit_of(model) {
        OutputLimit::MaxTokens => ("max_tokens", "max_completion_tokens"),
        OutputLimit::MaxCompletionTokens => ("max_completion_tokens", "max_tokens"),
    };
    assert_eq!((&body[limit], body.get(other)), (&json!(100), None), "{name}");

    let options = body.get("stream_options");
    let expected = json!({ "include_usage": true });
    assert_eq!(options, (!quirks.no_stream_options).then_some(&expected), "{name}");
    assert_eq!(body["stream"], true, "{name}");

    let role = if quirks.no_developer_role { "system" } else { "developer" };
    assert_eq!(body["messages"][0]["role"], role, "{name}");
    let word = quirks.required_tool_word.as_deref().unwrap_or("required");
    assert_eq!(body["tool_choice"], word, "{name}");

    let reasoning = (body.get("reasoning_effort"), body.get("reasoning"));
    let (effort, object) = (json!("low"), json!({ "effort": "low" }));
    let expected = match quirks.reasoning_request {
        ReasoningRequest::Effort => (Some(&effort), None),
        ReasoningRequest::Object => (None, Some(&object)),
        ReasoningRequest::Never => (None, None),
    };
    assert_eq!(reasoning, expected, "{name}");

    let assistant = body["messages"][2].as_object().unwrap();
    let field = match quirks.reasoning_return {
        ReasoningReturn::Never => None,
        ReasoningReturn::AsItCame | ReasoningReturn::ReasoningContent => Some("reasoning_content"),
        ReasoningReturn::Reasoning | ReasoningReturn::ReasoningDetails => Some("reasoning"),
    };
    for candidate in ["reasoning_content", "reasoning", "reasoning_details"] {
        let expected = (Some(candidate) == field).then(|| json!("a thought"));
        assert_eq!(assistant.get(candidate), expected.as_ref(), "{name}: {candidate}");
    }
}

fn rows_of(dialect: Dialect) -> impl Iterator<Item = &'static ProviderEntry> {
    catalogue::entries().iter().filter(move |entry| entry.dialect == dialect)
}

#[tokio::test]
async fn chat_is_asked_as_the_row_says() {
    for entry in rows_of(Dialect::OpenAi) {
        if !entry.kinds.contains(&ModelKind::Chat) {
            continue;
        }
        let suffix = entry.quirks.model_suffix.as_deref();
        let asked = suffix.map_or(MODEL.to_owned(), |suffix| format!("{MODEL}{suffix}X"));
        let (seen, warnings) = ask(entry, &asked).await;
        check_chat(entry, MODEL, &seen, &warnings);
        for rule in &entry.quirks.models {
            for prefix in &rule.prefixes {
                let (seen, warnings) = ask(entry, prefix).await;
                check_chat(entry, prefix, &seen, &warnings);
            }
        }
    }
}

#[tokio::test]
async fn pictures_are_described_by_chat_models() {
    let body = json!({ "choices": [{ "index": 0, "message": { "content": "a cat" }, "finish_reason": "stop" }] });
    for entry in rows_of(Dialect::OpenAi) {
        if !entry.kinds.contains(&ModelKind::Vision) {
            continue;
        }
        let provider = Provider::of(entry, &body.to_string(), "application/json").await;
        let source = connect_entry(entry, provider.access.clone()).unwrap();
        let model = source.vision(MODEL).unwrap();
        assert_eq!(model.info().kind, ModelKind::Vision);
        let image = Media::new(MediaSource::Url("https://example.com/cat.png".into()));
        let request = VisionRequest {
            model: MODEL.into(),
            image,
            prompt: Some("What is it?".into()),
            extra_body: Default::default(),
            extra_headers: BTreeMap::new(),
        };
        assert_eq!(model.describe(request).await.unwrap().text, "a cat");
        let content = &provider.seen().json()["messages"][0]["content"];
        assert_eq!(content[0]["image_url"]["url"], "https://example.com/cat.png", "{}", entry.name);
        assert_eq!(content[1]["text"], "What is it?");
    }
}

#[tokio::test]
async fn embeddings_are_asked_as_the_row_says() {
    let body = json!({ "data": [{ "index": 0, "embedding": [1.0, 0.0] }] }).to_string();
    for entry in rows_of(Dialect::OpenAi) {
        if !entry.kinds.contains(&ModelKind::Embedding) {
            continue;
        }
        let provider = Provider::of(entry, &body, "application/json").await;
        let source = connect_entry(entry, provider.access.clone()).unwrap();
        let model = source.embedding(MODEL).unwrap();
        let answer = model.embed(EmbeddingRequest::documents(["a text"])).await.unwrap();
        assert_eq!(answer.vectors, [[1.0, 0.0]], "{}", entry.name);
        let seen = provider.seen();
        assert_eq!(seen.path, format!("{}/embeddings", provider.path));
        assert_eq!(seen.headers["authorization"], format!("Bearer {KEY}").as_str());
        let body = seen.json();
        assert_eq!((&body["model"], &body["input"]), (&json!(MODEL), &json!(["a text"])));
        let format = (!entry.quirks.no_encoding_format).then(|| json!("float"));
        assert_eq!(body.get("encoding_format"), format.as_ref(), "{}", entry.name);
    }
}

#[tokio::test]
async fn a_provider_that_asks_no_key_gets_none() {
    for entry in rows_of(Dialect::OpenAi) {
        if !entry.key_optional || !entry.kinds.contains(&ModelKind::Chat) {
            continue;
        }
        let provider = Provider::of(entry, STREAM, "text/event-stream").await;
        let access = Access { key: None, ..provider.access.clone() };
        let source = connect_entry(entry, access).unwrap();
        let reply = source.chat(MODEL).unwrap().chat(request()).await.unwrap();
        ChatResponse::collect(reply).await.unwrap();
        assert!(!provider.seen().headers.contains_key("authorization"), "{}", entry.name);
    }
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
        (Dialect::Cohere, &cohere, "/v2/chat", "authorization", "Bearer sk-test"),
        (Dialect::Bedrock, &converse, "/model/m/converse", "authorization", "Bearer sk-test"),
    ] {
        for entry in rows_of(dialect) {
            let provider = Provider::of(entry, &body.to_string(), "application/json").await;
            let source = connect_entry(entry, provider.access.clone()).unwrap();
            let question = ChatRequest::new(vec![Message::user("A question?")]);
            let reply = source.chat("m").unwrap().chat(question).await.unwrap();
            assert_eq!(ChatResponse::collect(reply).await.unwrap().text(), "yes", "{}", entry.name);
            let seen = provider.seen();
            assert_eq!(seen.path, format!("{}{path}", provider.path), "{}", entry.name);
            assert_eq!(seen.headers[header], value, "{}", entry.name);
        }
    }
}

#[test]
fn every_row_makes_the_models_that_it_promises() {
    for entry in catalogue::entries() {
        let variables = entry.variables.keys().filter(|name| *name != "interface");
        let access = Access {
            key: Some(KEY.into()),
            base_url: Some("http://127.0.0.1:1".into()),
            variables: variables.map(|name| (name.clone(), "v".into())).collect(),
            ..Access::default()
        };
        let source = connect_entry(entry, access).unwrap();
        for kind in &entry.kinds {
            let is_served = match kind {
                ModelKind::Chat => source.chat("m").is_some(),
                ModelKind::Embedding => source.embedding("m").is_some(),
                // Not there yet for this dialect.
                ModelKind::Rerank if entry.dialect == Dialect::OpenAi => true,
                ModelKind::Rerank => source.rerank("m").is_some(),
                ModelKind::Speech => source.speech("m").is_some(),
                ModelKind::Transcription => source.transcription("m").is_some(),
                ModelKind::Vision => source.vision("m").is_some(),
            };
            assert!(is_served, "{}: {kind:?}", entry.name);
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
        let question = ChatRequest::new(vec![Message::user("A question?")]);
        source.chat("m").unwrap().chat(question).await.unwrap();
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
    let question = ChatRequest::new(vec![Message::user("A question?")]);
    let answer = ChatResponse::collect(model.chat(question).await.unwrap()).await.unwrap();
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
        let question = ChatRequest::new(vec![Message::user("A question?")]);
        source.chat("m").unwrap().chat(question).await.unwrap();
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
        let reply = source.chat(MODEL).unwrap().chat(request()).await.unwrap();
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

/// `UPDATE_EXPECT=1 cargo test -p llm-providers --test catalogue` writes it anew.
#[test]
fn the_table_in_the_docs_is_that_of_the_rows() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/catalogue.md");
    if !std::path::Path::new(file).exists() {
        eprintln!("skipped: the docs are not part of this checkout");
        return;
    }
    let mut table = String::from(
        "# Providers by name\n\n\
         Made from the rows of `crates/llm-providers/src/catalogue.toml` and `catalogue/` by the test `catalogue` of `llm-providers`;\n\
         [providers.md](providers.md) says what each dialect can do. `{…}` is a variable of the provider.\n\n\
         | name | also | dialect | base URL | key | serves |\n|---|---|---|---|---|---|\n",
    );
    for entry in catalogue::entries() {
        let dialect = serde_json::to_value(entry.dialect).unwrap();
        let kinds: Vec<&str> = entry.kinds.iter().map(|kind| kind.as_str()).collect();
        let mut keys: Vec<String> =
            entry.key_variables.iter().map(|name| format!("`{name}`")).collect();
        if entry.key_optional {
            keys.insert(0, "none needed".into());
        }
        table.push_str(&format!(
            "| `{}` | {} | {} | `{}` | {} | {} |\n",
            entry.name,
            entry.aliases.join(", "),
            dialect.as_str().unwrap(),
            entry.base_url,
            keys.join(", "),
            kinds.join(", "),
        ));
    }
    expect_test::expect_file![file].assert_eq(&table);
}

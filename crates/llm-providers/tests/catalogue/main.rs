//! Every row of the catalogue, connected to and asked: what is sent is what the row says. A new row is covered by itself.

mod dialects;
mod provider;

use std::collections::BTreeMap;

use futures::TryStreamExt;
use llm_core::{
    ChatRequest, ChatResponse, EmbeddingRequest, Media, MediaSource, Message, ModelKind, Part,
    Reasoning, ReasoningOptions, RerankRequest, Role, Sampling, ScoreType, SpeechRequest, Tool,
    ToolChoice, TranscriptionRequest, VisionRequest, Warning,
};
use llm_providers::EmbeddingShape;
use llm_providers::catalogue::{self, Dialect, ProviderEntry};
use llm_providers::rerank::RerankShape;
use llm_providers::{
    Access, OutputLimit, ReasoningRequest, ReasoningReturn, SpeechShape, TranscriptionShape,
    connect_entry,
};
use serde_json::{Value, json};
use testkit::SeenRequest;

use crate::provider::{KEY, MODEL, Provider, STREAM, rows_of};

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

async fn ask(entry: &ProviderEntry, model: &str) -> (SeenRequest, Vec<Warning>) {
    let provider = Provider::of(entry, STREAM, "text/event-stream").await;
    let source = connect_entry(entry, provider.access.clone()).unwrap();
    let reply = source.chat(model).unwrap().chat(request()).await.unwrap();
    let answer = ChatResponse::collect(reply).await.unwrap();
    assert_eq!(answer.text(), "yes", "{}", entry.name);
    let seen = provider.seen();
    let path =
        entry.quirks.paths.get("chat/completions").map_or("chat/completions", String::as_str);
    assert_eq!(seen.path, format!("{}/{path}", provider.path), "{}", entry.name);
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
    let data = json!({ "data": [{ "index": 0, "embedding": [1.0, 0.0] }] }).to_string();
    for entry in rows_of(Dialect::OpenAi) {
        if !entry.kinds.contains(&ModelKind::Embedding) {
            continue;
        }
        let is_tei = entry.quirks.embedding.shape == EmbeddingShape::Tei;
        let body = if is_tei { "[[1.0, 0.0]]".to_owned() } else { data.clone() };
        let provider = Provider::of(entry, &body, "application/json").await;
        let source = connect_entry(entry, provider.access.clone()).unwrap();
        let model = source.embedding(MODEL).unwrap();
        let answer = model.embed(EmbeddingRequest::documents(["a text"])).await.unwrap();
        assert_eq!(answer.vectors, [[1.0, 0.0]], "{}", entry.name);
        let seen = provider.seen();
        let quirks = &entry.quirks;
        let path = if is_tei { "embed" } else { "embeddings" };
        let path = quirks.paths.get(path).map_or(path, String::as_str);
        assert_eq!(seen.path, format!("{}/{path}", provider.path));
        assert_eq!(seen.headers["authorization"], format!("Bearer {KEY}").as_str());
        let body = seen.json();
        if is_tei {
            assert_eq!(body, json!({ "inputs": ["a text"] }));
            continue;
        }
        assert_eq!((&body["model"], &body["input"]), (&json!(MODEL), &json!(["a text"])));
        let format = quirks.embedding.encoding.as_deref().unwrap_or("float");
        let format = (!quirks.no_encoding_format).then(|| json!(format));
        assert_eq!(body.get("encoding_format"), format.as_ref(), "{}", entry.name);
        if let Some(purpose) = &quirks.embedding.purpose {
            assert_eq!(
                body[&purpose.field].as_str(),
                purpose.document.as_deref(),
                "{}",
                entry.name
            );
        }
        assert_eq!(model.info().limits.batch, quirks.embedding.batch_of(MODEL), "{}", entry.name);
    }
}

#[tokio::test]
async fn rerank_is_asked_as_the_row_says() {
    for entry in rows_of(Dialect::OpenAi) {
        if !entry.kinds.contains(&ModelKind::Rerank) {
            continue;
        }
        let quirks = &entry.quirks.rerank;
        let scored = |score: &str| json!([{ "index": 0, score: 0.5 }]);
        let (body, question) = match quirks.shape {
            RerankShape::Nim => (json!({ "rankings": scored("logit") }), "/query/text"),
            RerankShape::DeepInfra => (json!({ "scores": [0.5] }), "/queries/0"),
            RerankShape::Voyage => (json!({ "data": scored("relevance_score") }), "/query"),
            _ => (json!({ "results": scored("relevance_score") }), "/query"),
        };
        let provider = Provider::of(entry, &body.to_string(), "application/json").await;
        let source = connect_entry(entry, provider.access.clone()).unwrap();
        let model = source.rerank(MODEL).unwrap();
        let scores = quirks.scores.unwrap_or(ScoreType::Unbounded);
        assert_eq!(model.info().scores, Some(scores), "{}", entry.name);
        let (query, documents) = ("a question".to_owned(), vec!["a text".to_owned()]);
        let request = RerankRequest { query, documents, ..RerankRequest::default() };
        let answer = model.rerank(request).await.unwrap();
        assert_eq!((answer.results[0].index, answer.results[0].score), (0, 0.5), "{}", entry.name);
        let seen = provider.seen();
        let path = quirks.path.as_deref().unwrap_or("rerank");
        assert_eq!(seen.path, format!("{}/{path}", provider.path), "{}", entry.name);
        assert_eq!(seen.headers["authorization"], format!("Bearer {KEY}").as_str());
        assert_eq!(seen.json().pointer(question), Some(&json!("a question")), "{}", entry.name);
        for elsewhere in &quirks.elsewhere {
            assert_eq!(elsewhere.instead_of, entry.base_url, "{}", entry.name);
            assert!(elsewhere.base_url.starts_with("https://"), "{}", entry.name);
        }
    }
}

#[tokio::test]
async fn speech_is_asked_as_the_row_says() {
    for entry in rows_of(Dialect::OpenAi) {
        if !entry.kinds.contains(&ModelKind::Speech) {
            continue;
        }
        let provider = Provider::of(entry, "sound", "audio/mpeg").await;
        let source = connect_entry(entry, provider.access.clone()).unwrap();
        let request =
            SpeechRequest { input: "Hello.".into(), voice: Some("v".into()), ..Default::default() };
        let mut sound = source.speech(MODEL).unwrap().speak(request).await.unwrap();
        assert_eq!(sound.try_next().await.unwrap().unwrap(), "sound", "{}", entry.name);
        let (seen, name) = (provider.seen(), &entry.name);
        assert_eq!(seen.headers["authorization"], format!("Bearer {KEY}").as_str(), "{name}");
        let body = seen.json();
        let (path, expected) = match entry.quirks.speech {
            SpeechShape::OpenAi => {
                ("audio/speech", json!({ "model": MODEL, "input": "Hello.", "voice": "v" }))
            }
            _ => ("tts", json!({ "text": "Hello.", "voice_id": "v", "language": "auto" })),
        };
        assert_eq!((seen.path, body), (format!("{}/{path}", provider.path), expected), "{name}");
    }
}

#[tokio::test]
async fn transcripts_are_asked_as_the_row_says() {
    for entry in rows_of(Dialect::OpenAi) {
        if !entry.kinds.contains(&ModelKind::Transcription) {
            continue;
        }
        let provider = Provider::of(entry, r#"{"text":"hello"}"#, "application/json").await;
        let source = connect_entry(entry, provider.access.clone()).unwrap();
        let request = TranscriptionRequest {
            audio: "sound".into(),
            file_name: "a.wav".into(),
            ..Default::default()
        };
        let model = source.transcription(MODEL).unwrap();
        assert_eq!(model.transcribe(request).await.unwrap().text, "hello", "{}", entry.name);
        let (seen, name) = (provider.seen(), &entry.name);
        assert_eq!(seen.headers["authorization"], format!("Bearer {KEY}").as_str(), "{name}");
        let body = String::from_utf8_lossy(&seen.body);
        let (path, holds_model) = match entry.quirks.transcription {
            TranscriptionShape::NamelessForm => ("stt", false),
            _ => ("audio/transcriptions", true),
        };
        assert_eq!(seen.path, format!("{}/{path}", provider.path), "{name}");
        assert_eq!(body.contains(MODEL), holds_model, "{name}");
        let is_json = entry.quirks.transcription == TranscriptionShape::InputAudio;
        let content_type = seen.headers["content-type"].to_str().unwrap();
        assert_eq!(content_type.starts_with("application/json"), is_json, "{name}");
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

//! Requests that differ in what matters have different keys.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use llm_bundle::{
    Asked, Cache, CacheKey, CacheLayer, CachePolicies, CachePolicy, CacheStore, CallContext,
    Modality,
};
use llm_core::*;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;
use tower::{Layer, Service, service_fn};

/// Remembers under which key it was asked.
#[derive(Default)]
struct Asks(Mutex<Option<CacheKey>>);

impl CacheStore for Asks {
    fn get<'a>(&'a self, key: &'a CacheKey) -> BoxFuture<'a, Result<Option<Bytes>, BoxError>> {
        *self.0.lock().unwrap() = Some(*key);
        Box::pin(async { Ok(None) })
    }

    fn put(&self, _: CacheKey, _: Bytes, _: Duration) -> BoxFuture<'_, Result<(), BoxError>> {
        Box::pin(async { Ok(()) })
    }
}

/// The key that a request is looked up by; none for one that is not.
fn key_of<M: Modality + ?Sized>(request: M::Request, tenant: &str) -> Option<CacheKey> {
    let store = Arc::new(Asks::default());
    let policies = CachePolicies {
        chat: CachePolicy::Exact,
        embedding: CachePolicy::Exact,
        rerank: CachePolicy::Exact,
        speech: CachePolicy::Exact,
        transcription: CachePolicy::Exact,
        vision: CachePolicy::Exact,
    };
    let cache = Cache::builder(store.clone()).policies(policies).build();
    let layer = CacheLayer::<M>::new(cache, "test/model");
    let service = service_fn(async |_: Asked<M::Request>| {
        Err::<Reply<M::Event, ModelError>, _>(ModelError::new(
            ErrorKind::Unknown,
            Operation::Raw,
            "",
        ))
    });
    let context = CallContext { tenant: Some(tenant.into()), ..CallContext::default() };
    let call = layer.layer(service).call(Asked::new(request, context));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    assert!(runtime.block_on(call).is_err());
    *store.0.lock().unwrap()
}

/// Small texts, so that two requests are often nearly the same.
fn text() -> impl Strategy<Value = String> {
    select(vec!["", "a", "b", "ab", "\"", "a\",\"b", "ä"]).prop_map(String::from)
}

fn texts() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(text(), 0..3)
}

fn number() -> impl Strategy<Value = Option<f64>> {
    select(vec![None, Some(0.0), Some(0.5), Some(1.0)])
}

fn count() -> impl Strategy<Value = Option<u32>> {
    select(vec![None, Some(0), Some(1), Some(2)])
}

fn extra() -> impl Strategy<Value = Extra> {
    select(vec![json!({}), json!({"a": 1}), json!({"a": 1, "b": null}), json!({"a": "1"})])
        .prop_map(|value| value.as_object().unwrap().clone())
}

fn headers() -> impl Strategy<Value = BTreeMap<String, String>> {
    prop::collection::btree_map(text(), text(), 0..2)
}

fn part() -> impl Strategy<Value = Part> {
    prop_oneof![
        text().prop_map(Part::text),
        text().prop_map(|text| Part::Refusal(TextPart::new(text))),
        text().prop_map(|data| Part::Image(Media::new(MediaSource::Base64(data)))),
        text().prop_map(|data| Part::Image(Media::new(MediaSource::FileId(data)))),
        text().prop_map(|id| Part::ToolResult(ToolResult::text(id, "x"))),
        (text(), text()).prop_map(|(id, arguments)| {
            Part::ToolCall(ToolCall { id, arguments, ..ToolCall::default() })
        }),
    ]
}

fn message() -> impl Strategy<Value = Message> {
    let role = select(vec![Role::System, Role::User, Role::Assistant]);
    let name = select(vec![None, Some(String::new()), Some("a".to_owned())]);
    (role, prop::collection::vec(part(), 0..3), name, extra())
        .prop_map(|(role, parts, name, extra)| Message { role, parts, name, extra })
}

fn chat() -> impl Strategy<Value = ChatRequest> {
    let sampling = (number(), number(), count(), select(vec![None, Some(0), Some(7)])).prop_map(
        |(temperature, top_p, top_k, seed)| Sampling {
            temperature,
            top_p,
            top_k,
            seed,
            ..Sampling::default()
        },
    );
    let format = select(vec![None, Some(ResponseFormat::Text), Some(ResponseFormat::JsonObject)]);
    let tools = select(vec![
        vec![],
        vec![Tool::function("f", "d", json!({"x": 1, "y": 2}))],
        vec![Tool::function("f", "d", json!({"y": 2, "x": 1}))],
    ]);
    let choice = select(vec![None, Some(ToolChoice::Auto), Some(ToolChoice::Function("f".into()))]);
    (
        prop::collection::vec(message(), 0..3),
        (tools, choice, format, sampling),
        (count(), texts(), count(), extra(), headers()),
        (text(), any::<bool>(), text()),
    )
        .prop_map(|(messages, (tools, tool_choice, response_format, sampling), more, free)| {
            let (max_output_tokens, stop, n, extra_body, extra_headers) = more;
            let (model, stream, user) = free;
            ChatRequest {
                model,
                messages,
                stream,
                tools,
                tool_choice,
                response_format,
                sampling,
                max_output_tokens,
                stop,
                n,
                user: Some(user),
                extra_body,
                extra_headers,
                ..ChatRequest::default()
            }
        })
}

fn embedding() -> impl Strategy<Value = EmbeddingRequest> {
    let purpose = select(vec![EmbeddingPurpose::Document, EmbeddingPurpose::Query]);
    (text(), texts(), purpose, count(), text(), extra(), headers()).prop_map(
        |(model, inputs, purpose, dimensions, user, extra_body, extra_headers)| EmbeddingRequest {
            model,
            inputs,
            purpose,
            dimensions,
            user: Some(user),
            extra_body,
            extra_headers,
        },
    )
}

fn rerank() -> impl Strategy<Value = RerankRequest> {
    (text(), texts(), count(), extra()).prop_map(|(query, documents, top, extra_body)| {
        RerankRequest {
            query,
            documents,
            top: top.map(|top| top as usize),
            extra_body,
            ..RerankRequest::default()
        }
    })
}

fn transcription() -> impl Strategy<Value = TranscriptionRequest> {
    (text(), text(), number(), any::<bool>(), any::<bool>()).prop_map(
        |(audio, file_name, temperature, segments, translate)| TranscriptionRequest {
            audio: audio.into(),
            file_name,
            temperature,
            segments,
            translate,
            ..TranscriptionRequest::default()
        },
    )
}

/// What is left of a request without what does not matter. Maps are compared without their order.
fn essence(request: &ChatRequest) -> ChatRequest {
    ChatRequest { model: String::new(), stream: false, user: None, ..request.clone() }
}

fn embedding_essence(request: &EmbeddingRequest) -> EmbeddingRequest {
    EmbeddingRequest { model: String::new(), user: None, ..request.clone() }
}

/// Whether the keys are equal exactly where the requests are.
fn check<R: std::fmt::Debug>(
    requests: Vec<R>,
    is_same: impl Fn(&R, &R) -> bool,
    key: impl Fn(&R) -> Option<CacheKey>,
) -> Result<(), TestCaseError> {
    let keys: Vec<_> = requests.iter().map(&key).collect();
    for (i, a) in requests.iter().enumerate() {
        for (j, b) in requests.iter().enumerate().skip(i) {
            prop_assert!(keys[i].is_some());
            prop_assert_eq!(keys[i] == keys[j], is_same(a, b), "{:?} {:?}", a, b);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn of_chats(requests in prop::collection::vec(chat(), 2..6)) {
        // Two requests with what does not matter exchanged, besides those that differ anyhow.
        let mut requests = requests;
        let (model, user) = ("other".to_owned(), Some("other".to_owned()));
        let stream = !requests[0].stream;
        requests.push(ChatRequest { model, user, stream, ..requests[0].clone() });
        // JSON schemas are compared with the order of their keys, which a model sees.
        let tools = |request: &ChatRequest| json!(request.tools).to_string();
        let is_same =
            |a: &ChatRequest, b: &ChatRequest| essence(a) == essence(b) && tools(a) == tools(b);
        check(requests, is_same, |request| key_of::<dyn ChatModel>(request.clone(), "a"))?;
    }

    #[test]
    fn of_embeddings(requests in prop::collection::vec(embedding(), 2..6)) {
        let is_same = |a: &_, b: &_| embedding_essence(a) == embedding_essence(b);
        check(requests, is_same, |request| key_of::<dyn EmbeddingModel>(request.clone(), "a"))?;
    }

    #[test]
    fn of_rerankings(requests in prop::collection::vec(rerank(), 2..6)) {
        check(requests, |a, b| a == b, |request| key_of::<dyn RerankModel>(request.clone(), "a"))?;
    }

    #[test]
    fn of_transcriptions(requests in prop::collection::vec(transcription(), 2..6)) {
        let key = |request: &TranscriptionRequest| {
            key_of::<dyn TranscriptionModel>(request.clone(), "a")
        };
        check(requests, |a, b| a == b, key)?;
    }
}

/// Each field of each request by itself: one with it has another key than one without.
#[test]
fn every_field_that_matters_makes_another_key() {
    let media = || Media::new(MediaSource::Text("x".into()));
    let chats: Vec<ChatRequest> = [
        json!({}),
        json!({ "messages": [{ "role": "user", "parts": [] }] }),
        json!({ "messages": [{ "role": "user", "parts": [{ "type": "image", "source": { "base64": "" } }] }] }),
        json!({ "messages": [{ "role": "user", "parts": [{ "type": "image", "source": { "url": "data:," } }] }] }),
        json!({ "tools": [{ "type": "function", "name": "f" }] }),
        json!({ "tool_choice": "none" }),
        json!({ "parallel_tool_calls": false }),
        json!({ "response_format": { "type": "json_object" } }),
        json!({ "sampling": { "temperature": 0.0 } }),
        json!({ "sampling": { "top_p": 0.0 } }),
        json!({ "sampling": { "top_k": 0 } }),
        json!({ "sampling": { "frequency_penalty": 0.0 } }),
        json!({ "sampling": { "presence_penalty": 0.0 } }),
        json!({ "sampling": { "seed": 0 } }),
        json!({ "sampling": { "logit_bias": { "1": 0.0 } } }),
        json!({ "max_output_tokens": 0 }),
        json!({ "stop": [""] }),
        json!({ "n": 1 }),
        json!({ "logprobs": false }),
        json!({ "top_logprobs": 0 }),
        json!({ "reasoning": {} }),
        json!({ "reasoning": { "effort": "low" } }),
        json!({ "service_tier": "" }),
        json!({ "unsupported": "refuse" }),
        json!({ "extra_body": { "a": null } }),
        json!({ "extra_headers": { "a": "" } }),
    ]
    .into_iter()
    .map(|value| serde_json::from_value(value).unwrap())
    .collect();
    let speech = SpeechRequest::default;
    let voice = Some(String::new());
    let speeches = [
        speech(),
        SpeechRequest { input: "a".into(), ..speech() },
        SpeechRequest { voice: voice.clone(), ..speech() },
        SpeechRequest { format: voice.clone(), ..speech() },
        SpeechRequest { speed: Some(1.0), ..speech() },
        SpeechRequest { instructions: voice.clone(), ..speech() },
    ];
    let vision = || VisionRequest {
        model: String::new(),
        image: media(),
        prompt: None,
        extra_body: Extra::new(),
        extra_headers: BTreeMap::new(),
    };
    let visions = [
        vision(),
        VisionRequest { prompt: voice, ..vision() },
        VisionRequest { image: Media { detail: Some("low".into()), ..media() }, ..vision() },
    ];
    let mut seen: HashMap<CacheKey, String> = HashMap::new();
    let mut check = |key: Option<CacheKey>, request: String| {
        if let Some(same) = seen.insert(key.unwrap(), request.clone()) {
            panic!("{same} has the key of {request}");
        }
    };
    for request in chats {
        check(key_of::<dyn ChatModel>(request.clone(), "b"), "of another tenant".into());
        check(key_of::<dyn ChatModel>(request.clone(), "a"), format!("{request:?}"));
    }
    for request in speeches {
        check(key_of::<dyn SpeechModel>(request.clone(), "a"), format!("{request:?}"));
    }
    for request in visions {
        check(key_of::<dyn VisionModel>(request.clone(), "a"), format!("{request:?}"));
    }
    check(key_of::<dyn EmbeddingModel>(EmbeddingRequest::default(), "a"), "an embedding".into());
    check(key_of::<dyn RerankModel>(RerankRequest::default(), "a"), "a reranking".into());
}

#[test]
fn what_the_web_holds_is_not_in_the_key_and_not_cached() {
    let at = |url: &str| Part::Image(Media::new(MediaSource::Url(url.into())));
    let image = at("https://a.example/today.png");
    let result = ToolResult { parts: vec![image.clone()], ..ToolResult::text("id", "") };
    for part in [image, Part::ToolResult(result)] {
        let request = ChatRequest::new(vec![Message::new(Role::User, vec![part])]);
        assert_eq!(key_of::<dyn ChatModel>(request, "a"), None);
    }
}

#[test]
fn the_order_of_further_fields_means_nothing() {
    let request = |body: serde_json::Value| ChatRequest {
        extra_body: body.as_object().unwrap().clone(),
        ..ChatRequest::default()
    };
    let one = key_of::<dyn ChatModel>(request(json!({ "a": 1, "b": 2 })), "a");
    let other = key_of::<dyn ChatModel>(request(json!({ "b": 2, "a": 1 })), "a");
    assert_eq!(one, other);
}

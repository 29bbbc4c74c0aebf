//! The cache: what callers see of it, and what the model does not.

mod models;

use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_stream::stream;
use bytes::Bytes;
use futures::future::{BoxFuture, join_all};
use futures::{FutureExt, StreamExt, TryStreamExt};
use llm_bundle::{
    Asked, Asking, Cache, CacheBuilder, CacheKey, CacheLayer, CachePolicies, CachePolicy,
    CacheScope, CacheStatus, CacheStore, CacheUse, CallContext, MemoryCache, Priority,
    SemanticOptions, Trail,
};
use llm_core::{
    Annotation, AudioDelta, BoxError, ChatEvent, ChatModel, ChatReply, ChatRequest, EmbeddingModel,
    EmbeddingRequest, EmbeddingResponse, ErrorKind, FinishReason, Message, ModelError, ModelInfo,
    ModelKind, Operation, Reply, Tool, Usage,
};
use models::{AsyncLengths, Probe};
use tower::{Layer, Service, service_fn};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);

type Event = Result<ChatEvent, ErrorKind>;

/// A chat model behind the layer: each call gives these events with a second before each.
#[derive(Clone)]
struct Model {
    probe: Probe,
    script: Arc<Mutex<Vec<Event>>>,
    /// Fails before the first event.
    refuses: Arc<Mutex<Option<ErrorKind>>>,
    layer: CacheLayer<dyn ChatModel>,
}

impl Model {
    fn new(cache: &Cache) -> Self {
        Self {
            probe: Probe::default(),
            script: Arc::new(Mutex::new(words(3))),
            refuses: Arc::default(),
            layer: CacheLayer::new(cache.clone(), "test/model"),
        }
    }

    fn says(self, script: Vec<Event>) -> Self {
        *self.script.lock().unwrap() = script;
        self
    }

    fn ask(&self, request: ChatRequest, context: CallContext) -> (Arc<Trail>, Asking<ChatEvent>) {
        let asked = Asked::new(request, context);
        let trail = asked.trail.clone();
        let model = self.clone();
        let service =
            service_fn(move |asked: Asked<ChatRequest>| model.clone().answer(asked.request));
        (trail, self.layer.layer(service).call(asked))
    }

    fn answer(self, _: ChatRequest) -> Asking<ChatEvent> {
        let alive = self.probe.begin();
        let script = self.script.lock().unwrap().clone();
        let refuses = *self.refuses.lock().unwrap();
        Box::pin(async move {
            if let Some(kind) = refuses {
                tokio::time::sleep(SECOND).await;
                return Err(error(kind));
            }
            Ok(ChatReply::new(stream! {
                let _alive = alive;
                for event in script {
                    tokio::time::sleep(SECOND).await;
                    yield event.map_err(error);
                }
            }))
        })
    }

    /// Asks and reads to the end.
    async fn read(
        &self,
        request: ChatRequest,
        context: CallContext,
    ) -> (Option<CacheStatus>, Result<Vec<ChatEvent>, ErrorKind>) {
        let (trail, asking) = self.ask(request, context);
        let events = async { asking.await?.try_collect().await };
        let events = events.await.map_err(|error: ModelError| error.kind());
        (trail.cache(), events)
    }
}

fn error(kind: ErrorKind) -> ModelError {
    ModelError::new(kind, Operation::Chat, "scripted").with_source("its cause")
}

fn words(count: u64) -> Vec<Event> {
    let mut events: Vec<Event> = (0..count).map(|n| Ok(ChatEvent::text(format!("{n} ")))).collect();
    events.push(Ok(ChatEvent::finished(FinishReason::Stop)));
    let usage = Usage { output_tokens: Some(count), cost: Some(0.1), ..Usage::default() };
    events.push(Ok(ChatEvent::Usage(usage)));
    events
}

fn said(events: Vec<Event>) -> Vec<ChatEvent> {
    events.into_iter().map(Result::unwrap).collect()
}

fn exact() -> CacheBuilder {
    let policies = CachePolicies { chat: CachePolicy::Exact, ..CachePolicies::default() };
    Cache::builder(Arc::new(MemoryCache::new(1 << 20))).policies(policies)
}

fn question() -> ChatRequest {
    ChatRequest::new(vec![Message::user("how long?")])
}

fn tenant(name: &str) -> CallContext {
    CallContext { tenant: Some(name.into()), ..CallContext::default() }
}

fn name(status: Option<CacheStatus>) -> &'static str {
    status.map_or("none", CacheStatus::as_str)
}

#[tokio::test(start_paused = true)]
async fn the_second_answer_is_the_first_without_its_pauses() {
    let model = Model::new(&exact().build());
    for (stream, expected, seconds) in [(true, "miss", 5), (true, "hit", 0), (false, "hit", 0)] {
        let start = tokio::time::Instant::now();
        let (status, events) = model.read(ChatRequest { stream, ..question() }, tenant("a")).await;
        assert_eq!(name(status), expected);
        assert_eq!(events.unwrap(), said(words(3)));
        assert_eq!(start.elapsed().as_secs(), seconds);
    }
    assert_eq!(model.probe.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_policy_the_caller_and_the_request_decide() {
    use CachePolicy::{Exact, Off};
    let chat = |chat| CachePolicies { chat, ..CachePolicies::default() };
    let on_the_web = || {
        let tool = Tool::Provider { dialect: "x".into(), value: serde_json::json!({}) };
        ChatRequest { tools: vec![tool], ..question() }
    };
    for (policies, wanted, request, seen) in [
        (CachePolicies::default(), CacheUse::Usual, question(), ["bypass", "bypass"]),
        (CachePolicies::default(), CacheUse::As(Exact), question(), ["miss", "hit"]),
        (chat(Exact), CacheUse::Usual, question(), ["miss", "hit"]),
        (chat(Exact), CacheUse::As(Off), question(), ["bypass", "bypass"]),
        (chat(Exact), CacheUse::Bypass, question(), ["bypass", "bypass"]),
        (chat(Exact), CacheUse::Refresh, question(), ["miss", "miss"]),
        (chat(Exact), CacheUse::Usual, on_the_web(), ["bypass", "bypass"]),
    ] {
        let model = Model::new(&exact().policies(policies).build());
        for expected in seen {
            let context = CallContext { cache: wanted, ..tenant("a") };
            let (status, events) = model.read(request.clone(), context).await;
            assert_eq!((name(status), events.is_ok()), (expected, true), "{policies:?} {wanted:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_refreshed_replaces_what_was_kept() {
    let model = Model::new(&exact().build());
    model.read(question(), tenant("a")).await.1.unwrap();
    let model = model.says(words(9));
    let refresh = CallContext { cache: CacheUse::Refresh, ..tenant("a") };
    model.read(question(), refresh).await.1.unwrap();
    let (status, events) = model.read(question(), tenant("a")).await;
    assert_eq!((name(status), events.unwrap()), ("hit", said(words(9))));
}

#[tokio::test(start_paused = true)]
async fn only_whole_and_good_answers_are_kept() {
    let text = || Ok(ChatEvent::text("something"));
    let finished = |reason| Ok(ChatEvent::finished(reason));
    let other = |choice| ChatEvent::Text { choice, text: "other".into(), signature: None };
    let web = Annotation::UrlCitation { url: "u".into(), title: None, start: None, end: None };
    let block = ChatEvent::Block {
        choice: 0,
        dialect: "x".into(),
        value: serde_json::json!({ "type": "server_tool_use" }),
    };
    let sound = AudioDelta { expires_at: Some(9), ..AudioDelta::default() };
    let stop = FinishReason::Stop;
    for (kept, script) in [
        (true, vec![text(), finished(stop)]),
        (true, vec![text(), finished(FinishReason::Length)]),
        (true, vec![finished(FinishReason::ToolCalls)]),
        (
            true,
            vec![
                text(),
                Ok(other(1)),
                finished(stop),
                Ok(ChatEvent::Finished { choice: 1, reason: stop, raw: None }),
            ],
        ),
        (false, vec![]),
        (false, vec![text()]),
        (false, vec![text(), Ok(other(1)), finished(stop)]),
        (false, vec![text(), finished(stop), Err(ErrorKind::Connection)]),
        (false, vec![text(), Err(ErrorKind::Upstream)]),
        (false, vec![text(), finished(FinishReason::ContentFilter)]),
        (false, vec![text(), finished(FinishReason::Refusal)]),
        (false, vec![text(), finished(FinishReason::Paused)]),
        (false, vec![text(), finished(FinishReason::Error)]),
        (false, vec![text(), finished(FinishReason::Other)]),
        (false, vec![Ok(ChatEvent::Refusal { choice: 0, text: "no".into() }), finished(stop)]),
        (false, vec![Ok(block), text(), finished(stop)]),
        (
            false,
            vec![text(), Ok(ChatEvent::Annotation { choice: 0, annotation: web }), finished(stop)],
        ),
        (false, vec![Ok(ChatEvent::Audio(sound)), finished(stop)]),
        (false, vec![Ok(ChatEvent::text("x".repeat(2_000))), finished(stop)]),
    ] {
        let model = Model::new(&exact().max_entry_bytes(1_000).build()).says(script.clone());
        let (_, first) = model.read(question(), tenant("a")).await;
        let (status, second) = model.read(question(), tenant("a")).await;
        assert_eq!(name(status), if kept { "hit" } else { "miss" }, "{script:?}");
        assert_eq!(first, second);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_left_is_not_kept() {
    let model = Model::new(&exact().build());
    let (_, asking) = model.ask(question(), tenant("a"));
    let mut reply = asking.await.unwrap();
    reply.next().await;
    drop(reply);
    assert_eq!(model.probe.live(), 0, "nobody follows: the call is cancelled");
    assert_eq!(name(model.read(question(), tenant("a")).await.0), "miss");
}

#[tokio::test(start_paused = true)]
async fn tenants_share_only_where_the_operator_says_so() {
    for (scope, others) in [(CacheScope::Tenant, "miss"), (CacheScope::Shared, "hit")] {
        let model = Model::new(&exact().scope(scope).build());
        assert_eq!(name(model.read(question(), tenant("a")).await.0), "miss");
        for other in [tenant("b"), tenant(""), CallContext::default()] {
            assert_eq!(name(model.read(question(), other).await.0), others);
        }
        assert_eq!(name(model.read(question(), tenant("a")).await.0), "hit");
    }
}

#[tokio::test(start_paused = true)]
async fn routes_do_not_share() {
    let cache = exact().build();
    let model = Model::new(&cache);
    model.read(question(), tenant("a")).await.1.unwrap();
    let other = Model { layer: CacheLayer::new(cache, "test/other"), ..model };
    assert_eq!(name(other.read(question(), tenant("a")).await.0), "miss");
}

#[tokio::test(start_paused = true)]
async fn a_hundred_equal_calls_are_one() {
    let model = Model::new(&exact().build());
    let seen = join_all((0..100).map(|_| model.read(question(), tenant("a")))).await;
    assert_eq!((model.probe.calls(), model.probe.most_live()), (1, 1));
    let misses = seen.iter().filter(|(status, _)| name(*status) == "miss").count();
    assert_eq!(misses, 1, "one pays");
    for (status, events) in seen {
        assert!(matches!(name(status), "miss" | "shared"));
        assert_eq!(events.unwrap(), said(words(3)));
    }
    assert_eq!(name(model.read(question(), tenant("a")).await.0), "hit");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_equal_calls_are_one_on_many_threads() {
    for _ in 0..20 {
        let cache = exact().build();
        let calls = Arc::new(AtomicUsize::new(0));
        let layer = CacheLayer::<dyn ChatModel>::new(cache, "test/model");
        let tasks = (0..100).map(|_| {
            let calls = calls.clone();
            let service = service_fn(move |_: Asked<ChatRequest>| {
                calls.fetch_add(1, Ordering::SeqCst);
                async move {
                    Ok::<_, ModelError>(Reply::new(stream! {
                        for event in words(50) {
                            tokio::task::yield_now().await;
                            yield event.map_err(error);
                        }
                    }))
                }
            });
            let asking = layer.layer(service).call(Asked::new(question(), tenant("a")));
            tokio::spawn(async move { asking.await?.try_collect::<Vec<_>>().await })
        });
        let tasks: Vec<_> = tasks.collect();
        for task in tasks {
            let events = tokio::time::timeout(30 * SECOND, task).await.unwrap().unwrap();
            assert_eq!(events.unwrap(), said(words(50)));
        }
        assert_eq!(calls.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_goes_on_while_anybody_follows_it() {
    let model = Model::new(&exact().build());
    let (first_trail, first) = model.ask(question(), tenant("a"));
    let (second_trail, second) = model.ask(question(), tenant("a"));
    let (third_trail, third) = model.ask(question(), tenant("a"));
    let mut first = first.await.unwrap();
    first.next().await.unwrap().unwrap();
    let (mut second, third) = (second.await.unwrap(), third.await.unwrap());
    let statuses = [&first_trail, &second_trail, &third_trail].map(|trail| name(trail.cache()));
    assert_eq!(statuses, ["miss", "shared", "shared"]);

    drop(first);
    assert_eq!(name(second_trail.cache()), "miss", "the call is the next one's");
    second.next().await.unwrap().unwrap();
    drop(second);
    assert_eq!(name(third_trail.cache()), "miss");
    assert_eq!(third.try_collect::<Vec<_>>().await.unwrap(), said(words(3)));
    assert_eq!((model.probe.calls(), model.probe.live()), (1, 0));
    assert_eq!(name(model.read(question(), tenant("a")).await.0), "hit");
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_leaves_before_the_answer_begins_takes_nothing_along() {
    let model = Model::new(&exact().build());
    let (_, mut first) = model.ask(question(), tenant("a"));
    assert!((&mut first).now_or_never().is_none());
    let (trail, second) = model.ask(question(), tenant("a"));
    let second = tokio::spawn(async move { second.await?.try_collect::<Vec<_>>().await });
    tokio::task::yield_now().await;
    drop(first);
    assert_eq!(second.await.unwrap().unwrap(), said(words(3)));
    assert_eq!((model.probe.calls(), name(trail.cache())), (1, "miss"));
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_everybodys_and_the_next_call_is_a_new_one() {
    let model = Model::new(&exact().build());
    *model.refuses.lock().unwrap() = Some(ErrorKind::RateLimit);
    let asked = (0..5).map(|_| model.ask(question(), tenant("a")).1);
    let errors: Vec<ModelError> =
        join_all(asked).await.into_iter().map(Result::unwrap_err).collect();
    assert!(errors.iter().all(|error| error.kind() == ErrorKind::RateLimit));
    let causes = errors.iter().filter(|error| std::error::Error::source(*error).is_some()).count();
    assert_eq!((model.probe.calls(), causes), (1, 5), "all have the cause");

    *model.refuses.lock().unwrap() = None;
    let (status, events) = model.read(question(), tenant("a")).await;
    assert_eq!((name(status), events.is_ok()), ("miss", true));

    let model = Model::new(&exact().build())
        .says(vec![Ok(ChatEvent::text("so far")), Err(ErrorKind::Connection)]);
    let seen = join_all((0..5).map(|_| model.read(question(), tenant("a")))).await;
    assert!(seen.iter().all(|(_, events)| *events == Err(ErrorKind::Connection)));
    assert_eq!(model.probe.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn keys_and_priorities_do_not_share_calls_under_way_but_answers() {
    let model = Model::new(&exact().build());
    let contexts = [
        tenant("a"),
        CallContext { key: Some("k".into()), ..tenant("a") },
        CallContext { priority: Priority::Batch, ..tenant("a") },
        CallContext { cache: CacheUse::Refresh, ..tenant("a") },
    ];
    join_all(contexts.iter().map(|context| model.read(question(), context.clone()))).await;
    assert_eq!(model.probe.calls(), 4);
    for context in &contexts[..3] {
        assert_eq!(name(model.read(question(), context.clone()).await.0), "hit");
    }
}

#[tokio::test(start_paused = true)]
async fn who_reads_slowly_holds_nobody_up_and_no_memory() {
    let mut script: Vec<Event> = (0..10).map(|_| Ok(ChatEvent::text("x".repeat(200)))).collect();
    script.push(Ok(ChatEvent::finished(FinishReason::Stop)));
    let model = Model::new(&exact().max_entry_bytes(1_000).build()).says(script.clone());
    let (_, fast) = model.ask(question(), tenant("a"));
    let (_, slow) = model.ask(question(), tenant("a"));
    let (fast, mut slow) = (fast.await.unwrap(), slow.await.unwrap());
    slow.next().await.unwrap().unwrap();
    assert_eq!(fast.try_collect::<Vec<_>>().await.unwrap(), said(script));
    let error = slow.try_collect::<Vec<_>>().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Overloaded);
    assert!(error.message().contains("ask again"), "{error}");
    assert_eq!(model.probe.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn answers_are_kept_for_their_time() {
    let model = Model::new(&exact().ttl(HOUR).build());
    model.read(question(), tenant("a")).await.1.unwrap();
    tokio::time::sleep(HOUR - SECOND).await;
    assert_eq!(name(model.read(question(), tenant("a")).await.0), "hit");
    tokio::time::sleep(SECOND).await;
    assert_eq!(name(model.read(question(), tenant("a")).await.0), "miss");
}

#[tokio::test(start_paused = true)]
async fn large_requests_and_answers_are_cached_as_small_ones() {
    let script = [vec![Ok(ChatEvent::text("x".repeat(200 << 10)))], words(1)].concat();
    let model = Model::new(&exact().build()).says(script.clone());
    let large = |last: &str| {
        ChatRequest::new(vec![Message::user("x".repeat(300 << 10)), Message::user(last)])
    };
    for (last, expected) in [("a", "miss"), ("b", "miss"), ("a", "hit"), ("b", "hit")] {
        let (status, events) = model.read(large(last), tenant("a")).await;
        assert_eq!(name(status), expected);
        assert!(events.unwrap() == said(script.clone()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_the_callers_own_and_an_error_for_the_others() {
    let layer = CacheLayer::<dyn ChatModel>::new(exact().build(), "test/model");
    let call = || {
        let service = service_fn(|_: Asked<ChatRequest>| async {
            tokio::time::sleep(SECOND).await;
            if true {
                panic!("scripted");
            }
            Ok::<ChatReply, ModelError>(Reply::new(futures::stream::empty()))
        });
        tokio::spawn(layer.layer(service).call(Asked::new(question(), tenant("a"))))
    };
    let (first, second) = (call(), call());
    let ends = [first.await, second.await].map(|end| match end {
        Err(panicked) => panicked.is_panic(),
        Ok(answer) => answer.unwrap_err().kind() != ErrorKind::Internal,
    });
    assert_eq!(ends.iter().filter(|panicked| **panicked).count(), 1, "{ends:?}");
}

/// A store that fails, or hangs.
struct Broken {
    hangs: bool,
}

impl CacheStore for Broken {
    fn get<'a>(&'a self, _: &'a CacheKey) -> BoxFuture<'a, Result<Option<Bytes>, BoxError>> {
        self.fails()
    }

    fn put(&self, _: CacheKey, _: Bytes, _: Duration) -> BoxFuture<'_, Result<(), BoxError>> {
        self.fails()
    }
}

impl Broken {
    fn fails<T: 'static>(&self) -> BoxFuture<'static, Result<T, BoxError>> {
        match self.hangs {
            true => pending().boxed(),
            false => async { Err("broken".into()) }.boxed(),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_broken_store_is_a_miss_and_takes_no_longer_than_its_patience() {
    for (hangs, milliseconds) in [(false, 5_000), (true, 5_100)] {
        let policies = CachePolicies { chat: CachePolicy::Exact, ..CachePolicies::default() };
        let cache = Cache::builder(Arc::new(Broken { hangs })).policies(policies).build();
        let model = Model::new(&cache);
        let start = tokio::time::Instant::now();
        let (status, events) = model.read(question(), tenant("a")).await;
        assert_eq!((name(status), events.unwrap()), ("miss", said(words(3))));
        assert_eq!(start.elapsed().as_millis(), milliseconds);
        assert!(cache.is_failing());
        cache.flush().await;
    }
}

/// What a store holds may be anything: another program's, another version's, half of it.
#[tokio::test(start_paused = true)]
async fn entries_that_cannot_be_read_are_misses() {
    struct Garbled(MemoryCache, fn(Bytes) -> Bytes);

    impl CacheStore for Garbled {
        fn get<'a>(&'a self, key: &'a CacheKey) -> BoxFuture<'a, Result<Option<Bytes>, BoxError>> {
            Box::pin(async move { Ok(self.0.get(key).await?.map(self.1)) })
        }

        fn put(
            &self,
            key: CacheKey,
            value: Bytes,
            ttl: Duration,
        ) -> BoxFuture<'_, Result<(), BoxError>> {
            self.0.put(key, value, ttl)
        }
    }

    let garblings: [fn(Bytes) -> Bytes; 6] = [
        |_| Bytes::new(),
        |value| value.slice(..5),
        |value| value.slice(..9),
        |value| value.slice(..value.len() - 1),
        |value| [&[0], &value[1..]].concat().into(),
        |value| [&value[..], &[0xdd, 0xff, 0xff, 0xff, 0xff]].concat().into(),
    ];
    for garble in garblings {
        let policies = CachePolicies { chat: CachePolicy::Exact, ..CachePolicies::default() };
        let store = Garbled(MemoryCache::new(1 << 20), garble);
        let model = Model::new(&Cache::builder(Arc::new(store)).policies(policies).build());
        for _ in 0..2 {
            let (status, events) = model.read(question(), tenant("a")).await;
            assert_eq!((name(status), events.unwrap()), ("miss", said(words(3))));
        }
    }
}

/// A store whose writes take a second.
struct Slow(MemoryCache);

impl CacheStore for Slow {
    fn get<'a>(&'a self, key: &'a CacheKey) -> BoxFuture<'a, Result<Option<Bytes>, BoxError>> {
        self.0.get(key)
    }

    fn put(
        &self,
        key: CacheKey,
        value: Bytes,
        ttl: Duration,
    ) -> BoxFuture<'_, Result<(), BoxError>> {
        Box::pin(async move {
            tokio::time::sleep(SECOND).await;
            self.0.put(key, value, ttl).await
        })
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_write_and_it_can_be_read_meanwhile() {
    let policies = CachePolicies { chat: CachePolicy::Exact, ..CachePolicies::default() };
    let store = Arc::new(Slow(MemoryCache::new(1 << 20)));
    let cache = Cache::builder(store.clone()).policies(policies).patience(9 * SECOND).build();
    let model = Model::new(&cache);
    let start = tokio::time::Instant::now();
    model.read(question(), tenant("a")).await.1.unwrap();
    assert_eq!(name(model.read(question(), tenant("a")).await.0), "hit");
    assert_eq!((start.elapsed(), store.0.len()), (5 * SECOND, 0));
    cache.flush().await;
    assert_eq!((start.elapsed(), store.0.len()), (6 * SECOND, 1));
    assert_eq!(name(model.read(question(), tenant("a")).await.0), "hit");
}

#[tokio::test(start_paused = true)]
async fn embeddings_are_answered_from_the_cache_unless_they_are_broken() {
    let probe = Probe::default();
    let lengths = AsyncLengths::new(&probe);
    let model = Arc::new(lengths);
    let layer = CacheLayer::<dyn EmbeddingModel>::new(
        Cache::builder(Arc::new(MemoryCache::new(1 << 20))).build(),
        "test/lengths",
    );
    let embed = async |request: EmbeddingRequest| {
        let model = model.clone();
        let service = service_fn(move |asked: Asked<EmbeddingRequest>| {
            let answer = model.embed(asked.request);
            async move { Ok(Reply::one(answer.await?)) }
        });
        let asked = Asked::new(request, tenant("a"));
        let trail = asked.trail.clone();
        let mut reply = layer.layer(service).call(asked).await.unwrap();
        // One item, and gone before the end.
        (name(trail.cache()), reply.next().await.unwrap().unwrap())
    };
    let texts = || EmbeddingRequest::documents(["one", "three"]);
    let (first, second) = (embed(texts()).await, embed(texts()).await);
    assert_eq!((first.0, second.0), ("miss", "hit"));
    assert_eq!(first.1, second.1);
    assert_eq!(embed(EmbeddingRequest::query("one")).await.0, "miss");
    assert_eq!(probe.calls(), 2);
}

/// Embeds a text by which of these words are in it.
struct Topics(ModelInfo, Option<ErrorKind>);

impl EmbeddingModel for Topics {
    fn info(&self) -> &ModelInfo {
        &self.0
    }

    fn embed(
        &self,
        request: EmbeddingRequest,
    ) -> BoxFuture<'static, Result<EmbeddingResponse, ModelError>> {
        let refusal = self.1.map(error);
        Box::pin(async move {
            let vector = |text: &String| {
                let has = |word: &str| f32::from(u8::from(text.contains(word)));
                vec![has("return"), has("ship"), 0.1 * has("please")]
            };
            let vectors = request.inputs.iter().map(vector).collect();
            refusal.map_or(Ok(EmbeddingResponse { vectors, ..Default::default() }), Err)
        })
    }
}

fn semantic(refuses: Option<ErrorKind>) -> Model {
    let info = models::info("test/topics", ModelKind::Embedding);
    let policies = CachePolicies { chat: CachePolicy::Semantic, ..CachePolicies::default() };
    let embedding = Arc::new(Topics(info, refuses));
    let cache =
        exact().policies(policies).semantic(embedding, SemanticOptions::default()).ttl(HOUR);
    Model::new(&cache.build())
}

#[tokio::test(start_paused = true)]
async fn a_question_that_means_the_same_has_the_same_answer() {
    let ask = |text: &str| ChatRequest::new(vec![Message::system("be brief"), Message::user(text)]);
    let tools = || vec![Tool::function("f", "", serde_json::json!({}))];
    let model = semantic(None);
    model.read(ask("may I return it?"), tenant("a")).await.1.unwrap();
    model.read(ask("may I return it within 30 days?"), tenant("a")).await.1.unwrap();
    for (expected, request, context) in [
        ("hit", ask("may I return it?"), tenant("a")),
        ("semantic", ask("can one return things, please?"), tenant("a")),
        ("semantic", ask("return in 30 days?"), tenant("a")),
        ("miss", ask("return in 60 days?"), tenant("a")),
        ("miss", ask("do you ship?"), tenant("a")),
        ("miss", ask("can one return things, please?"), tenant("b")),
        ("miss", ChatRequest { stop: vec!["x".into()], ..ask("how to return?") }, tenant("a")),
        ("miss", ChatRequest { tools: tools(), ..ask("how to return?") }, tenant("a")),
        ("miss", ChatRequest { tools: tools(), ..ask("how may I return?") }, tenant("a")),
        ("miss", ChatRequest::new(vec![Message::user("how to return?")]), tenant("a")),
    ] {
        let (status, events) = model.read(request.clone(), context).await;
        assert_eq!(name(status), expected, "{request:?}");
        assert_eq!(events.unwrap(), said(words(3)));
        if let Some(CacheStatus::Semantic { similarity, .. }) = status {
            assert!((0.95..=1.0).contains(&similarity));
        }
    }
    let exact = CallContext { cache: CacheUse::As(CachePolicy::Exact), ..tenant("a") };
    assert_eq!(name(model.read(ask("please, may I return it?"), exact).await.0), "miss");

    tokio::time::sleep(2 * HOUR).await;
    let (status, _) = model.read(ask("can one return this?"), tenant("a")).await;
    assert_eq!(name(status), "miss", "its time has passed");
}

#[tokio::test(start_paused = true)]
async fn a_question_that_cannot_be_compared_is_asked() {
    for refuses in [Some(ErrorKind::Upstream), None] {
        let model = semantic(refuses);
        // Without a direction where the embedding succeeds.
        for text in ["hello", "hello again"] {
            let request = ChatRequest::new(vec![Message::user(text)]);
            let (status, events) = model.read(request, tenant("a")).await;
            assert_eq!((name(status), events.is_ok()), ("miss", true));
        }
    }
}

//! What the guards cost for each call and for each event, in time and in allocations, beside the bare model.
//!
//! `cargo run --release -p llm-bundle --example overhead`
//!
//! The model answers at once, on the task that asks, so that a figure is the guards alone.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use futures::{StreamExt, stream};
use llm_bundle::{
    Bundle, Cache, CachePolicies, CachePolicy, CallRecord, Limits, MemoryCache, Quotas, Registry,
    RegistryBuilder, RouteOptions,
};
use llm_core::{
    ChatEvent, ChatModel, ChatReply, ChatRequest, FinishReason, Message, ModelError, ModelInfo,
    ModelKind, ModelName, Prices, Usage,
};
use tokio::runtime::{Builder, Runtime};

/// The system's allocator, counted.
struct Counted;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counted = Counted;

/// Texts of a short answer and of a long one; what the long one costs more is its events.
const SHORT: u32 = 1;
const LONG: u32 = 1_001;

/// Calls of a round, which is short, and rounds, of which the fastest counts: what else the machine does only ever adds.
const CALLS: u32 = 100;
const LONG_CALLS: u32 = 2;
const ROUNDS: u32 = 500;

/// Says as many words at once as the request allows.
struct Words(ModelInfo);

fn words(provider: &str) -> Arc<dyn ChatModel> {
    let mut info = ModelInfo::new(ModelName::new(provider, "words"), ModelKind::Chat);
    info.prices = Some(Prices { input: Some(1.0), output: Some(2.0), ..Prices::default() });
    Arc::new(Words(info))
}

impl ChatModel for Words {
    fn info(&self) -> &ModelInfo {
        &self.0
    }

    fn chat(&self, request: ChatRequest) -> BoxFuture<'static, Result<ChatReply, ModelError>> {
        let words = u64::from(request.max_output_tokens.unwrap_or(SHORT));
        Box::pin(async move {
            let texts = (0..words).map(|_| ChatEvent::text("word "));
            let usage =
                Usage { input_tokens: Some(50), output_tokens: Some(words), ..Usage::default() };
            let end = [ChatEvent::Usage(usage), ChatEvent::finished(FinishReason::Stop)];
            Ok(ChatReply::new(stream::iter(texts.chain(end).map(Ok))))
        })
    }
}

/// Two hundred bytes, and an answer of so many words.
fn request(words: u32) -> ChatRequest {
    let messages = vec![Message::user("why is the sky blue? ".repeat(10))];
    ChatRequest {
        model: "any".into(),
        max_output_tokens: Some(words),
        ..ChatRequest::new(messages).streamed()
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    println!("| | ns per call | allocations per call | ns per event | allocations per event |");
    println!("|---|---|---|---|---|");
    let bare = words("one");
    report(&runtime, "the bare model", |words| bare.chat(request(words)));
    for (name, registry) in [
        ("behind its guards", one()?),
        ("… and a record of each call for a sink that counts them", one()?.records(counting())),
        ("… a name over two models", two()?),
        ("… requests, tokens and money of tenant and key within limits", one()?.quotas(quotas())),
        ("… the exact cache, which has no answer", one()?.cache(cache(CachePolicy::Exact))),
        ("all of these", all()?),
    ] {
        let bundle = bundle(registry);
        let mut number = 0_u64;
        report(&runtime, name, |words| {
            // A question of its own, for the cache not to have the answer.
            number += 1;
            let mut request = request(words);
            request.messages.push(Message::user(number.to_string()));
            bundle.chat_stream(request)
        });
    }
    let bundle = bundle(all()?);
    report(&runtime, "all of these, answered from the cache", |words| {
        bundle.chat_stream(request(words))
    });
    Ok(())
}

fn bundle(registry: RegistryBuilder) -> Bundle {
    Bundle::new(registry.build()).for_tenant("acme").for_key("key-1")
}

/// The name `any` over one model.
fn one() -> Result<RegistryBuilder, llm_bundle::RouteError> {
    named(&["one"])
}

fn two() -> Result<RegistryBuilder, llm_bundle::RouteError> {
    named(&["one", "two"])
}

fn all() -> Result<RegistryBuilder, llm_bundle::RouteError> {
    Ok(two()?.records(counting()).quotas(quotas()).cache(cache(CachePolicy::Exact)))
}

fn named(providers: &[&str]) -> Result<RegistryBuilder, llm_bundle::RouteError> {
    let mut registry = Registry::builder();
    for provider in providers {
        registry = registry.chat(words(provider));
    }
    let targets =
        providers.iter().map(|provider| ModelName::new(*provider, "words").into()).collect();
    registry.route(ModelKind::Chat, "any", targets, RouteOptions::default())
}

fn counting() -> Arc<impl llm_bundle::RecordSink + use<>> {
    let count = AtomicU64::new(0);
    Arc::new(move |_: CallRecord| {
        count.fetch_add(1, Ordering::Relaxed);
    })
}

fn quotas() -> Quotas {
    let limits = Limits {
        requests_per_minute: Some(1_000_000_000),
        tokens_per_minute: Some(1_000_000_000_000),
        concurrent: Some(1_000),
        dollars_per_day: Some(1e9),
    };
    Quotas::builder().every_tenant(limits.clone()).every_key(limits).build()
}

fn cache(chat: CachePolicy) -> Cache {
    let policies = CachePolicies { chat, ..CachePolicies::default() };
    Cache::builder(Arc::new(MemoryCache::new(64 << 20))).policies(policies).build()
}

/// Prints what a call and an event of it cost.
fn report<F>(runtime: &Runtime, name: &str, mut ask: impl FnMut(u32) -> F)
where
    F: Future<Output = Result<ChatReply, ModelError>>,
{
    let mut measure = |calls, words| {
        let rounds = (0..=ROUNDS).map(|_| runtime.block_on(round(calls, words, &mut ask)));
        // The first one warms up.
        let rounds: Vec<(f64, f64)> = rounds.skip(1).collect();
        let least =
            |of: fn(&(f64, f64)) -> f64| rounds.iter().map(of).fold(f64::INFINITY, f64::min);
        (least(|round| round.0), least(|round| round.1))
    };
    let (call, call_allocations) = measure(CALLS, SHORT);
    let (long, long_allocations) = measure(LONG_CALLS, LONG);
    let events = f64::from(LONG - SHORT);
    let (event, event_allocations) =
        ((long - call) / events, (long_allocations - call_allocations) / events);
    println!(
        "| {name} | {call:.0} | {call_allocations:.1} | {event:.0} | {event_allocations:.2} |"
    );
}

/// Nanoseconds and allocations of a call, on average.
async fn round<F>(calls: u32, words: u32, ask: &mut impl FnMut(u32) -> F) -> (f64, f64)
where
    F: Future<Output = Result<ChatReply, ModelError>>,
{
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    let begun = Instant::now();
    for _ in 0..calls {
        let mut reply = ask(words).await.unwrap_or_else(|error| panic!("{error}"));
        while let Some(event) = reply.next().await {
            event.unwrap_or_else(|error| panic!("{error}"));
        }
    }
    let taken: Duration = begun.elapsed();
    let allocations = ALLOCATIONS.load(Ordering::Relaxed) - before;
    let calls = f64::from(calls);
    (taken.as_nanos() as f64 / calls, allocations as f64 / calls)
}

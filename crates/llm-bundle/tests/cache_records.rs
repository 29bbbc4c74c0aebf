//! What calls that are answered from the cache are recorded as.

mod models;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::join_all;
use futures::{StreamExt, TryStreamExt};
use llm_bundle::{
    Bundle, Cache, CachePolicies, CachePolicy, CacheStatus, CacheUse, CallRecord, Ending,
    MemoryCache, Registry, Trail,
};
use llm_core::{ChatRequest, EmbeddingRequest, Message, Prices, Usage};
use models::{AsyncLengths, Counting, Probe};
use proptest::prelude::*;

const SECOND: Duration = Duration::from_secs(1);

type Records = Arc<Mutex<Vec<CallRecord>>>;

/// Ten numbers, a second before each, at a dollar a token.
fn bundle() -> (Bundle, Probe, Records) {
    let probe = Probe::default();
    let mut chat = Counting { pause: SECOND, ..Counting::new(10, &probe) };
    chat.info.prices = Some(Prices { input: Some(1.0), output: Some(1.0), ..Prices::default() });
    let policies = CachePolicies { chat: CachePolicy::Exact, ..CachePolicies::default() };
    let cache = Cache::builder(Arc::new(MemoryCache::new(1 << 20))).policies(policies).build();
    let records = Records::default();
    let sink = records.clone();
    let sink = Arc::new(move |record| sink.lock().unwrap().push(record));
    let registry = Registry::builder()
        .chat(Arc::new(chat))
        .embedding(Arc::new(AsyncLengths::new(&probe)))
        .cache(cache)
        .records(sink);
    (Bundle::new(registry.build()).for_tenant("acme"), probe, records)
}

fn question(text: &str) -> ChatRequest {
    ChatRequest { model: "test/counting".into(), ..ChatRequest::new(vec![Message::user(text)]) }
}

/// The status, the ending, the tokens and the cost.
fn brief(record: &CallRecord) -> (&'static str, Ending, u64, Option<f64>, u32) {
    let status = record.cache.map_or("none", CacheStatus::as_str);
    let tokens = record.usage.total_tokens().unwrap_or(0);
    (status, record.ending(), tokens, record.cost, record.attempts)
}

#[tokio::test(start_paused = true)]
async fn what_is_there_already_costs_nothing() {
    let (bundle, probe, records) = bundle();
    let trail = Arc::new(Trail::new());
    let first = bundle.chat(question("?")).await.unwrap();
    let second = bundle.clone().with_trail(trail.clone()).chat(question("?")).await.unwrap();
    assert_eq!(first, second);
    assert_eq!(second.usage.total_tokens(), Some(11), "the answer says what it took to make it");
    let stream = bundle.chat_stream(question("?")).await.unwrap();
    assert_eq!(stream.count().await, 12);
    bundle.clone().with_cache(CacheUse::Bypass).chat(question("?")).await.unwrap();
    assert_eq!(probe.calls(), 2);
    assert_eq!(trail.cache().unwrap().as_str(), "hit");

    let records = records.lock().unwrap();
    let seen: Vec<_> = records.iter().map(brief).collect();
    assert_eq!(
        seen,
        [
            ("miss", Ending::Completed, 11, Some(11.0), 1),
            ("hit", Ending::Cached, 0, Some(0.0), 0),
            ("hit", Ending::Cached, 0, Some(0.0), 0),
            ("bypass", Ending::Completed, 11, Some(11.0), 1),
        ]
    );
    assert_eq!(records[1].usage, Usage::default());
    assert_eq!(records[1].target.to_string(), "test/counting");
}

#[tokio::test(start_paused = true)]
async fn equal_calls_at_once_are_paid_once() {
    let (bundle, probe, records) = bundle();
    let answers = join_all((0..100).map(|_| bundle.chat(question("?")))).await;
    assert!(answers.iter().all(Result::is_ok));
    let records = records.lock().unwrap();
    let paid: Vec<_> = records.iter().filter(|record| record.cost != Some(0.0)).collect();
    assert_eq!((records.len(), paid.len(), probe.calls()), (100, 1, 1));
    assert_eq!(brief(paid[0]), ("miss", Ending::Completed, 11, Some(11.0), 1));
}

#[tokio::test(start_paused = true)]
async fn who_stays_pays() {
    let (bundle, _, records) = bundle();
    let mut first = bundle.chat_stream(question("?")).await.unwrap();
    let second = bundle.chat_stream(question("?")).await.unwrap();
    first.try_next().await.unwrap();
    drop(first);
    assert_eq!(second.count().await, 12);
    let records = records.lock().unwrap();
    let seen: Vec<_> = records.iter().map(brief).collect();
    assert_eq!(seen[0].0, "shared");
    assert_eq!((seen[0].1, seen[0].2, seen[0].3), (Ending::Cancelled, 0, Some(0.0)));
    assert_eq!(seen[1], ("miss", Ending::Completed, 11, Some(11.0), 1));
    assert_eq!(records[1].target.to_string(), "test/counting");
}

#[tokio::test(start_paused = true)]
async fn batches_of_one_request_have_a_status_each_and_the_dearest_together() {
    let (bundle, _, records) = bundle();
    let texts: Vec<String> = (0..100).map(|n| format!("text {n}")).collect();
    let embed = |texts: &[String], trail: &Arc<Trail>| {
        let request =
            EmbeddingRequest { model: "test/lengths".into(), ..EmbeddingRequest::documents(texts) };
        let bundle = bundle.clone().with_trail(trail.clone());
        async move { bundle.embed(request).await.unwrap() }
    };
    let trails: Vec<_> = (0..3).map(|_| Arc::new(Trail::new())).collect();
    // A batch has 64 texts.
    embed(&texts[..64], &trails[0]).await;
    let whole = embed(&texts, &trails[1]).await;
    assert_eq!(embed(&texts, &trails[2]).await.vectors, whole.vectors);
    let statuses: Vec<_> = trails.iter().map(|trail| trail.cache().unwrap().as_str()).collect();
    assert_eq!(statuses, ["miss", "miss", "hit"]);
    let records = records.lock().unwrap();
    let mut seen: Vec<_> = records.iter().map(|record| brief(record).0).collect();
    seen[1..3].sort_unstable();
    assert_eq!(seen, ["miss", "hit", "miss", "hit", "hit"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Callers come and leave at any time: each leaves one record, and each call to the model is in exactly one of them.
    #[test]
    fn every_call_to_the_model_is_in_one_record(
        callers in prop::collection::vec((0_u64..30, 0_u64..14, 0_u8..2), 1..12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let (bundle, probe, records) = bundle();
        let calls = callers.iter().map(|(begins, stays, what)| {
            let bundle = bundle.clone();
            async move {
                tokio::time::sleep(Duration::from_millis(begins * 500)).await;
                let read = async {
                    let request = question(&format!("question {what}"));
                    bundle.chat_stream(request).await?.try_collect::<Vec<_>>().await
                };
                // Left half-way between two events.
                let patience = Duration::from_millis(stays * 1_000 + 250);
                tokio::time::timeout(patience, read).await.map(Result::unwrap).map_or(0, |events| events.len())
            }
        });
        let seen = runtime.block_on(join_all(calls));
        prop_assert!(seen.iter().all(|events| matches!(events, 0 | 12)));
        prop_assert_eq!(probe.live(), 0);
        let records = records.lock().unwrap();
        prop_assert_eq!(records.len(), callers.len());
        let paid = records.iter().filter(|record| record.cache == Some(CacheStatus::Miss));
        prop_assert_eq!(paid.count(), probe.calls());
        let free = records.iter().filter(|record| record.cache != Some(CacheStatus::Miss));
        for record in free {
            prop_assert_eq!((&record.usage, record.cost), (&Usage::default(), Some(0.0)));
        }
    }
}

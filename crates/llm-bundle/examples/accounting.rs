//! A hundred thousand calls that fail, hang and are left at random, over a writer that fails at random: what the
//! records say, beside what the upstream counted by itself, and what a record costs.
//!
//! `cargo run --release -p llm-bundle --example accounting`

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_stream::try_stream;
use futures::future::BoxFuture;
use futures::{StreamExt, TryStreamExt, stream};
use llm_bundle::{
    BreakerOptions, CallRecord, GuardOptions, Guarded, InFlightOptions, RecordQueue,
    RecordQueueOptions, RecordSink, RecordWriter, RetryOptions,
};
use llm_core::{
    BoxError, ChatEvent, ChatModel, ChatReply, ChatRequest, ErrorKind, FinishReason, ModelError,
    ModelInfo, ModelKind, ModelName, Operation, Usage,
};

const CALLS: u64 = 100_000;
const AT_ONCE: usize = 1_000;

/// Numbers that look random and are the same in every run.
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Counts by itself what it charges for. A tenth of the attempts are refused, a tenth break off, a tenth hang.
struct Upstream {
    info: ModelInfo,
    ledger: Arc<Charged>,
}

#[derive(Default)]
struct Charged {
    attempts: AtomicU64,
    tokens: AtomicU64,
}

impl ChatModel for Upstream {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn chat(&self, _: ChatRequest) -> BoxFuture<'static, Result<ChatReply, ModelError>> {
        let fate = mixed(self.ledger.attempts.fetch_add(1, Ordering::Relaxed));
        let ledger = self.ledger.clone();
        let failure = move || ModelError::new(ErrorKind::Connection, Operation::Chat, "as planned");
        Box::pin(async move {
            tokio::task::yield_now().await;
            if fate.is_multiple_of(10) {
                return Err(failure());
            }
            Ok(ChatReply::new(try_stream!({
                for told in 1..=fate % 16 {
                    ledger.tokens.fetch_add(1, Ordering::Relaxed);
                    yield ChatEvent::Usage(Usage {
                        input_tokens: Some(0),
                        output_tokens: Some(told),
                        ..Usage::default()
                    });
                    tokio::task::yield_now().await;
                }
                match fate / 10 % 10 {
                    0 => Err(failure())?,
                    1 => std::future::pending().await,
                    _ => yield ChatEvent::finished(FinishReason::Stop),
                }
            })))
        })
    }
}

/// Counts what it is given. A fifth of the batches fail first.
#[derive(Clone, Default)]
struct Books(Arc<Mutex<Sums>>);

#[derive(Default)]
struct Sums {
    batches: u64,
    endings: BTreeMap<&'static str, u64>,
    attempts: u64,
    tokens: u64,
}

impl RecordWriter for Books {
    fn write(&self, batch: Arc<[CallRecord]>) -> BoxFuture<'static, Result<(), BoxError>> {
        let books = self.0.clone();
        Box::pin(async move {
            let mut sums = books.lock().map_err(|_| "the books are gone")?;
            sums.batches += 1;
            if mixed(sums.batches).is_multiple_of(5) {
                return Err("the disk is slow today".into());
            }
            for record in &*batch {
                *sums.endings.entry(record.ending().as_str()).or_default() += 1;
                sums.attempts += u64::from(record.attempts);
                sums.tokens += record.usage.output_tokens.unwrap_or(0);
            }
            Ok(())
        })
    }
}

fn guarded(model: impl ChatModel + 'static, records: Arc<dyn RecordSink>) -> Arc<dyn ChatModel> {
    let retry = RetryOptions { first_pause: Duration::from_millis(1), ..RetryOptions::default() };
    let in_flight = InFlightOptions { limit: AT_ONCE, ..InFlightOptions::default() };
    // Failures are meant to go on, so nobody is left alone because of them.
    let breaker = BreakerOptions::ignoring_failures();
    let options = GuardOptions { in_flight, retry, breaker, ..GuardOptions::default() };
    let model: Arc<dyn ChatModel> = Arc::new(model);
    Arc::new(Guarded::new(model, &options, records))
}

/// Reads an answer, and leaves at some moment if it is that kind of caller.
async fn call(model: Arc<dyn ChatModel>, number: u64) {
    let asked = model.chat(ChatRequest::default().streamed());
    let reading = async { asked.await?.try_for_each(async |_| Ok(())).await };
    match mixed(number ^ 0x5eed) % 4 {
        // Before anything happened.
        0 if number.is_multiple_of(5) => drop(reading),
        _ => {
            let patience = Duration::from_micros(mixed(number) % 200_000);
            // Failures are part of the plan.
            let _ = tokio::time::timeout(patience, reading).await;
        }
    }
}

/// Says nothing, at once: what is left is the cost of the guards.
struct Mute(ModelInfo);

impl ChatModel for Mute {
    fn info(&self) -> &ModelInfo {
        &self.0
    }

    fn chat(&self, _: ChatRequest) -> BoxFuture<'static, Result<ChatReply, ModelError>> {
        Box::pin(async { Ok(ChatReply::one(ChatEvent::finished(FinishReason::Stop))) })
    }
}

fn info(name: &str) -> ModelInfo {
    ModelInfo::new(ModelName::new("example", name), ModelKind::Chat)
}

/// Microseconds for a call whose record goes there; the best of five rounds.
async fn cost(records: Arc<dyn RecordSink>) -> f64 {
    const ROUND: u32 = 20_000;
    let model = guarded(Mute(info("mute")), records);
    let mut best = f64::MAX;
    for _ in 0..5 {
        let began = Instant::now();
        for _ in 0..ROUND {
            if let Ok(mut reply) = model.chat(ChatRequest::default()).await {
                while reply.next().await.is_some() {}
            }
        }
        best = best.min(began.elapsed().as_secs_f64() * 1e6 / f64::from(ROUND));
    }
    best
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), BoxError> {
    let (ledger, books) = (Arc::<Charged>::default(), Books::default());
    let queue = RecordQueue::start(books.clone(), RecordQueueOptions::default());
    let upstream = Upstream { info: info("upstream"), ledger: ledger.clone() };
    let model = guarded(upstream, Arc::new(queue.clone()));

    let began = Instant::now();
    let calls = stream::iter(0..CALLS).map(|number| tokio::spawn(call(model.clone(), number)));
    calls.buffer_unordered(AT_ONCE).for_each(async |_| ()).await;
    queue.close(Duration::from_secs(60)).await?;
    let took = began.elapsed();

    {
        let status = queue.status();
        let sums = books.0.lock().map_err(|_| "the books are gone")?;
        let records: u64 = sums.endings.values().sum();
        let (attempts, tokens) = (&ledger.attempts, &ledger.tokens);
        println!("calls               {CALLS} in {:.1} s, {AT_ONCE} at once", took.as_secs_f64());
        println!("records             {records} {:?}", sums.endings);
        println!("not recorded        {}", status.refused);
        println!(
            "attempts            {} of the upstream's {}",
            sums.attempts,
            attempts.load(Ordering::Relaxed)
        );
        println!(
            "tokens              {} of the upstream's {}",
            sums.tokens,
            tokens.load(Ordering::Relaxed)
        );
        println!("batches             {}, {} of them failed first", sums.batches, status.failures);
    }

    let queue = RecordQueue::start(Books::default(), RecordQueueOptions::default());
    let bare = cost(Arc::new(())).await;
    let queued = cost(Arc::new(queue.clone())).await;
    queue.close(Duration::from_secs(60)).await?;
    println!("a guarded call      {bare:.2} µs; with its record queued {queued:.2} µs");
    Ok(())
}

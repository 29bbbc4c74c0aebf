//! A model that is down, under load: how much is asked of it all the same, and how soon it is found when it is back.

mod models;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use llm_bundle::{BreakerOptions, Bundle, GuardOptions, Registry};
use llm_core::{
    ChatEvent, ChatModel, ChatReply, ChatRequest, ErrorKind, FinishReason, ModelError, ModelInfo,
    ModelKind, Operation,
};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep_until};

/// How long the model is down, and how long it is watched after that.
const OUTAGE: Duration = Duration::from_secs(200);
const AFTER: Duration = Duration::from_secs(60);

/// How a model is down.
#[derive(Clone, Copy, Debug)]
enum Down {
    /// It refuses, at once.
    Refuses,
    /// It says nothing.
    Hangs,
}

/// A model that is down at first.
struct Weak {
    info: ModelInfo,
    down: Down,
    back_at: Instant,
    calls: Arc<AtomicU64>,
}

impl ChatModel for Weak {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn chat(&self, _: ChatRequest) -> BoxFuture<'static, Result<ChatReply, ModelError>> {
        let is_down = Instant::now() < self.back_at;
        if is_down {
            self.calls.fetch_add(1, Ordering::Relaxed);
        }
        let down = self.down;
        Box::pin(async move {
            match (is_down, down) {
                (true, Down::Refuses) => {
                    Err(ModelError::new(ErrorKind::Upstream, Operation::Chat, "down"))
                }
                (true, Down::Hangs) => std::future::pending().await,
                (false, _) => {
                    let events = [ChatEvent::text("up"), ChatEvent::finished(FinishReason::Stop)];
                    Ok(ChatReply::new(futures::stream::iter(events.map(Ok))))
                }
            }
        })
    }
}

/// What came of a storm.
#[derive(Debug)]
struct Storm {
    /// Calls made while the model was down.
    calls: u64,
    /// How many of them, and of their retries, reached it.
    reached: u64,
    /// How long after it was back the first call succeeded.
    found_after: Duration,
}

/// A call each `pause`, whatever becomes of the ones before.
async fn storm(pause: Duration, down: Down, guards: GuardOptions) -> Storm {
    let (begun, calls) = (Instant::now(), Arc::new(AtomicU64::new(0)));
    let back_at = begun + OUTAGE;
    let info = models::info("test/weak", ModelKind::Chat);
    let model = Weak { info, down, back_at, calls: calls.clone() };
    let first_success = Arc::new(Mutex::new(None));
    let registry = Registry::builder().chat(Arc::new(model)).guards(guards).build();
    let bundle = Bundle::new(registry);

    let (mut made, mut tasks, mut clock) = (0, JoinSet::new(), interval(pause));
    while begun.elapsed() < OUTAGE + AFTER {
        clock.tick().await;
        made += u64::from(Instant::now() < back_at);
        let (bundle, first_success) = (bundle.clone(), first_success.clone());
        tasks.spawn(async move {
            let request = ChatRequest { model: "test/weak".into(), ..ChatRequest::default() };
            if bundle.chat_stream(request).await.is_ok() {
                first_success.lock().unwrap().get_or_insert(Instant::now());
            }
        });
        while tasks.try_join_next().is_some() {}
    }
    sleep_until(begun + OUTAGE + 2 * AFTER).await;
    let first_success = first_success.lock().unwrap().expect("it is found again");
    Storm {
        calls: made,
        reached: calls.load(Ordering::Relaxed),
        found_after: first_success - back_at,
    }
}

fn guards() -> GuardOptions {
    GuardOptions { first_event: Duration::from_secs(2), ..GuardOptions::default() }
}

/// Guards without a breaker, so that the retry budget alone bounds the load.
fn without_breaker() -> GuardOptions {
    let breaker = BreakerOptions {
        failures_in_a_row: u32::MAX,
        failing_percent_of: u32::MAX,
        ..BreakerOptions::default()
    };
    GuardOptions { breaker, ..guards() }
}

/// The pause between two calls, in milliseconds.
const PAUSES: [u64; 4] = [50, 500, 5_000, 20_000];

#[tokio::test(start_paused = true)]
async fn retries_of_a_model_that_is_down_add_a_fifth_and_the_stock_of_the_budget() {
    // Ten at once, and one in ten seconds.
    let stock = 10.0 + OUTAGE.as_secs_f64() / 10.0;
    for pause in PAUSES.map(Duration::from_millis) {
        for down in [Down::Refuses, Down::Hangs] {
            let storm = storm(pause, down, without_breaker()).await;
            let most = 1.2 * storm.calls as f64 + stock;
            assert!(storm.reached as f64 <= most, "{pause:?} {down:?} {storm:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_model_that_is_down_is_left_alone_and_found_within_one_probe_interval() {
    let BreakerOptions { probe_interval, failures_in_a_row, .. } = guards().breaker;
    let probes = OUTAGE.as_secs() / probe_interval.as_secs();
    for pause in PAUSES.map(Duration::from_millis) {
        for down in [Down::Refuses, Down::Hangs] {
            let storm = storm(pause, down, guards()).await;
            let Storm { calls, reached, found_after } = storm;
            // A model that hangs is asked by all who call until the first five have lost their patience.
            let unaware = match down {
                Down::Refuses => 0,
                Down::Hangs => guards().first_event.div_duration_f64(pause).ceil() as u64,
            };
            let most = u64::from(failures_in_a_row) + unaware + probes;
            let stock = 10;
            assert!(reached <= most.min(calls * 6 / 5 + stock), "{pause:?} {down:?} {storm:?}");
            assert!(found_after <= probe_interval + pause, "{pause:?} {down:?} {storm:?}");
        }
    }
}

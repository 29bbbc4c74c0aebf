//! A provider that is down, over HTTP: how much is asked of it all the same, and how soon it is found when it is back.
//! `cargo run --release -p integration --example storm`
//!
//! The provider runs on a runtime of its own. The test `storms` of `llm-bundle` checks the same over virtual minutes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use llm_bundle::{BreakerOptions, Bundle, GuardOptions, Registry};
use llm_core::{ChatRequest, Message};
use llm_providers::OpenAi;
use testkit::{Behaviour, FakeUpstream};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

const OUTAGE: Duration = Duration::from_secs(20);

/// How long it is watched after that, which is longer than a probe interval.
const AFTER: Duration = Duration::from_secs(8);

const RATES: [u32; 2] = [10, 200];

fn main() -> Result<()> {
    let (home, far) = (runtime()?, runtime()?);
    println!(
        "| down for 20 s | guards | calls a second | calls made | reached it | first answer after it was back |"
    );
    println!("|---|---|---|---|---|---|");
    for (down, behaviour) in [
        ("503 at once", Behaviour::status(503)),
        ("429 with retry-after 1 s", Behaviour::status(429).header("retry-after", "1")),
        ("never answers", Behaviour::default().after(Duration::from_secs(3_600))),
    ] {
        for (name, guards) in [("all", guards()), ("no breaker", without_breaker())] {
            for rate in RATES {
                let upstream = far.block_on(FakeUpstream::start())?;
                upstream.always(behaviour.clone());
                let storm = home.block_on(storm(&upstream, guards.clone(), rate))?;
                let Storm { calls, reached, found_after } = storm;
                let share = 100.0 * reached as f64 / calls as f64;
                println!(
                    "| {down} | {name} | {rate} | {calls} | {reached} ({share:.1} %) | {found_after:.2?} |"
                );
            }
        }
    }
    Ok(())
}

fn runtime() -> Result<Runtime> {
    Ok(Builder::new_multi_thread().worker_threads(1).enable_all().build()?)
}

/// The defaults, with less patience for an answer to begin.
fn guards() -> GuardOptions {
    GuardOptions { first_event: Duration::from_secs(1), ..GuardOptions::default() }
}

fn without_breaker() -> GuardOptions {
    let breaker = BreakerOptions {
        failures_in_a_row: u32::MAX,
        failing_percent_of: u32::MAX,
        ..BreakerOptions::default()
    };
    GuardOptions { breaker, ..guards() }
}

struct Storm {
    /// Calls made while the provider was down.
    calls: u64,
    /// How many of them, and of their retries, reached it.
    reached: usize,
    found_after: Duration,
}

async fn storm(upstream: &FakeUpstream, guards: GuardOptions, rate: u32) -> Result<Storm> {
    let far = OpenAi::builder("far", upstream.base_url()).build()?;
    let registry = Registry::builder().chat(far.chat("m")).guards(guards).build();
    let bundle = Bundle::new(registry);
    let first_answer = Arc::new(Mutex::new(None));
    let (mut tasks, mut clock) = (JoinSet::new(), interval(Duration::from_secs(1) / rate));
    clock.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (begun, mut calls, mut back) = (Instant::now(), 0, None);
    while begun.elapsed() < OUTAGE + AFTER {
        clock.tick().await;
        if begun.elapsed() < OUTAGE {
            calls += 1;
        } else if back.is_none() {
            let reached = upstream.calls();
            upstream.always(Behaviour::default());
            back = Some((Instant::now(), reached));
        }
        let (bundle, first_answer) = (bundle.clone(), first_answer.clone());
        tasks.spawn(async move {
            let mut request = ChatRequest::new(vec![Message::user("are you there?")]);
            request.model = "far/m".into();
            if bundle.chat_stream(request).await.is_ok() {
                let mut first = first_answer.lock().unwrap_or_else(PoisonError::into_inner);
                first.get_or_insert_with(Instant::now);
            }
        });
        while tasks.try_join_next().is_some() {}
    }
    let (back, reached) = back.context("it came back")?;
    let first = *first_answer.lock().unwrap_or_else(PoisonError::into_inner);
    let found_after = first.context("it was not found again")?.saturating_duration_since(back);
    Ok(Storm { calls, reached, found_after })
}

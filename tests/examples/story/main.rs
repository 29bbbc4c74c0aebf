//! Measures what the test `story` checks: `cargo run --release -p integration --example story`.
//!
//! The providers are another process (this program again), so that the runtime that is watched does nothing but call
//! them. `-- 5` retrieves for 5 seconds instead of 60.

#![allow(unreachable_pub)] // The modules are the test's, too.

#[path = "../../story/callers.rs"]
mod callers;
mod canary;
#[path = "../../story/library.rs"]
mod library;
#[path = "../../story/models.rs"]
mod models;

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use llm_bundle::{Bundle, SyncPool};
use llm_core::EmbeddingRequest;
use llm_local::StaticEmbedding;
use testkit::{Behaviour, FakeUpstream};
use tokio::runtime::{Builder, Runtime};

use crate::canary::{Canary, Latencies};
use crate::library::Library;
use crate::models::{CALLS, ask, bundle};

const LATENCY: Duration = Duration::from_secs(1);

/// Callers of the retrieval: half of them tasks, half threads.
const CALLERS: usize = 64;

/// How long nothing may be retrieved until it counts as a deadlock.
const STUCK: Duration = Duration::from_secs(5);

fn main() -> Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("upstream") => serve(),
        Some(seconds) => measure(Duration::from_secs(seconds.parse()?)),
        None => measure(Duration::from_secs(60)),
    }
}

/// The providers: serves until its standard input ends.
fn serve() -> Result<()> {
    one_worker()?.block_on(async {
        let upstream = FakeUpstream::start().await?;
        upstream.for_model("slow", Behaviour::default().after(LATENCY));
        println!("{}", upstream.base_url());
        tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
        Ok(())
    })
}

fn one_worker() -> Result<Runtime> {
    Ok(Builder::new_multi_thread().worker_threads(1).enable_all().build()?)
}

fn two_workers() -> Result<Runtime> {
    Ok(Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

fn measure(retrieving: Duration) -> Result<()> {
    let mut process = Command::new(std::env::current_exe()?)
        .arg("upstream")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let result = watch(&mut process).and_then(|()| retrieve(retrieving));
    drop(process.stdin.take());
    process.wait()?;
    result
}

/// One kind of load after the other, each with the canary on the same runtime of two workers.
fn watch(process: &mut Child) -> Result<()> {
    let mut base_url = String::new();
    let output = process.stdout.take().context("its output is piped")?;
    BufReader::new(output).read_line(&mut base_url)?;
    let pool = SyncPool::builder().name("models").threads(2).models().build()?;
    let local = Some((Arc::new(StaticEmbedding::new()) as _, pool));
    let bundle = bundle(base_url.trim(), local, |_| {})?;
    let home = two_workers()?;
    println!("| on the runtime | done after | canary requests | median | p99 | longest |");
    println!("|---|---|---|---|---|---|");
    home.block_on(async {
        ask(&bundle, "other/fast").await?;
        beside("nothing else", &bundle, async {
            tokio::time::sleep(LATENCY).await;
            Ok(())
        })
        .await?;
        let calls = many(&bundle, |bundle| async move { ask(&bundle, "far/slow").await });
        beside("1,000 calls to a provider that takes 1 s", &bundle, calls).await?;
        let texts = Arc::new(texts());
        let embeddings = many(&bundle, move |bundle| {
            let texts = texts.clone();
            async move {
                for _ in 0..10 {
                    embed(&bundle, &texts).await?;
                }
                Ok(())
            }
        });
        let name = "1,000 callers, each with 10 local embeddings of 100 passages, on 2 threads";
        beside(name, &bundle, embeddings).await
    })
}

/// Does `load`, with the canary beside it, and tells of both.
async fn beside(name: &str, bundle: &Bundle, load: impl Future<Output = Result<()>>) -> Result<()> {
    let canary = Canary::start(bundle.clone(), "other/fast");
    let began = Instant::now();
    load.await?;
    let taken = began.elapsed();
    let Latencies { count, median, p99, longest } = canary.stop().await?;
    println!("| {name} | {taken:.2?} | {count} | {median:.2?} | {p99:.2?} | {longest:.2?} |");
    Ok(())
}

/// The same from [`CALLS`] tasks at once.
async fn many<F>(bundle: &Bundle, call: impl Fn(Bundle) -> F) -> Result<()>
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let tasks = (0..CALLS).map(|_| tokio::spawn(call(bundle.clone())));
    let tasks: Vec<_> = tasks.collect();
    try_join_all(tasks).await?.into_iter().collect()
}

fn texts() -> Vec<String> {
    let sentence = "The bridge holds because nobody who waits stands in the way of somebody else. ";
    (0..100).map(|number| format!("{number}. {}", sentence.repeat(10))).collect()
}

async fn embed(bundle: &Bundle, texts: &[String]) -> Result<()> {
    let mut request = EmbeddingRequest::documents(texts.iter().cloned());
    request.model = "local/static".into();
    ensure!(bundle.embed(request).await?.vectors.len() == texts.len());
    Ok(())
}

/// Retrieval through every bridge, with every pool at size one.
fn retrieve(time: Duration) -> Result<()> {
    let home = one_worker()?;
    let library = Library::new(home.handle())?;
    let done = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let watch = std::thread::spawn({
        let done = done.clone();
        move || longest_silence(&done, began, time)
    });
    callers::run(&library, home.handle(), CALLERS / 2, &done, move |_| began.elapsed() < time)?;
    let silence = watch.join().map_err(|_| anyhow::anyhow!("nothing moved for {STUCK:?}"))?;
    println!(
        "\n{CALLERS} callers, every pool at size 1: {} retrievals and {} embeddings in {:.1?}; \
         never longer than {silence:.1?} without one",
        done.load(Ordering::Relaxed),
        library.models.status().finished,
        began.elapsed(),
    );
    Ok(())
}

/// The longest time in which the count stood still; ends the process when it stands still for good.
fn longest_silence(done: &AtomicU64, began: Instant, time: Duration) -> Duration {
    let (mut last, mut since, mut longest) = (0, Instant::now(), Duration::ZERO);
    while began.elapsed() < time {
        std::thread::sleep(Duration::from_millis(1));
        let now = done.load(Ordering::Relaxed);
        if now != last {
            (last, since) = (now, Instant::now());
        }
        longest = longest.max(since.elapsed());
        if longest > STUCK {
            eprintln!("deadlock: nothing was retrieved for {STUCK:?}, after {last} times");
            std::process::exit(1);
        }
    }
    longest
}

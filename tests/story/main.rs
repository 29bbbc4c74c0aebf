//! What the bridges between synchronous and async code are there for: nobody who waits holds up anybody else, and
//! nobody waits for himself. `examples/story` measures the same.

#![allow(unreachable_pub)] // The modules are the example's, too.

mod callers;
mod library;
mod models;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use anyhow::Result;
use futures::future::try_join_all;
use llm_bundle::SyncPool;
use llm_core::{
    EmbeddingRequest, EmbeddingResponse, ModelError, ModelInfo, ModelKind, ModelName,
    SyncEmbeddingModel,
};
use testkit::{Behaviour, FakeUpstream};
use tokio::runtime::{Builder, Runtime};

use crate::callers::run;
use crate::library::Library;
use crate::models::{CALLS, ask, bundle};

/// As many as the seed's machine has.
fn two_workers() -> Result<Runtime> {
    Ok(Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

#[test]
fn a_thousand_calls_wait_at_once_and_others_are_answered() -> Result<()> {
    let (home, far) = (two_workers()?, two_workers()?);
    let upstream = far.block_on(FakeUpstream::start())?;
    upstream.for_model("slow", Behaviour::default().held());
    let ended = Arc::new(AtomicUsize::new(0));
    let count = ended.clone();
    let bundle = bundle(&upstream.base_url(), None, move |_| {
        count.fetch_add(1, Ordering::SeqCst);
    })?;
    home.block_on(async {
        let slow = (0..CALLS).map(|_| {
            let bundle = bundle.clone();
            tokio::spawn(async move { ask(&bundle, "far/slow").await })
        });
        let slow: Vec<_> = slow.collect();
        upstream.requested(CALLS).await;
        for _ in 0..20 {
            ask(&bundle, "other/fast").await?;
        }
        assert_eq!(ended.load(Ordering::SeqCst), 20, "all the others still wait");
        upstream.release();
        try_join_all(slow).await?.into_iter().collect::<Result<()>>()
    })?;
    assert_eq!(ended.load(Ordering::SeqCst), CALLS + 20);
    Ok(())
}

#[test]
fn a_saturated_local_model_holds_nobody_else_up() -> Result<()> {
    let (home, far) = (two_workers()?, two_workers()?);
    let upstream = far.block_on(FakeUpstream::start())?;
    let pool = SyncPool::builder().name("models").threads(2).models().build()?;
    let stuck = Arc::new(Stuck::new());
    let bundle = bundle(&upstream.base_url(), Some((stuck.clone(), pool.clone())), |_| {})?;
    home.block_on(async {
        let embeddings = (0..CALLS).map(|number| {
            let bundle = bundle.clone();
            tokio::spawn(async move { bundle.embed_query("local/stuck", number.to_string()).await })
        });
        let embeddings: Vec<_> = embeddings.collect();
        let waiting = stuck.clone();
        tokio::task::spawn_blocking(move || waiting.until_it_runs()).await?;
        for _ in 0..20 {
            ask(&bundle, "other/fast").await?;
        }
        assert_eq!(pool.status().finished, 0, "the model is still at its first jobs");
        stuck.open();
        for (number, vector) in try_join_all(embeddings).await?.into_iter().enumerate() {
            assert_eq!(vector?, [number as f32]);
        }
        anyhow::Ok(())
    })
}

#[test]
fn retrieval_calls_a_sync_model_through_an_async_one_with_every_pool_at_size_one() -> Result<()> {
    let home = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let library = Library::new(home.handle())?;
    let done = Arc::new(AtomicU64::new(0));
    run(&library, home.handle(), 32, &done, |round| round < 20)?;
    assert_eq!(done.load(Ordering::SeqCst), 64 * 20);
    assert_eq!(library.models.status().panicked, 0);
    Ok(())
}

/// A synchronous model that is stuck until somebody opens it; then it reads numbers.
struct Stuck {
    info: ModelInfo,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    runs: bool,
    is_open: bool,
}

impl Stuck {
    fn new() -> Self {
        let info = ModelInfo::new(ModelName::new("local", "stuck"), ModelKind::Embedding);
        Self { info, state: Mutex::default(), changed: Condvar::new() }
    }

    fn until_it_runs(&self) {
        let state = self.state.lock().unwrap();
        drop(self.changed.wait_while(state, |state| !state.runs).unwrap());
    }

    fn open(&self) {
        self.state.lock().unwrap().is_open = true;
        self.changed.notify_all();
    }
}

impl SyncEmbeddingModel for Stuck {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn embed(&self, request: &EmbeddingRequest) -> Result<EmbeddingResponse, ModelError> {
        let mut state = self.state.lock().unwrap();
        state.runs = true;
        self.changed.notify_all();
        drop(self.changed.wait_while(state, |state| !state.is_open).unwrap());
        let vectors = request.inputs.iter().map(|text| vec![text.parse().unwrap_or(f32::NAN)]);
        Ok(EmbeddingResponse { vectors: vectors.collect(), ..EmbeddingResponse::default() })
    }
}

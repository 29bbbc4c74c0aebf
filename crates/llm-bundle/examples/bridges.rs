//! What each bridge between synchronous and async code costs per call, beside a runtime per call.
//!
//! `cargo run --release -p llm-bundle --example bridges`
//!
//! The model does nothing, so a figure is the bridge alone; the bare model's own line shows what is left of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use llm_bundle::{Adapted, Blocking, Bundle, GuardOptions, Guarded, Registry, SyncPool};
use llm_core::{
    EmbeddingModel, EmbeddingRequest, EmbeddingResponse, ModelError, ModelInfo, ModelKind,
    ModelName, SyncEmbeddingModel,
};
use tokio::runtime::{Builder, Runtime};

/// Answers at once.
struct Nothing(ModelInfo);

impl Nothing {
    fn new() -> Self {
        Self(ModelInfo::new(ModelName::new("example", "nothing"), ModelKind::Embedding))
    }
}

fn answer() -> EmbeddingResponse {
    EmbeddingResponse { vectors: vec![vec![1.0]], ..EmbeddingResponse::default() }
}

impl EmbeddingModel for Nothing {
    fn info(&self) -> &ModelInfo {
        &self.0
    }

    fn embed(
        &self,
        _: EmbeddingRequest,
    ) -> BoxFuture<'static, Result<EmbeddingResponse, ModelError>> {
        Box::pin(async { Ok(answer()) })
    }
}

impl SyncEmbeddingModel for Nothing {
    fn info(&self) -> &ModelInfo {
        &self.0
    }

    fn embed(&self, _: &EmbeddingRequest) -> Result<EmbeddingResponse, ModelError> {
        Ok(answer())
    }
}

fn request() -> EmbeddingRequest {
    EmbeddingRequest::query("what does a bridge cost?")
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let home = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let models = SyncPool::builder().name("models").threads(2).models().build()?;
    let callers = SyncPool::builder().name("callers").threads(2).build()?;

    let bare: Arc<dyn EmbeddingModel> = Arc::new(Nothing::new());
    let adapted: Arc<dyn EmbeddingModel> =
        Arc::new(Adapted::new(Arc::new(Nothing::new()), models.clone()));
    let guarded: Arc<dyn EmbeddingModel> =
        Arc::new(Guarded::new(bare.clone(), &GuardOptions::default(), Arc::new(())));
    let registry = Registry::builder().embedding(bare.clone()).build();
    let bundle = Bundle::new(registry);
    let blocking = Arc::new(Blocking::new(bare.clone(), home.handle().clone()));
    let both = Arc::new(Blocking::new(adapted.clone(), home.handle().clone()));

    println!("| bridge | µs per call (median of 5 rounds) |");
    println!("|---|---|");
    on_runtime(&home, "async model, awaited (no bridge)", &bare);
    on_runtime(&home, "async model behind all guards, awaited", &guarded);
    row("the same through `Bundle::embed`", 20_000, |calls| {
        let bundle = bundle.clone();
        home.block_on(async move {
            for _ in 0..calls {
                let request = EmbeddingRequest { model: "example/nothing".into(), ..request() };
                bundle.embed(request).await.map(drop).unwrap_or_else(|error| panic!("{error}"));
            }
        });
    });
    on_runtime(&home, "`Adapted`: sync model on a pool, awaited", &adapted);
    row("`Blocking` from a plain thread", 20_000, |calls| repeat(&*blocking, calls));
    let on_pool = blocking.clone();
    row("`Blocking` from a thread of a pool for callers", 20_000, |calls| {
        let model = on_pool.clone();
        let done = callers.run_blocking(move || repeat(&*model, calls));
        done.unwrap_or_else(|error| panic!("{error}"));
    });
    let on_worker = blocking.clone();
    row("`Blocking` from a worker of the home runtime (`block_in_place`)", 20_000, |calls| {
        let model = on_worker.clone();
        let task = home.spawn(async move { repeat(&*model, calls) });
        home.block_on(task).unwrap_or_else(|error| panic!("{error}"));
    });
    row("`Blocking` over `Adapted`: sync → async → sync", 20_000, |calls| {
        repeat(&*both, calls)
    });
    row("a single-thread runtime per call", 5_000, |calls| {
        for _ in 0..calls {
            call_with(&bare, Builder::new_current_thread().enable_all().build());
        }
    });
    row("a multi-thread runtime per call (2 workers)", 1_000, |calls| {
        for _ in 0..calls {
            let mut runtime = Builder::new_multi_thread();
            call_with(&bare, runtime.worker_threads(2).enable_all().build());
        }
    });
    Ok(())
}

/// Calls from one task, one after the other.
fn on_runtime(home: &Runtime, name: &str, model: &Arc<dyn EmbeddingModel>) {
    row(name, 50_000, |calls| {
        let model = model.clone();
        let task = home.spawn(async move {
            for _ in 0..calls {
                model.embed(request()).await.map(drop).unwrap_or_else(|error| panic!("{error}"));
            }
        });
        home.block_on(task).unwrap_or_else(|error| panic!("{error}"));
    });
}

fn repeat(model: &dyn SyncEmbeddingModel, calls: u32) {
    for _ in 0..calls {
        model.embed(&request()).map(drop).unwrap_or_else(|error| panic!("{error}"));
    }
}

fn call_with(model: &Arc<dyn EmbeddingModel>, runtime: std::io::Result<Runtime>) {
    let runtime = runtime.unwrap_or_else(|error| panic!("{error}"));
    let answer = runtime.block_on(model.embed(request()));
    answer.map(drop).unwrap_or_else(|error| panic!("{error}"));
}

/// Measures five rounds after one to warm up.
fn row(name: &str, calls: u32, round: impl Fn(u32)) {
    round(calls / 10);
    let mut rounds: Vec<Duration> = (0..5)
        .map(|_| {
            let start = Instant::now();
            round(calls);
            start.elapsed() / calls
        })
        .collect();
    rounds.sort_unstable();
    println!("| {name} | {:.2} |", rounds[2].as_secs_f64() * 1e6);
}

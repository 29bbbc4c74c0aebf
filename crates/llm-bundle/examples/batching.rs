//! What joining concurrent embedding calls into runs gains, by what a run costs and how many callers there are.
//!
//! `cargo run --release -p llm-bundle --example batching`
//!
//! Callers on one runtime embed one text after the other, for a second. The model is a synchronous one on a pool of two
//! threads; a run takes a fixed time and some for each text. It sleeps, as a thread does that waits for an accelerator or
//! another process, so that two shared cores do not decide the figures.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;
use llm_bundle::{Adapted, BatchOptions, Batched, SyncPool};
use llm_core::{
    EmbeddingModel, EmbeddingRequest, EmbeddingResponse, ModelError, ModelInfo, ModelKind,
    ModelName, SyncEmbeddingModel,
};

const ROUND: Duration = Duration::from_secs(1);

/// A model whose runs cost this much.
struct Costly {
    info: ModelInfo,
    run: Duration,
    text: Duration,
}

impl SyncEmbeddingModel for Costly {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn embed(&self, request: &EmbeddingRequest) -> Result<EmbeddingResponse, ModelError> {
        let texts = u32::try_from(request.inputs.len()).unwrap_or(u32::MAX);
        let cost = self.run + self.text * texts;
        if !cost.is_zero() {
            std::thread::sleep(cost);
        }
        let vectors = request.inputs.iter().map(|text| vec![text.len() as f32]).collect();
        Ok(EmbeddingResponse { vectors, ..EmbeddingResponse::default() })
    }
}

/// What a round showed.
struct Round {
    calls: usize,
    median: Duration,
    p99: Duration,
}

async fn round(model: &Arc<dyn EmbeddingModel>, callers: usize) -> Round {
    let began = Instant::now();
    let caller = |number: usize| {
        let model = model.clone();
        tokio::spawn(async move {
            let mut taken = Vec::new();
            while began.elapsed() < ROUND {
                let start = Instant::now();
                let text = format!("caller {number}, call {}", taken.len());
                if let Err(error) = model.embed(EmbeddingRequest::documents([text])).await {
                    panic!("{error}");
                }
                taken.push(start.elapsed());
            }
            taken
        })
    };
    let taken = join_all((0..callers).map(caller)).await;
    let mut taken: Vec<Duration> = taken.into_iter().flatten().flatten().collect();
    taken.sort_unstable();
    let at =
        |share: f64| taken.get((taken.len() as f64 * share) as usize).copied().unwrap_or_default();
    Round { calls: taken.len(), median: at(0.5), p99: at(0.99) }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    println!("| a run costs | callers | joined | calls/s | calls per run | median ms | p99 ms |");
    println!("|---|---|---|---|---|---|---|");
    for (run, text) in [(5_000, 100), (500, 20), (0, 0)] {
        for callers in [1, 8, 64] {
            let pool = SyncPool::builder().name("models").threads(2).models().build()?;
            let info = ModelInfo::new(ModelName::new("example", "costly"), ModelKind::Embedding);
            let (fixed, each) = (Duration::from_micros(run), Duration::from_micros(text));
            let costly = Costly { info, run: fixed, text: each };
            let adapted: Arc<dyn EmbeddingModel> = Arc::new(Adapted::new(Arc::new(costly), pool));
            let batched = Batched::new(adapted.clone(), BatchOptions::local());
            let joined: Arc<dyn EmbeddingModel> = Arc::new(batched.clone());
            for (name, model) in [("no", &adapted), ("yes", &joined)] {
                let Round { calls, median, p99 } = runtime.block_on(round(model, callers));
                let status = batched.status();
                let per_run = match name {
                    "no" => 1.0,
                    _ => status.calls as f64 / status.runs as f64,
                };
                let (median, p99) = (median.as_secs_f64() * 1e3, p99.as_secs_f64() * 1e3);
                println!(
                    "| {fixed:?} + {each:?} a text | {callers} | {name} | {calls} | {per_run:.1} | {median:.2} | {p99:.2} |"
                );
            }
        }
    }
    Ok(())
}

//! A synchronous model serves those who wait before work in the background, whoever asks it.

mod models;

use std::sync::{Arc, Condvar, Mutex};

use llm_bundle::{Adapted, Bundle, Priority, Registry, SyncPool};
use llm_core::{
    EmbeddingRequest, EmbeddingResponse, ModelError, ModelInfo, ModelKind, SyncEmbeddingModel,
};

/// Tells in which order it is asked; the first call lasts until the gate opens.
struct Gated {
    info: ModelInfo,
    asked: Mutex<Vec<String>>,
    gate: (Mutex<bool>, Condvar),
}

impl SyncEmbeddingModel for Gated {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn embed(&self, request: &EmbeddingRequest) -> Result<EmbeddingResponse, ModelError> {
        self.asked.lock().unwrap().extend(request.inputs.clone());
        let open = self.gate.0.lock().unwrap();
        drop(self.gate.1.wait_while(open, |open| !*open).unwrap());
        Ok(EmbeddingResponse { vectors: vec![vec![1.0]], ..EmbeddingResponse::default() })
    }
}

#[tokio::test]
async fn a_question_goes_before_documents_that_wait() {
    let model = Arc::new(Gated {
        info: models::info("local/gated", ModelKind::Embedding),
        asked: Mutex::default(),
        gate: (Mutex::new(false), Condvar::new()),
    });
    let pool = SyncPool::builder().name("models").threads(1).models().build().unwrap();
    let adapted = Adapted::new(model.clone(), pool.clone());
    let people = Bundle::new(Registry::builder().embedding(Arc::new(adapted)).build());
    let ingestion = people.clone().with_priority(Priority::Batch);
    let ask = |bundle: &Bundle, text: &'static str| {
        let bundle = bundle.clone();
        tokio::spawn(async move { bundle.embed_query("local/gated", text).await })
    };
    let mut asked = vec![ask(&people, "first")];
    until(|| pool.status().running == 1).await;
    asked.push(ask(&ingestion, "document"));
    until(|| pool.status().queued == 1).await;
    asked.push(ask(&people, "question"));
    until(|| pool.status().queued == 2).await;
    *model.gate.0.lock().unwrap() = true;
    model.gate.1.notify_all();
    for call in asked {
        call.await.unwrap().unwrap();
    }
    assert_eq!(*model.asked.lock().unwrap(), ["first", "question", "document"]);
}

async fn until(what: impl Fn() -> bool) {
    while !what() {
        tokio::task::yield_now().await;
    }
}

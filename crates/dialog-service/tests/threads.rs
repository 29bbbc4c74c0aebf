//! Where the synchronous parts of a turn run: never on a worker of the runtime.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dialog_service::{EvidenceRequest, EvidenceSource, Library};
use llm_bundle::{Adapted, Blocking, SyncPool};
use llm_core::{
    EmbeddingModel, EmbeddingRequest, EmbeddingResponse, ModelError, ModelInfo, ModelKind,
    ModelName, SyncEmbeddingModel,
};
use rag_core::*;
use rag_retrieve::Retriever;
use serde_json::json;
use tokio::runtime::Handle;

/// Who did what: `embed on models-0`.
#[derive(Default)]
struct Log(Mutex<BTreeSet<String>>);

impl Log {
    fn here(&self, what: &str) {
        let thread = std::thread::current();
        let pool = thread.name().unwrap_or("?").rsplit_once('-').map_or("?", |(pool, _)| pool);
        self.0.lock().unwrap().insert(format!("{what} on {pool}"));
    }
}

/// A synchronous model.
struct Local(ModelInfo, Arc<Log>);

impl SyncEmbeddingModel for Local {
    fn info(&self) -> &ModelInfo {
        &self.0
    }

    fn embed(&self, request: &EmbeddingRequest) -> Result<EmbeddingResponse, ModelError> {
        self.1.here("embed");
        let vectors = request.inputs.iter().map(|_| vec![1.0]).collect();
        Ok(EmbeddingResponse { vectors, ..EmbeddingResponse::default() })
    }
}

/// One chunk that everything finds.
struct OneChunk(Arc<Log>);

fn chunk() -> Chunk {
    serde_json::from_value(json!({
        "id": "c", "dataset": "d", "document": "doc", "ordinal": 0, "text": "Tea.",
        "span": { "start": 0, "end": 4 }, "headings": [], "places": [], "tokens": 2,
    }))
    .unwrap()
}

fn unused<T>() -> T {
    unreachable!("retrieval does not write")
}

impl ChunkIndex for OneChunk {
    fn complete(&self, _: &ClaimedJob, _: CompletedDocument) -> Result<(), StoreError> {
        unused()
    }
    fn edit_chunks(&self, _: &DocumentId, _: &ChunkEdit) -> Result<bool, StoreError> {
        unused()
    }
    fn delete_document(&self, _: &DocumentId) -> Result<bool, StoreError> {
        unused()
    }
    fn delete_dataset(&self, _: &DatasetId) -> Result<bool, StoreError> {
        unused()
    }
    fn search(&self, query: &SearchQuery) -> Result<SearchResults, StoreError> {
        self.0.here("search");
        assert_eq!(query.vector.as_deref(), Some(&[1.0][..]));
        let hit = ChunkHit { chunk: chunk().id, score: 1.0 };
        Ok(SearchResults { text: vec![hit.clone()], vector: vec![hit], ..SearchResults::default() })
    }
    fn metadata_fields(&self, _: &[DatasetId], _: usize) -> Result<Vec<KnownField>, StoreError> {
        Ok(Vec::new())
    }

    fn count(&self, _: &ChunkFilter) -> Result<u64, StoreError> {
        Ok(1)
    }
}

impl MetadataStore for OneChunk {
    fn ensure_dataset(
        &self,
        _: &TenantId,
        _: &str,
        _: &EmbeddingIdentity,
        _: &DatasetSettings,
    ) -> Result<Dataset, StoreError> {
        unused()
    }
    fn dataset(&self, _: &TenantId, _: &str) -> Result<Option<Dataset>, StoreError> {
        unused()
    }
    fn dataset_by_id(&self, _: &TenantId, _: &DatasetId) -> Result<Option<Dataset>, StoreError> {
        unused()
    }
    fn datasets(&self, _: &TenantId) -> Result<Vec<Dataset>, StoreError> {
        unused()
    }
    fn documents(&self, _: &DatasetId) -> Result<Vec<Document>, StoreError> {
        unused()
    }
    fn document(&self, _: &DocumentId) -> Result<Option<Document>, StoreError> {
        self.0.here("document");
        Ok(Some(
            serde_json::from_value(json!({
                "id": "doc", "dataset": "d", "name": "tea.md", "content": "0".repeat(64), "bytes": 4,
                "title": null, "pages": 0, "chunks": 1, "status": { "state": "ready" }, "metadata": {}, "updated_at": 0,
            }))
            .unwrap(),
        ))
    }
    fn document_by_name(&self, _: &DatasetId, _: &str) -> Result<Option<Document>, StoreError> {
        unused()
    }
    fn retry(&self, _: &DocumentId) -> Result<bool, StoreError> {
        unused()
    }
    fn ingest_again(&self, _: &DocumentId) -> Result<bool, StoreError> {
        unused()
    }
    fn dataset_totals(&self, _: &DatasetId) -> Result<DatasetTotals, StoreError> {
        unused()
    }
    fn rename_dataset(&self, _: &DatasetId, _: &str) -> Result<(), StoreError> {
        unused()
    }
    fn change_document(&self, _: &DocumentId, _: &DocumentChange) -> Result<bool, StoreError> {
        unused()
    }
    fn keep(&self, _: &IngestJob) -> Result<DocumentId, StoreError> {
        unused()
    }
    fn jobs(&self, _: &DatasetId, _: usize) -> Result<Vec<JobState>, StoreError> {
        unused()
    }
    fn postpone(&self, _: &ClaimedJob, _: Duration, _: Option<&str>) -> Result<(), StoreError> {
        unused()
    }
    fn update_dataset(&self, _: &DatasetId, _: &DatasetSettings) -> Result<(), StoreError> {
        unused()
    }
    fn set_metadata(&self, _: &DocumentId, _: &Metadata) -> Result<bool, StoreError> {
        unused()
    }
    fn cancel(&self, _: &DocumentId) -> Result<bool, StoreError> {
        unused()
    }
    fn embedded_chunks(&self, _: &DocumentId) -> Result<Vec<EmbeddedChunk>, StoreError> {
        unused()
    }
    fn submit(&self, _: &IngestJob) -> Result<Submitted, StoreError> {
        unused()
    }
    fn submit_all(&self, _: &[IngestJob]) -> Result<Vec<Submitted>, StoreError> {
        unused()
    }
    fn claim(&self, _: Duration, _: u32) -> Result<Option<ClaimedJob>, StoreError> {
        unused()
    }
    fn advance(&self, _: &ClaimedJob, _: IngestStage, _: Duration) -> Result<(), StoreError> {
        unused()
    }
    fn fail(&self, _: &ClaimedJob, _: &str) -> Result<(), StoreError> {
        unused()
    }
    fn release_leases(&self) -> Result<(), StoreError> {
        unused()
    }
    fn pending_jobs(&self) -> Result<u64, StoreError> {
        unused()
    }
    fn chunks(&self, _: &[ChunkId]) -> Result<Vec<Chunk>, StoreError> {
        self.0.here("chunks");
        Ok(vec![chunk()])
    }
    fn document_chunks(&self, _: &DocumentId, _: Range<u32>) -> Result<Vec<Chunk>, StoreError> {
        unused()
    }
    fn stats(&self) -> Result<StoreStats, StoreError> {
        unused()
    }
}

/// The seed case: async code retrieves on threads; the threads call an async model, which is itself a synchronous one
/// on other threads. With every pool at one thread and many callers, each part still runs where it belongs, and
/// nothing waits for itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retrieval_and_local_models_run_on_their_own_threads() {
    let log = Arc::new(Log::default());
    let callers = SyncPool::builder().name("callers").threads(1).build().unwrap();
    let models = SyncPool::builder().name("models").threads(1).models().build().unwrap();
    let info = ModelInfo::new(ModelName::new("local", "static"), ModelKind::Embedding);
    let local: Arc<dyn SyncEmbeddingModel> = Arc::new(Local(info, log.clone()));
    let model: Arc<dyn EmbeddingModel> = Arc::new(Adapted::new(local, models));
    let model: Arc<dyn SyncEmbeddingModel> = Arc::new(Blocking::new(model, Handle::current()));
    let store = Arc::new(OneChunk(log.clone()));
    let retriever = Retriever::new(store.clone(), store, Arc::new(move |_| Ok(model.clone())));
    let library = Library::new(Arc::new(retriever), callers);

    let dataset: Dataset = serde_json::from_value(json!({
        "id": "d", "tenant": "local", "name": "default", "created_at": 0, "settings": {},
        "embedding": { "model": "local/static", "dimensions": 1 },
    }))
    .unwrap();
    let ask = || {
        library.find(EvidenceRequest {
            question: "Tea?".into(),
            datasets: vec![dataset.clone()],
            documents: None,
            metadata: None,
            top: 3,
            vector_weight: None,
            threshold: 0.0,
            rerank: None,
            embedders: None,
        })
    };
    let all = futures::future::join_all((0..64).map(|_| tokio::spawn(ask())));
    let found = tokio::time::timeout(Duration::from_secs(30), all).await.expect("no deadlock");
    for evidence in found {
        assert_eq!(evidence.unwrap().unwrap().passages.len(), 1);
    }
    let places: Vec<String> = log.0.lock().unwrap().iter().cloned().collect();
    assert_eq!(
        places,
        ["chunks on callers", "document on callers", "embed on models", "search on callers"]
    );
}

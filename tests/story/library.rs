//! [`Library`]: a small store, its synchronous retriever, and the way from its thread to an async model and on to a
//! synchronous one.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use llm_bundle::{Adapted, Blocking, Bundle, GuardOptions, InFlightOptions, Registry, SyncPool};
use llm_core::{EmbeddingModel, EmbeddingRequest, SyncEmbeddingModel};
use llm_local::StaticEmbedding;
use rag_core::{
    Chunk, ChunkIndex, ContentHash, Dataset, DatasetSettings, DocumentSource, EmbeddedChunk,
    EmbeddingIdentity, IngestJob, MetadataStore, TenantId,
};
use rag_retrieve::{RetrieveRequest, Retriever};
use rag_store::{Durability, EmbeddedStore, StoreOptions};
use tempfile::TempDir;
use tokio::runtime::Handle;

const MODEL: &str = "local/static";
const TEXTS: [&str; 3] = [
    "green tea is brewed at eighty degrees",
    "black coffee is brewed at ninety-five degrees",
    "bread is baked at two hundred and twenty degrees",
];

/// Retrieval as the server does it, with every pool at size one: `callers` → home → `models`.
#[derive(Clone)]
pub struct Library {
    pub callers: SyncPool,
    pub models: SyncPool,
    retriever: Retriever,
    dataset: Dataset,
    _directory: Arc<TempDir>,
}

impl Library {
    /// Fills the store; models are called on `home`.
    pub fn new(home: &Handle) -> Result<Self> {
        let callers = SyncPool::builder().name("callers").threads(1).build()?;
        let models = SyncPool::builder().name("models").threads(1).models().build()?;
        let directory = tempfile::tempdir()?;
        let options =
            StoreOptions { durability: Durability::ProcessDeath, ..StoreOptions::default() };
        let store = EmbeddedStore::open(directory.path(), options)?;
        let dataset = fill(&store)?;
        let embedder = blocking_embedder(models.clone(), home.clone())?;
        let embedder = Arc::new(move |_: &EmbeddingIdentity| Ok(embedder.clone()));
        let retriever = Retriever::new(store.clone(), store, embedder);
        Ok(Self { callers, models, retriever, dataset, _directory: Arc::new(directory) })
    }

    /// One retrieval, on this thread.
    ///
    /// # Errors
    /// Also when the model failed, which retrieval by itself forgives.
    pub fn retrieve(&self) -> Result<()> {
        let found = self.retriever.retrieve(&RetrieveRequest {
            question: "how hot is the water for green tea".into(),
            datasets: vec![self.dataset.clone()],
            ..RetrieveRequest::default()
        })?;
        ensure!(found.warnings.is_empty(), "{:?}", found.warnings);
        let best = found.chunks.first().context("nothing was found")?;
        ensure!(best.chunk.text == TEXTS[0], "{best:?}");
        ensure!(best.why.vector.is_some(), "the question was not embedded");
        Ok(())
    }
}

/// Sync → async → sync: a local model on its pool, behind all guards, for synchronous callers.
fn blocking_embedder(models: SyncPool, home: Handle) -> Result<Arc<dyn SyncEmbeddingModel>> {
    let model = Adapted::new(Arc::new(StaticEmbedding::new()), models);
    let in_flight = InFlightOptions { limit: 1, ..InFlightOptions::default() };
    let guards = GuardOptions { in_flight, ..GuardOptions::default() };
    let registry = Registry::builder().embedding(Arc::new(model)).guards(guards).build();
    let embedder: Arc<dyn EmbeddingModel> = Arc::new(Bundle::new(registry).embedder(MODEL)?);
    Ok(Arc::new(Blocking::new(embedder, home)))
}

fn fill(store: &EmbeddedStore) -> Result<Dataset> {
    let embedding = EmbeddingIdentity {
        model: MODEL.into(),
        dimensions: StaticEmbedding::DIMENSIONS,
        ..EmbeddingIdentity::default()
    };
    let chunking = DatasetSettings::default();
    let dataset = store.ensure_dataset(&TenantId::local(), "story", &embedding, &chunking)?;
    let texts = EmbeddingRequest::documents(TEXTS);
    let vectors = SyncEmbeddingModel::embed(&StaticEmbedding::new(), &texts)?.vectors;
    for ((number, text), vector) in TEXTS.into_iter().enumerate().zip(vectors) {
        let name = format!("text-{number}");
        store.submit(&IngestJob::new(
            dataset.id.clone(),
            name.clone(),
            DocumentSource::File { path: name.clone().into() },
            ContentHash([number as u8; 32]),
            text.len() as u64,
        ))?;
        let job = store.claim(Duration::from_secs(600), 3)?.context("a job was submitted")?;
        let chunk = Chunk {
            tokens: 8,
            ..Chunk::new(name.parse()?, dataset.id.clone(), job.document.clone(), text.into())
        };
        store.complete(&job, vec![EmbeddedChunk { chunk, vector }].into())?;
    }
    Ok(dataset)
}

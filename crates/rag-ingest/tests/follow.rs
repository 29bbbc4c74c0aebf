//! Datasets that follow folders, names that stay, and moves to another embedding.

use std::fs;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, Stream, StreamExt};
use llm_bundle::SyncPool;
use llm_core::{
    EmbeddingModel, EmbeddingRequest, EmbeddingResponse, ErrorKind, ModelError, ModelInfo,
    ModelKind, ModelName, Operation,
};
use rag_core::{Dataset, DatasetSettings, EmbeddingIdentity, MetadataStore, TenantId};
use rag_ingest::{
    IngestEvent, Pipeline, PipelineParts, ScanOptions, SubmitOptions, Summary, TextsOf,
    WatchOptions, no_chat,
};
use rag_parse::{FileParser, StructuralChunker};
use rag_store::{EmbeddedStore, StoreOptions};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Gives vectors that tell by whom they were made.
struct Signed {
    info: ModelInfo,
    dimensions: usize,
}

impl EmbeddingModel for Signed {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn embed(
        &self,
        request: EmbeddingRequest,
    ) -> BoxFuture<'static, Result<EmbeddingResponse, ModelError>> {
        let vectors = request.inputs.iter().map(|_| vec![1.0; self.dimensions]).collect();
        Box::pin(async { Ok(EmbeddingResponse { vectors, ..EmbeddingResponse::default() }) })
    }
}

type Events = Pin<Box<dyn Stream<Item = IngestEvent> + Send>>;

struct World {
    folder: tempfile::TempDir,
    store: Arc<EmbeddedStore>,
    dataset: Dataset,
    pipeline: Pipeline,
}

fn identity(model: &str, dimensions: u32) -> EmbeddingIdentity {
    EmbeddingIdentity { model: model.into(), dimensions, ..EmbeddingIdentity::default() }
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let store = EmbeddedStore::open(data, StoreOptions::default()).unwrap();
        let settings = DatasetSettings::default();
        let two = identity("test/two", 2);
        let dataset = store.ensure_dataset(&TenantId::local(), "default", &two, &settings).unwrap();
        let embedder = |identity: &EmbeddingIdentity, _: TextsOf<'_>| {
            if !identity.model.starts_with("test/") {
                return Err(ModelError::new(
                    ErrorKind::NotFound,
                    Operation::Embed,
                    "no such model",
                ));
            }
            let name = ModelName::new("test", identity.model.trim_start_matches("test/"));
            let info = ModelInfo::new(name, ModelKind::Embedding);
            let dimensions = identity.dimensions as usize;
            Ok(Arc::new(Signed { info, dimensions }) as Arc<dyn EmbeddingModel>)
        };
        let pipeline = Pipeline::new(PipelineParts {
            store: store.clone(),
            parser: Arc::new(FileParser::default()),
            chunker: Arc::new(StructuralChunker::default()),
            embedder: Arc::new(embedder),
            vision: None,
            chat: no_chat(),
            pool: SyncPool::builder().name("callers").threads(2).build().unwrap(),
        });
        Self { folder, store, dataset, pipeline }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, content: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    async fn ingest(&self, folders: &[&str], prune: bool) -> Summary {
        let paths = folders.iter().map(|folder| self.path(folder)).collect();
        let scan = ScanOptions { folder_names: true, ..ScanOptions::default() };
        let options = SubmitOptions { prune, scan, ..SubmitOptions::default() };
        within(self.pipeline.ingest(&self.dataset.id, paths, options)).await.unwrap()
    }

    fn names(&self) -> Vec<String> {
        let documents = self.store.documents(&self.dataset.id).unwrap();
        documents.into_iter().map(|document| document.name).collect()
    }

    fn text(&self, name: &str) -> String {
        let document = self.store.document_by_name(&self.dataset.id, name).unwrap().unwrap();
        let chunks = self.store.document_chunks(&document.id, 0..10).unwrap();
        chunks.into_iter().map(|chunk| chunk.text).collect()
    }

    /// Watches and works until the result is dropped or told to stop.
    fn watch(&self, folders: &[&str]) -> (oneshot::Sender<()>, JoinHandle<()>) {
        let (pipeline, dataset) = (self.pipeline.clone(), self.dataset.id.clone());
        let paths: Vec<PathBuf> = folders.iter().map(|folder| self.path(folder)).collect();
        let scan = ScanOptions { folder_names: true, ..ScanOptions::default() };
        let quiet = Duration::from_millis(50);
        let options = WatchOptions { quiet, scan, ..WatchOptions::default() };
        let (stop, stopped) = oneshot::channel();
        let stopped = stopped.map(drop).shared();
        let task = tokio::spawn(async move {
            let watching = pipeline.watch(&dataset, paths, options, stopped.clone());
            let (watched, worked) = tokio::join!(watching, pipeline.run(stopped.clone()));
            watched.unwrap();
            worked.unwrap();
        });
        (stop, task)
    }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("in time")
}

/// Waits until a document of this name is done, or removed.
async fn until(events: &mut Events, done: bool, wanted: &str) {
    let happens = async {
        while let Some(event) = events.next().await {
            match event {
                IngestEvent::Done { name, .. } if done && name == wanted => return,
                IngestEvent::Removed { name, .. } if !done && name == wanted => return,
                _ => {}
            }
        }
    };
    within(happens).await;
}

#[tokio::test]
async fn a_watched_folder_is_mirrored() {
    let world = World::new();
    world.write("docs/before.md", "there before");
    world.write("other/stays.md", "from elsewhere");
    world.ingest(&["other"], false).await;
    let mut events: Events = Box::pin(world.pipeline.events());
    let (stop, task) = world.watch(&["docs"]);
    until(&mut events, true, "docs/before.md").await;

    world.write("docs/new/file.md", "new");
    until(&mut events, true, "docs/new/file.md").await;
    world.write("docs/new/file.md", "newer");
    until(&mut events, true, "docs/new/file.md").await;
    assert_eq!(world.text("docs/new/file.md"), "newer");

    fs::rename(world.path("docs/new"), world.path("docs/moved")).unwrap();
    until(&mut events, false, "docs/new/file.md").await;
    fs::remove_file(world.path("docs/before.md")).unwrap();
    until(&mut events, false, "docs/before.md").await;

    stop.send(()).unwrap();
    within(task).await.unwrap();
    within(world.pipeline.run_until_idle()).await.unwrap();
    assert_eq!(world.names(), ["docs/moved/file.md", "other/stays.md"]);
}

#[tokio::test]
async fn a_folder_out_of_reach_takes_nothing_with_it() {
    let world = World::new();
    world.write("docs/a.md", "text");
    world.ingest(&["docs"], true).await;
    fs::rename(world.path("docs"), world.path("away")).unwrap();
    assert_eq!(world.ingest(&["docs"], true).await.failed.len(), 1);
    assert_eq!(world.names(), ["docs/a.md"]);
}

#[tokio::test]
async fn folders_of_one_name_keep_apart() {
    let world = World::new();
    world.write("one/docs/a.md", "first");
    world.write("two/docs/a.md", "second");
    world.ingest(&["one/docs"], true).await;
    world.ingest(&["two/docs"], true).await;
    assert_eq!(world.names(), ["docs (2)/a.md", "docs/a.md"]);
    assert_eq!(
        (world.text("docs/a.md"), world.text("docs (2)/a.md")),
        ("first".into(), "second".into())
    );

    // Each goes by its name again, in any order and together.
    world.write("two/docs/a.md", "second, changed");
    for folders in [&["two/docs"][..], &["one/docs"], &["two/docs", "one/docs"]] {
        world.ingest(folders, true).await;
        assert_eq!(world.names(), ["docs (2)/a.md", "docs/a.md"], "{folders:?}");
    }
    assert_eq!(world.text("docs (2)/a.md"), "second, changed");
    assert_eq!(world.text("docs/a.md"), "first");

    fs::remove_file(world.path("two/docs/a.md")).unwrap();
    world.ingest(&["two/docs"], true).await;
    assert_eq!(world.names(), ["docs/a.md"]);
}

#[tokio::test]
async fn a_folder_that_moved_takes_its_documents_along() {
    let world = World::new();
    world.write("one/docs/a.md", "text");
    world.ingest(&["one/docs"], false).await;
    fs::rename(world.path("one"), world.path("two")).unwrap();
    let summary = world.ingest(&["two/docs"], false).await;
    assert_eq!((summary.added, summary.unchanged), (0, 1));
    assert_eq!(world.names(), ["docs/a.md"]);
    // It belongs to the new folder now.
    fs::remove_file(world.path("two/docs/a.md")).unwrap();
    world.ingest(&["two/docs"], true).await;
    assert!(world.names().is_empty());
}

#[tokio::test]
async fn a_dataset_moves_to_another_embedding() {
    let world = World::new();
    for number in 0..5 {
        world.write(&format!("docs/{number}.md"), "text");
    }
    world.ingest(&["docs"], false).await;
    let three = identity("test/three", 3);
    let told = Mutex::new(Vec::new());
    let note = |progress| told.lock().unwrap().push(progress);
    let chunks = within(world.pipeline.reembed(&world.dataset, &three, note)).await.unwrap();
    assert_eq!(chunks, 5);
    let last = *told.lock().unwrap().last().unwrap();
    assert_eq!((last.done, last.left), (5, 0));
    let dataset = world.store.dataset(&TenantId::local(), "default").unwrap().unwrap();
    assert_eq!(dataset.embedding, three);

    // What comes later is embedded with the new model.
    world.write("docs/later.md", "more");
    assert_eq!(world.ingest(&["docs"], false).await.added, 1);
    let later = world.store.document_by_name(&dataset.id, "docs/later.md").unwrap().unwrap();
    assert_eq!(world.store.embedded_chunks(&later.id).unwrap()[0].vector.len(), 3);

    let again = within(world.pipeline.reembed(&dataset, &three, |_| {})).await;
    assert!(again.is_err(), "it has this embedding already");
    let unknown = identity("far/away", 3);
    let error = within(world.pipeline.reembed(&dataset, &unknown, |_| {})).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the embedding model cannot be used: embedding request failed: no such model"
    );
}

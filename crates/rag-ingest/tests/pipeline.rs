//! The pipeline over a real store, real parsers and a folder.

use std::fs;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use llm_bundle::SyncPool;
use llm_core::Retry;
use llm_core::{
    EmbeddingModel, EmbeddingRequest, EmbeddingResponse, ErrorKind, ModelError, ModelInfo,
    ModelKind, ModelName, Operation,
};
use rag_core::{
    ChunkFilter, ChunkIndex, Dataset, DatasetSettings, Document, DocumentParser, DocumentStatus,
    EmbeddingIdentity, IngestStage, MetadataStore, ParseError, ParseRequest, ParsedDocument,
    TenantId,
};
use rag_ingest::{
    IngestEvent, Pipeline, PipelineOptions, PipelineParts, SubmitOptions, Summary, no_chat,
    one_embedder,
};
use rag_parse::{FileParser, StructuralChunker};
use rag_store::{EmbeddedStore, StoreOptions};
use tokio::sync::Semaphore;

/// Embeds texts by their length, once the gate lets it.
struct Lengths {
    info: ModelInfo,
    gate: Arc<Semaphore>,
    /// Calls that fail first.
    failures: AtomicU32,
}

impl EmbeddingModel for Lengths {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn embed(
        &self,
        request: EmbeddingRequest,
    ) -> BoxFuture<'static, Result<EmbeddingResponse, ModelError>> {
        let fails = self
            .failures
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
            .is_ok();
        let gate = self.gate.clone();
        Box::pin(async move {
            drop(gate.acquire_owned().await);
            if fails {
                let error =
                    ModelError::new(ErrorKind::Overloaded, Operation::Embed, "too much to do");
                return Err(error.with_retry(Retry::After(Duration::from_millis(1))));
            }
            let vectors = request.inputs.iter().map(|text| vec![1.0, text.len() as f32]).collect();
            Ok(EmbeddingResponse { vectors, ..EmbeddingResponse::default() })
        })
    }
}

/// Reads files, and fails them when it is called anywhere but on the pool.
struct OnPoolOnly(FileParser);

impl DocumentParser for OnPoolOnly {
    fn parse(&self, request: &ParseRequest<'_>) -> Result<ParsedDocument, ParseError> {
        let thread = std::thread::current();
        assert!(
            thread.name().is_some_and(|name| name.starts_with("callers-")),
            "on {:?}",
            thread.name()
        );
        self.0.parse(request)
    }

    fn takes(&self, name: &str) -> bool {
        self.0.takes(name)
    }
}

struct Bench {
    folder: tempfile::TempDir,
    store: Arc<EmbeddedStore>,
    dataset: Dataset,
    gate: Arc<Semaphore>,
    pipeline: Pipeline,
}

impl Bench {
    fn new() -> Self {
        Self::with(0, PipelineOptions::default())
    }

    fn with(failures: u32, options: PipelineOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("docs")).unwrap();
        let store =
            EmbeddedStore::open(folder.path().join("data"), StoreOptions::default()).unwrap();
        let embedding = EmbeddingIdentity {
            model: "test/lengths".into(),
            dimensions: 2,
            ..EmbeddingIdentity::default()
        };
        let dataset = store
            .ensure_dataset(&TenantId::local(), "default", &embedding, &DatasetSettings::default())
            .unwrap();
        let gate = Arc::new(Semaphore::new(64));
        let lengths = Lengths {
            info: ModelInfo::new(ModelName::new("test", "lengths"), ModelKind::Embedding),
            gate: gate.clone(),
            failures: AtomicU32::new(failures),
        };
        let parts = PipelineParts {
            store: store.clone(),
            parser: Arc::new(OnPoolOnly(FileParser::default())),
            chunker: Arc::new(StructuralChunker::default()),
            embedder: one_embedder(Arc::new(lengths)),
            vision: None,
            chat: no_chat(),
            pool: SyncPool::builder().name("callers").threads(2).build().unwrap(),
        };
        Self { folder, store, dataset, gate, pipeline: Pipeline::with_options(parts, options) }
    }

    fn docs(&self) -> PathBuf {
        self.folder.path().join("docs")
    }

    fn write(&self, name: &str, content: &[u8]) {
        let path = self.docs().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    async fn ingest(&self) -> Summary {
        self.ingest_with(SubmitOptions::default()).await
    }

    async fn ingest_with(&self, options: SubmitOptions) -> Summary {
        within(self.pipeline.ingest(&self.dataset.id, vec![self.docs()], options)).await.unwrap()
    }

    fn document(&self, name: &str) -> Document {
        let documents = self.store.documents(&self.dataset.id).unwrap();
        documents.into_iter().find(|document| document.name == name).unwrap()
    }

    fn texts(&self, name: &str) -> Vec<String> {
        let chunks = self.store.document_chunks(&self.document(name).id, 0..100).unwrap();
        chunks.into_iter().map(|chunk| chunk.text).collect()
    }

    fn count(&self) -> u64 {
        let filter = ChunkFilter {
            datasets: vec![self.dataset.id.clone()],
            documents: None,
            ..ChunkFilter::default()
        };
        self.store.count(&filter).unwrap()
    }

    /// Waits until a document is embedded (and the gate, if closed, holds it).
    async fn until_embedding(&self, begin: impl Future<Output = ()>) {
        let mut events = Box::pin(self.pipeline.events());
        begin.await;
        let embeds = async {
            while let Some(event) = events.next().await {
                if matches!(event, IngestEvent::Stage { stage: IngestStage::Embed, .. }) {
                    return;
                }
            }
        };
        within(embeds).await;
    }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("in time")
}

#[tokio::test]
async fn a_second_run_ingests_nothing() {
    let bench = Bench::new();
    bench.write("a.md", b"# Tea\n\nBoil water.");
    bench.write("b/c.txt", b"Some text.");
    bench.write("d.png", b"not looked at");
    let first = bench.ingest().await;
    assert_eq!((first.added, first.unchanged, first.chunks), (2, 0, 2));
    let second = bench.ingest().await;
    assert_eq!((second.added, second.unchanged, second.chunks), (0, 2, 0));
    assert_eq!(bench.count(), 2);
    assert_eq!(bench.document("b/c.txt").status, DocumentStatus::Ready);
    assert_eq!(bench.document("a.md").title.as_deref(), Some("Tea"));
}

#[tokio::test]
async fn a_changed_file_has_exactly_its_new_chunks() {
    let bench = Bench::new();
    let long = "Many words that fill a section so that it stands for itself in the end. ".repeat(4);
    bench.write("a.md", format!("# One\n\n{long}\n\n# Two\n\n{long}").as_bytes());
    bench.ingest().await;
    assert_eq!(bench.count(), 2);
    bench.write("a.md", b"# Three\n\nshort");
    let summary = bench.ingest().await;
    assert_eq!((summary.added, summary.unchanged), (1, 0));
    assert_eq!(bench.texts("a.md"), ["Three\n\nshort"]);
    assert_eq!(bench.count(), 1);
}

#[tokio::test]
async fn one_broken_file_fails_alone() {
    let bench = Bench::new();
    for number in 0..5 {
        bench.write(&format!("good-{number}.md"), b"fine");
    }
    bench.write("empty.pdf", b"");
    bench.write("picture.md", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0");
    let summary = bench.ingest().await;
    assert_eq!(summary.added, 5);
    let expected = [
        ("empty.pdf", "the file is empty"),
        ("picture.md", "the file is an image; a vision model is needed to read it"),
    ]
    .map(|(name, reason)| (name.to_owned(), reason.to_owned()));
    assert_eq!(summary.failed, expected);
    let reason = "the file is empty".to_owned();
    assert_eq!(bench.document("empty.pdf").status, DocumentStatus::Failed { reason });
    assert_eq!(bench.store.pending_jobs().unwrap(), 0);
}

#[tokio::test]
async fn a_file_too_large_is_refused_in_one_line() {
    let options = PipelineOptions { file_bytes: 1 << 20, ..PipelineOptions::default() };
    let bench = Bench::with(0, options);
    bench.write("large.txt", &vec![b'x'; 3 << 20]);
    let summary = bench.ingest().await;
    let expected = ("large.txt".to_owned(), "the file has 3.0 MiB, 1.0 MiB are allowed".to_owned());
    assert_eq!(summary.failed, [expected]);
}

#[tokio::test]
async fn missing_documents_are_told_and_removed_only_on_request() {
    let bench = Bench::new();
    bench.write("stays.md", b"one");
    bench.write("goes.md", b"two");
    bench.ingest().await;
    fs::remove_file(bench.docs().join("goes.md")).unwrap();
    let told = bench.ingest().await;
    assert_eq!((told.missing.as_slice(), told.pruned), (["goes.md".to_owned()].as_slice(), false));
    assert_eq!(bench.count(), 2);
    let pruned = bench.ingest_with(SubmitOptions { prune: true, ..SubmitOptions::default() }).await;
    assert!(pruned.pruned);
    assert_eq!(bench.count(), 1);
}

#[tokio::test]
async fn a_file_that_changes_while_it_waits_is_read_as_it_is() {
    let bench = Bench::new();
    bench.write("a.md", b"before");
    let scan = bench.pipeline.scan(vec![bench.docs()], Default::default()).await.unwrap();
    bench.pipeline.submit(&bench.dataset.id, scan, SubmitOptions::default()).await.unwrap();
    bench.write("a.md", b"after");
    let summary = within(bench.pipeline.run_until_idle()).await.unwrap();
    assert_eq!(summary.added, 1);
    assert_eq!(bench.texts("a.md"), ["after"]);
    assert_eq!(bench.ingest().await.unchanged, 1);
}

#[tokio::test]
async fn a_file_that_disappears_while_it_waits_fails_with_a_reason() {
    let bench = Bench::new();
    bench.write("a.md", b"before");
    let scan = bench.pipeline.scan(vec![bench.docs()], Default::default()).await.unwrap();
    bench.pipeline.submit(&bench.dataset.id, scan, SubmitOptions::default()).await.unwrap();
    fs::remove_file(bench.docs().join("a.md")).unwrap();
    let summary = within(bench.pipeline.run_until_idle()).await.unwrap();
    let expected = ("a.md".to_owned(), "the file cannot be read: it does not exist".to_owned());
    assert_eq!(summary.failed, [expected]);
}

#[tokio::test]
async fn a_model_in_trouble_is_asked_again() {
    let bench = Bench::with(3, PipelineOptions::default());
    bench.write("a.md", b"text");
    assert_eq!(bench.ingest().await.added, 1);

    let impatient = PipelineOptions { patience: Duration::ZERO, ..PipelineOptions::default() };
    let bench = Bench::with(1, impatient);
    bench.write("a.md", b"text");
    let reason = "embedding request failed: too much to do".to_owned();
    assert_eq!(bench.ingest().await.failed, [("a.md".to_owned(), reason)]);
}

#[tokio::test]
async fn vectors_of_another_model_are_refused() {
    let bench = Bench::new();
    let other = EmbeddingIdentity {
        model: "test/other".into(),
        dimensions: 2,
        ..EmbeddingIdentity::default()
    };
    let dataset = bench
        .store
        .ensure_dataset(&TenantId::local(), "other", &other, &DatasetSettings::default())
        .unwrap();
    bench.write("a.md", b"text");
    let ingest = bench.pipeline.ingest(&dataset.id, vec![bench.docs()], SubmitOptions::default());
    let reason = "embedding request failed: the dataset is embedded with `test/other`, but there is only `test/lengths` here";
    assert_eq!(within(ingest).await.unwrap().failed, [("a.md".to_owned(), reason.to_owned())]);
}

#[tokio::test]
async fn dropped_work_is_given_back_and_done_later() {
    let bench = Bench::new();
    bench.write("a.md", b"text");
    bench.gate.forget_permits(64);
    let pipeline = bench.pipeline.clone();
    let (dataset, docs) = (bench.dataset.id.clone(), bench.docs());
    let mut task = None;
    bench
        .until_embedding(async {
            task = Some(tokio::spawn(async move {
                pipeline.ingest(&dataset, vec![docs], SubmitOptions::default()).await
            }));
        })
        .await;
    let task = task.unwrap();
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    assert_eq!((bench.count(), bench.store.pending_jobs().unwrap()), (0, 1));

    bench.gate.add_permits(64);
    let summary = within(async {
        // The job comes back at once, not when its lease of minutes is over.
        loop {
            let summary = bench.pipeline.run_until_idle().await.unwrap();
            if summary.added > 0 {
                return summary;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!((summary.added, bench.count()), (1, 1));
}

#[tokio::test]
async fn a_stopped_pipeline_gives_back_what_it_cannot_finish() {
    let options =
        PipelineOptions { grace: Duration::from_millis(20), ..PipelineOptions::default() };
    let bench = Bench::with(0, options);
    bench.write("a.md", b"text");
    bench.gate.forget_permits(64);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let pipeline = bench.pipeline.clone();
    let running = tokio::spawn(async move { pipeline.run(stopped.map(drop)).await });
    bench
        .until_embedding(async {
            let scan = bench.pipeline.scan(vec![bench.docs()], Default::default()).await.unwrap();
            bench.pipeline.submit(&bench.dataset.id, scan, SubmitOptions::default()).await.unwrap();
        })
        .await;
    stop.send(()).unwrap();
    assert_eq!(within(running).await.unwrap().unwrap().added, 0);
    // Given back before the run ended: it can be claimed at once.
    assert!(bench.store.claim(Duration::from_secs(60), 5).unwrap().is_some());
}

#[tokio::test]
async fn a_lost_lease_leaves_the_document_to_the_other_worker() {
    let bench = Bench::new();
    bench.write("a.md", b"text");
    bench.gate.forget_permits(64);
    let pipeline = bench.pipeline.clone();
    let (dataset, docs) = (bench.dataset.id.clone(), bench.docs());
    let mut task = None;
    bench
        .until_embedding(async {
            task = Some(tokio::spawn(async move {
                pipeline.ingest(&dataset, vec![docs], SubmitOptions::default()).await
            }));
        })
        .await;
    bench.store.release_leases().unwrap();
    let other = bench.store.claim(Duration::from_secs(60), 5).unwrap().expect("nobody's job");
    bench.gate.add_permits(64);
    let summary = within(task.unwrap()).await.unwrap().unwrap();
    assert_eq!((summary.added, summary.failed.len(), bench.count()), (0, 0, 0));
    bench.store.fail(&other, "the other worker still holds it").unwrap();
}

#[tokio::test]
async fn events_and_progress_tell_the_whole_story() {
    let bench = Bench::new();
    bench.write("a.md", b"text");
    bench.write("b.md", b"");
    let events = bench.pipeline.events();
    bench.ingest().await;
    let story: Vec<String> = within(
        events
            .take_while(|event| std::future::ready(*event != IngestEvent::Idle))
            .map(|event| match event {
                IngestEvent::Queued { total } => format!("queued {total}"),
                IngestEvent::Stage { name, stage, .. } => format!("{name} {}", stage.as_str()),
                IngestEvent::Done { name, chunks, .. } => format!("{name} done {chunks}"),
                IngestEvent::Failed { name, reason } => format!("{name} failed: {reason}"),
                other => format!("{other:?}"),
            })
            .collect(),
    )
    .await;
    let of = |name: &str| -> Vec<&str> {
        story.iter().filter_map(|line| line.strip_prefix(name)).map(str::trim).collect()
    };
    assert_eq!(story[0], "queued 2");
    assert_eq!(of("a.md"), ["read", "parse", "chunk", "embed", "index", "done 1"]);
    assert_eq!(of("b.md"), ["read", "parse", "failed: the file is empty"]);
    let progress = bench.pipeline.progress().borrow().clone();
    assert_eq!((progress.queued, progress.done, progress.failed, progress.chunks), (2, 1, 1, 1));
}

//! What is dear is done once: over crashes at every step, over changes of a file, over outages of models.

use std::collections::HashMap;
use std::fs;
use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{Stream, StreamExt};
use llm_bundle::SyncPool;
use llm_core::{
    Description, EmbeddingModel, EmbeddingRequest, EmbeddingResponse, ErrorKind, MediaSource,
    ModelError, ModelInfo, ModelKind, ModelName, Operation, Retry, VisionModel, VisionRequest,
};
use rag_core::{
    Dataset, DatasetSettings, Document, DocumentParser, DocumentStatus, EmbeddingIdentity,
    IngestStage, MetadataStore, ParseError, ParseRequest, ParsedDocument, Picture, PictureKind,
    Place, TenantId,
};
use rag_ingest::{
    IngestEvent, Pipeline, PipelineOptions, PipelineParts, SubmitOptions, Summary, VisionFor,
    no_chat, one_embedder,
};
use rag_parse::{FileParser, StructuralChunker};
use rag_store::{EmbeddedStore, StoreOptions};

/// What was answered, and how often.
type Counts = Arc<Mutex<HashMap<String, u32>>>;

fn count(counts: &Counts, what: &str) {
    *counts.lock().unwrap().entry(what.to_owned()).or_default() += 1;
}

/// Reads Markdown, and finds a page and a figure in files of that kind.
struct Scanner {
    parser: FileParser,
    parsed: Counts,
}

impl DocumentParser for Scanner {
    fn parse(&self, request: &ParseRequest<'_>) -> Result<ParsedDocument, ParseError> {
        let mut parsed = self.parser.parse(request)?;
        if request.name.ends_with(".scan.md") {
            count(&self.parsed, request.name);
            parsed.pages = 2;
            let picture = |kind, page, before_block| Picture {
                kind,
                before_block,
                place: Place { page: Some(page), bounds: None },
                media_type: "image/png".to_owned(),
                bytes: format!("{kind:?} {page} of {}", request.name).into_bytes(),
            };
            if request.pictures {
                parsed.pictures =
                    vec![picture(PictureKind::Page, 1, 0), picture(PictureKind::Figure, 2, 1)];
            }
        }
        Ok(parsed)
    }

    fn takes(&self, name: &str) -> bool {
        self.parser.takes(name)
    }
}

/// Fails first, as often as it is told.
#[derive(Clone, Default)]
struct Trouble(Arc<AtomicU32>, Option<ErrorKind>);

impl Trouble {
    fn strike(&self, operation: Operation) -> Result<(), ModelError> {
        let less = |left: u32| left.checked_sub(1);
        if self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_err() {
            return Ok(());
        }
        let error = ModelError::new(self.1.unwrap_or(ErrorKind::Overloaded), operation, "is down");
        Err(match self.1 {
            Some(_) => error,
            None => error.with_retry(Retry::After(Duration::from_millis(1))),
        })
    }
}

struct Eyes {
    info: ModelInfo,
    read: Counts,
    trouble: Trouble,
}

fn seeing(eyes: Eyes) -> VisionFor {
    let eyes = Arc::new(eyes);
    Arc::new(move |_| Ok(eyes.clone() as Arc<dyn VisionModel>))
}

impl VisionModel for Eyes {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn describe(
        &self,
        request: VisionRequest,
    ) -> BoxFuture<'static, Result<Description, ModelError>> {
        let (read, trouble) = (self.read.clone(), self.trouble.clone());
        Box::pin(async move {
            tokio::task::yield_now().await;
            trouble.strike(Operation::Describe)?;
            let MediaSource::Base64(picture) = request.image.source else { unreachable!() };
            count(&read, &picture);
            let text = match request.prompt.unwrap().starts_with("Write down") {
                true => "# Scanned\n\nThe page says tea.".to_owned(),
                false => "A drawing of a kettle.".to_owned(),
            };
            Ok(Description { text, ..Description::default() })
        })
    }
}

struct Numbers {
    info: ModelInfo,
    embedded: Counts,
    trouble: Trouble,
}

impl EmbeddingModel for Numbers {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn embed(
        &self,
        request: EmbeddingRequest,
    ) -> BoxFuture<'static, Result<EmbeddingResponse, ModelError>> {
        let (embedded, trouble) = (self.embedded.clone(), self.trouble.clone());
        Box::pin(async move {
            tokio::task::yield_now().await;
            trouble.strike(Operation::Embed)?;
            request.inputs.iter().for_each(|text| count(&embedded, text));
            let vectors = request.inputs.iter().map(|text| vec![1.0, text.len() as f32]).collect();
            Ok(EmbeddingResponse { vectors, ..EmbeddingResponse::default() })
        })
    }
}

struct World {
    folder: tempfile::TempDir,
    store: Arc<EmbeddedStore>,
    dataset: Dataset,
    parsed: Counts,
    read: Counts,
    embedded: Counts,
    pipeline: Pipeline,
}

#[derive(Default)]
struct Setup {
    blind: bool,
    vision: Trouble,
    embedding: Trouble,
    prefix: String,
    options: PipelineOptions,
}

impl World {
    fn new(setup: Setup) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("docs")).unwrap();
        let store =
            EmbeddedStore::open(folder.path().join("data"), StoreOptions::default()).unwrap();
        let identity = EmbeddingIdentity {
            model: "far/numbers".into(),
            dimensions: 2,
            document_prefix: setup.prefix,
            ..EmbeddingIdentity::default()
        };
        let settings = DatasetSettings::default();
        let dataset =
            store.ensure_dataset(&TenantId::local(), "default", &identity, &settings).unwrap();
        let (parsed, read, embedded) = (Counts::default(), Counts::default(), Counts::default());
        let eyes = Eyes {
            info: ModelInfo::new(ModelName::new("far", "eyes"), ModelKind::Vision),
            read: read.clone(),
            trouble: setup.vision,
        };
        let numbers = Numbers {
            info: ModelInfo::new(ModelName::new("far", "numbers"), ModelKind::Embedding),
            embedded: embedded.clone(),
            trouble: setup.embedding,
        };
        let parts = PipelineParts {
            store: store.clone(),
            parser: Arc::new(Scanner { parser: FileParser::default(), parsed: parsed.clone() }),
            chunker: Arc::new(StructuralChunker::default()),
            embedder: one_embedder(Arc::new(numbers)),
            vision: (!setup.blind).then(|| seeing(eyes)),
            chat: no_chat(),
            pool: SyncPool::builder().name("callers").threads(2).build().unwrap(),
        };
        let pipeline = Pipeline::with_options(parts, setup.options);
        Self { folder, store, dataset, parsed, read, embedded, pipeline }
    }

    fn write(&self, name: &str, content: &str) {
        fs::write(self.folder.path().join("docs").join(name), content).unwrap();
    }

    fn ingest(&self) -> impl Future<Output = Summary> + Send + 'static {
        let (pipeline, dataset) = (self.pipeline.clone(), self.dataset.id.clone());
        let docs = self.folder.path().join("docs");
        async move {
            let ingest = pipeline.ingest(&dataset, vec![docs], SubmitOptions::default());
            within(ingest).await.unwrap()
        }
    }

    fn document(&self, name: &str) -> Document {
        let documents = self.store.documents(&self.dataset.id).unwrap();
        documents.into_iter().find(|document| document.name == name).unwrap()
    }

    fn texts(&self, name: &str) -> Vec<String> {
        let chunks = self.store.document_chunks(&self.document(name).id, 0..1000).unwrap();
        chunks.into_iter().map(|chunk| chunk.text).collect()
    }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("in time")
}

/// Sections that are chunks of their own.
fn sections(numbers: impl IntoIterator<Item = usize>) -> String {
    let section = |number| format!("# Part {number}\n\n{}\n\n", "Words of this part. ".repeat(20));
    numbers.into_iter().map(section).collect()
}

fn most(counts: &Counts) -> u32 {
    counts.lock().unwrap().values().copied().max().unwrap_or(0)
}

/// Ends with the event that the job is at this step, and that so much of it is done.
async fn reaches(events: impl Stream<Item = IngestEvent>, stage: IngestStage, least: u64) {
    let mut events = Box::pin(events);
    while let Some(event) = events.next().await {
        match event {
            IngestEvent::Stage { stage: at, .. } if at == stage && least == 0 => return,
            IngestEvent::Advanced { stage: at, done, .. } if at == stage && done >= least => return,
            IngestEvent::Done { .. } => return,
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_crash_at_any_step_repeats_no_dear_step() {
    let steps = [
        (IngestStage::Describe, 0),
        (IngestStage::Describe, 1),
        (IngestStage::Chunk, 0),
        (IngestStage::Embed, 0),
        (IngestStage::Embed, 2),
        (IngestStage::Embed, 6),
        (IngestStage::Index, 0),
    ];
    for (stage, least) in steps {
        let options = PipelineOptions { batch: 2, ..PipelineOptions::default() };
        let world = World::new(Setup { options, ..Setup::default() });
        world.write("a.scan.md", &sections(0..12));
        let events = world.pipeline.events();
        let task = tokio::spawn(world.ingest());
        within(reaches(events, stage, least)).await;
        task.abort();
        drop(task.await);

        let summary = within(async {
            // The job comes back when it was given back.
            loop {
                let summary = world.ingest().await;
                let status = world.document("a.scan.md").status;
                if status == DocumentStatus::Ready {
                    return summary;
                }
                tokio::task::yield_now().await;
            }
        })
        .await;
        assert_eq!(summary.failed, [], "{stage:?} {least}");
        assert_eq!(most(&world.parsed), 1, "parsed once: {stage:?} {least}");
        assert_eq!(most(&world.read), 1, "each picture read once: {stage:?} {least}");
        assert_eq!(most(&world.embedded), 1, "each text embedded once: {stage:?} {least}");
        assert_eq!(world.texts("a.scan.md").len(), world.embedded.lock().unwrap().len());
    }
}

#[tokio::test]
async fn only_texts_that_changed_are_embedded_again() {
    // Nothing is kept, so only the version that is there now can help.
    let cheap_models = vec!["far/numbers".to_owned()];
    let options = PipelineOptions { cheap_models, ..PipelineOptions::default() };
    let world = World::new(Setup { options, ..Setup::default() });
    world.write("a.md", &sections(0..8));
    world.ingest().await;
    world.embedded.lock().unwrap().clear();
    world.write("a.md", &sections([0, 1, 2, 9, 4, 5, 6, 7, 8]));
    assert_eq!(world.ingest().await.added, 1);
    let embedded: Vec<String> = world.embedded.lock().unwrap().keys().cloned().collect();
    assert_eq!(embedded.len(), 2, "{embedded:?}");
    let vectors = world.store.embedded_chunks(&world.document("a.md").id).unwrap();
    assert_eq!(vectors.len(), 9);
    for chunk in vectors {
        let length = chunk.chunk.contextual_text().len() as f32;
        assert!((chunk.vector[1] / chunk.vector[0] - length).abs() < 0.5, "its own vector");
    }
}

#[tokio::test]
async fn the_prefix_of_the_model_is_embedded_and_not_shown() {
    let world = World::new(Setup { prefix: "passage: ".to_owned(), ..Setup::default() });
    world.write("a.md", "tea");
    world.ingest().await;
    assert_eq!(world.texts("a.md"), ["tea"]);
    assert!(world.embedded.lock().unwrap().contains_key("passage: tea"));
}

#[tokio::test]
async fn pictures_are_read_into_their_places() {
    let world = World::new(Setup::default());
    world.write("a.scan.md", "first\n\nsecond");
    assert_eq!(world.ingest().await.failed, []);
    let text = world.texts("a.scan.md").concat();
    let at = |needle: &str| text.find(needle).unwrap_or_else(|| panic!("{needle} in {text}"));
    assert!(at("page says tea") < at("first"), "{text}");
    assert!(at("first") < at("kettle") && at("kettle") < at("second"), "{text}");
}

#[tokio::test]
async fn without_a_vision_model_the_text_is_there_alone() {
    let world = World::new(Setup { blind: true, ..Setup::default() });
    world.write("a.scan.md", "first\n\nsecond");
    assert_eq!(world.ingest().await.failed, []);
    assert_eq!(world.texts("a.scan.md"), ["first\n\nsecond"]);
}

#[tokio::test]
async fn a_page_that_cannot_be_read_fails_its_document() {
    let refuses = Trouble(Arc::new(AtomicU32::new(u32::MAX)), Some(ErrorKind::ContentFilter));
    let world = World::new(Setup { vision: refuses, ..Setup::default() });
    world.write("a.scan.md", "first");
    world.write("b.md", "fine");
    let summary = world.ingest().await;
    assert_eq!((summary.added, summary.failed.len()), (1, 1));
    let reason = "page 1 could not be read: vision request failed: is down";
    assert_eq!(summary.failed[0].1, reason);
}

#[tokio::test]
async fn an_outage_delays_documents_and_fails_none() {
    let down = Trouble(Arc::new(AtomicU32::new(200)), None);
    let world = World::new(Setup { embedding: down, ..Setup::default() });
    for number in 0..20 {
        world.write(&format!("{number}.md"), "text");
    }
    let mut events = Box::pin(world.pipeline.events());
    let summary = world.ingest().await;
    assert_eq!((summary.added, summary.failed.len()), (20, 0));
    let paused = within(async {
        loop {
            if let IngestEvent::Paused(pause) = events.next().await.unwrap() {
                return pause;
            }
        }
    });
    assert_eq!(paused.await.reason, "embedding request failed: is down");
    assert_eq!(world.pipeline.progress().borrow().paused, None);
}

#[tokio::test]
async fn what_is_no_outage_fails_at_once() {
    let wrong_key = Trouble(Arc::new(AtomicU32::new(1)), Some(ErrorKind::Authentication));
    let world = World::new(Setup { embedding: wrong_key, ..Setup::default() });
    world.write("a.md", "text");
    assert_eq!(world.ingest().await.failed.len(), 1);
    // What failed is taken up again by the next ingestion.
    assert_eq!(world.ingest().await.added, 1);
}

#[tokio::test]
async fn a_cancelled_document_stops_and_the_others_go_on() {
    let down = Trouble(Arc::new(AtomicU32::new(u32::MAX)), None);
    let world = World::new(Setup { embedding: down.clone(), ..Setup::default() });
    world.write("a.md", "text");
    let events = world.pipeline.events();
    let mut told = Box::pin(world.pipeline.events());
    let task = tokio::spawn(world.ingest());
    within(reaches(events, IngestStage::Embed, 0)).await;
    let id = world.document("a.md").id;
    assert!(world.pipeline.cancel(&id).await.unwrap());
    // Work stops though the model stays down.
    assert_eq!(within(task).await.unwrap().added, 0);
    assert_eq!(world.document("a.md").status, DocumentStatus::Cancelled);
    assert!(!world.pipeline.cancel(&id).await.unwrap());
    let cancelled = IngestEvent::Cancelled { document: id };
    within(async { while told.next().await.as_ref() != Some(&cancelled) {} }).await;

    down.0.store(0, Ordering::SeqCst);
    world.write("b.md", "more");
    assert_eq!(world.ingest().await.added, 2);
}

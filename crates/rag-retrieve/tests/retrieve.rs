//! Retrieval over the embedded store with scripted models.

use std::sync::Arc;
use std::time::Duration;

use llm_core::{ErrorKind, ModelError, Operation, SyncEmbeddingModel, SyncRerankModel};
use rag_core::{
    Chunk, ChunkIndex, CompletedDocument, ContentHash, Dataset, DatasetSettings, DocumentId,
    DocumentSource, EmbeddedChunk, EmbeddingIdentity, IngestJob, MetadataStore, TenantId,
};
use rag_retrieve::{Reranker, Retrieval, RetrieveRequest, Retriever};
use rag_store::{Durability, EmbeddedStore, StoreOptions};
use tempfile::TempDir;
use testkit::scripted::{SyncScriptedEmbedding, SyncScriptedRerank, vector_of};

const DIMENSIONS: usize = 256;

/// A store with documents of one chunk each, and a retriever over it.
struct Library {
    store: Arc<EmbeddedStore>,
    model: SyncScriptedEmbedding,
    _directory: TempDir,
}

impl Library {
    fn new() -> Self {
        Self::with_model(SyncScriptedEmbedding::new(DIMENSIONS, Duration::ZERO))
    }

    fn with_model(model: SyncScriptedEmbedding) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let options =
            StoreOptions { durability: Durability::ProcessDeath, ..StoreOptions::default() };
        let store = EmbeddedStore::open(directory.path(), options).unwrap();
        Self { store, model, _directory: directory }
    }

    fn dataset(&self, name: &str, model: &str) -> Dataset {
        let embedding = EmbeddingIdentity {
            model: model.into(),
            dimensions: DIMENSIONS as u32,
            ..EmbeddingIdentity::default()
        };
        self.store
            .ensure_dataset(&TenantId::local(), name, &embedding, &DatasetSettings::default())
            .unwrap()
    }

    /// Stores a document whose chunk has this text, and the vector of perhaps another.
    fn add(&self, dataset: &Dataset, name: &str, text: &str, vector_text: &str) -> DocumentId {
        let job = IngestJob::new(
            dataset.id.clone(),
            name.into(),
            DocumentSource::File { path: name.into() },
            ContentHash([1; 32]),
            1,
        );
        self.store.submit(&job).unwrap();
        let job = self.store.claim(Duration::from_secs(600), 3).unwrap().unwrap();
        let chunk = Chunk {
            tokens: 1,
            ..Chunk::new(
                name.parse().unwrap(),
                dataset.id.clone(),
                job.document.clone(),
                text.into(),
            )
        };
        let vector = vector_of(vector_text, DIMENSIONS);
        let chunks = vec![EmbeddedChunk { chunk, vector }];
        self.store
            .complete(
                &job,
                CompletedDocument {
                    title: Some("A title".into()),
                    chunks,
                    ..CompletedDocument::default()
                },
            )
            .unwrap();
        job.document
    }

    fn retrieve(&self, request: &RetrieveRequest) -> Retrieval {
        let model = self.model.clone();
        let embedder = move |identity: &EmbeddingIdentity| match identity.model.as_str() {
            "test/gone" => Err(ModelError::new(ErrorKind::NotFound, Operation::Embed, "gone")),
            _ => Ok(Arc::new(model.clone()) as Arc<dyn SyncEmbeddingModel>),
        };
        let retriever = Retriever::new(self.store.clone(), self.store.clone(), Arc::new(embedder));
        retriever.retrieve(request).unwrap()
    }
}

fn ask(question: &str, datasets: &[&Dataset]) -> RetrieveRequest {
    RetrieveRequest {
        question: question.into(),
        datasets: datasets.iter().map(|dataset| (*dataset).clone()).collect(),
        ..RetrieveRequest::default()
    }
}

fn names(retrieval: &Retrieval) -> Vec<&str> {
    retrieval.chunks.iter().map(|found| found.document_name.as_str()).collect()
}

#[test]
fn finds_by_words_and_by_meaning_and_says_why() {
    let library = Library::new();
    let dataset = library.dataset("drinks", "test/words");
    library.add(&dataset, "words", "green tea is brewed at eighty degrees", "unrelated");
    library.add(&dataset, "meaning", "sencha wants moderate heat", "temperature for green tea");
    library.add(&dataset, "neither", "black coffee", "nothing alike");
    let found = library.retrieve(&ask("temperature for green tea", &[&dataset]));

    assert_eq!(names(&found)[..2], ["meaning", "words"]);
    assert_eq!(found.total, 3);
    assert!(found.warnings.is_empty());
    let [meaning, words] = [&found.chunks[0], &found.chunks[1]];
    assert_eq!((meaning.text_score, meaning.coverage), (None, 0.0));
    assert!(meaning.vector_score.unwrap() > 0.99);
    assert!(words.text_score.unwrap() > 0.0 && words.coverage > 0.0 && words.coverage < 1.0);
    assert!(words.vector_score.unwrap() < 0.5, "a hit of full text has its cosine too");
    assert_eq!(words.title.as_deref(), Some("A title"));
    assert_eq!(words.score, words.fused_score);
}

#[test]
fn the_weight_decides_and_zero_asks_no_model() {
    let library = Library::new();
    let dataset = library.dataset("drinks", "test/words");
    library.add(&dataset, "words", "green tea", "unrelated");
    library.add(&dataset, "meaning", "sencha", "green tea");
    let first = |weight: f32| {
        let request =
            RetrieveRequest { vector_weight: Some(weight), ..ask("green tea", &[&dataset]) };
        library.retrieve(&request).chunks[0].document_name.clone()
    };
    assert_eq!((first(0.9), first(0.1)), ("meaning".into(), "words".into()));
    let asked = library.model.requests().len();
    assert_eq!(first(0.0), "words");
    assert_eq!(library.model.requests().len(), asked);
}

#[test]
fn a_failing_model_leaves_full_text_and_a_warning() {
    let failing = SyncScriptedEmbedding::new(DIMENSIONS, Duration::ZERO)
        .then(Some(ErrorKind::Overloaded.into()));
    let of_other_length = SyncScriptedEmbedding::new(3, Duration::ZERO);
    for (model, name) in [
        (failing, "test/words"),
        (of_other_length, "test/words"),
        (SyncScriptedEmbedding::new(DIMENSIONS, Duration::ZERO), "test/gone"),
    ] {
        let shortens = model.info().limits.dimensions == Some(3);
        let library = Library::with_model(model);
        let dataset = library.dataset("drinks", name);
        library.add(&dataset, "tea", "green tea", "green tea");
        let found = library.retrieve(&ask("green tea", &[&dataset]));
        assert_eq!(names(&found), ["tea"]);
        if shortens {
            // The scripted model gives any length that it is asked for, as ours is asked to.
            assert_eq!(library.model.requests()[0].dimensions, Some(DIMENSIONS as u32));
            continue;
        }
        assert_eq!(found.warnings, [format!("only full text was searched: {name} failed")]);
        assert_eq!(found.chunks[0].vector_score, None);
    }
}

#[test]
fn datasets_of_different_models_are_searched_together() {
    let library = Library::new();
    let one = library.dataset("one", "test/one");
    let other = library.dataset("other", "test/other");
    let same = library.dataset("same", "test/one");
    library.add(&one, "a", "green tea", "green tea");
    library.add(&other, "b", "green tea in the afternoon", "green tea");
    library.add(&same, "c", "black tea", "black tea");
    let found = library.retrieve(&ask("green tea", &[&one, &other, &same]));
    assert_eq!(names(&found)[0], "a");
    assert_eq!((found.chunks.len(), found.total), (3, 3));
    assert_eq!(library.model.requests().len(), 2, "one call for each model");
}

#[test]
fn filters_thresholds_and_pages() {
    let library = Library::new();
    let dataset = library.dataset("drinks", "test/words");
    let documents: Vec<DocumentId> = (0..9)
        .map(|number| {
            let text = format!("green tea{}", " and more".repeat(number));
            library.add(&dataset, &format!("d{number}"), &text, &text)
        })
        .collect();
    let all = library.retrieve(&RetrieveRequest { top: 9, ..ask("green tea", &[&dataset]) });
    assert_eq!((all.chunks.len(), all.matching), (9, 9));

    let pages: Vec<String> = (0..3)
        .flat_map(|page| {
            let request =
                RetrieveRequest { top: 3, skip: page * 3, ..ask("green tea", &[&dataset]) };
            let found = library.retrieve(&request);
            assert_eq!(found.matching, 9);
            names(&found).into_iter().map(str::to_owned).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(pages, names(&all));

    let threshold = all.chunks[4].score;
    let request = RetrieveRequest { top: 9, threshold, ..ask("green tea", &[&dataset]) };
    assert_eq!(library.retrieve(&request).chunks.len(), 5);

    let some = |documents: Vec<DocumentId>| {
        let request =
            RetrieveRequest { documents: Some(documents), ..ask("green tea", &[&dataset]) };
        let found = library.retrieve(&request);
        (found.chunks.len(), found.total)
    };
    assert_eq!(some(vec![documents[2].clone()]), (1, 1));
    assert_eq!(some(vec![]), (0, 0), "an empty filter finds nothing");
}

#[test]
fn nothing_is_found_nowhere_and_without_a_question() {
    let library = Library::new();
    let dataset = library.dataset("drinks", "test/words");
    library.add(&dataset, "tea", "green tea", "green tea");
    for request in [ask("green tea", &[]), ask("  ", &[&dataset])] {
        assert!(library.retrieve(&request).chunks.is_empty());
    }
}

#[test]
fn a_rerank_model_has_the_last_word() {
    let library = Library::new();
    let dataset = library.dataset("drinks", "test/words");
    library.add(&dataset, "best", "tea tea tea", "green tea");
    library.add(&dataset, "exact", "green tea", "coffee");
    library.add(&dataset, "behind", "water", "the sea");
    let rerank = |model: SyncScriptedRerank| {
        let model: Arc<dyn SyncRerankModel> = Arc::new(model);
        let request = RetrieveRequest {
            vector_weight: Some(0.9),
            rerank: Some(Reranker { model, hits: 2 }),
            ..ask("green tea", &[&dataset])
        };
        library.retrieve(&request)
    };
    let found = rerank(SyncScriptedRerank::new(Duration::ZERO));
    assert_eq!(names(&found), ["exact", "best", "behind"]);
    assert_eq!(found.chunks[0].rerank_score, Some(found.chunks[0].score));
    assert_eq!(found.chunks[2].rerank_score, None, "only the best two are reranked");

    let failing = SyncScriptedRerank::new(Duration::ZERO).then(Some(ErrorKind::Timeout.into()));
    let found = rerank(failing);
    assert_eq!(names(&found), ["best", "exact", "behind"]);
    assert_eq!(found.warnings.len(), 1, "{:?}", found.warnings);
}

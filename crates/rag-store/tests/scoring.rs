//! However a search is carried out, a chunk scores the same.

use std::sync::Arc;
use std::time::Duration;

use rag_core::{
    Chunk, ChunkFilter, ChunkIndex, CompletedDocument, ContentHash, Dataset, DatasetSettings,
    DocumentId, DocumentSource, EmbeddedChunk, EmbeddingIdentity, IngestJob, MetadataStore,
    PhraseUse, SearchQuery, TenantId,
};
use rag_store::{Durability, EmbeddedStore, StoreOptions};
use tempfile::TempDir;

const DOCUMENTS: usize = 60;
const QUESTION: &str = "how much water does green tea need";
const QUOTING: &str = "how much water \"needs water\" does \"green, green tea\" \"and time\" need";

struct Library {
    store: Arc<EmbeddedStore>,
    /// The first has all documents.
    datasets: Vec<Dataset>,
    documents: Vec<DocumentId>,
    _directory: TempDir,
}

impl Library {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let options =
            StoreOptions { durability: Durability::ProcessDeath, ..StoreOptions::default() };
        let store = EmbeddedStore::open(directory.path(), options).expect("a store");
        let embedding = EmbeddingIdentity {
            model: "test/two".into(),
            dimensions: 2,
            ..EmbeddingIdentity::default()
        };
        let datasets: Vec<Dataset> = (0..40)
            .map(|number| {
                store
                    .ensure_dataset(
                        &TenantId::local(),
                        &number.to_string(),
                        &embedding,
                        &DatasetSettings::default(),
                    )
                    .expect("a dataset")
            })
            .collect();
        let mut library = Self { store, datasets, documents: Vec::new(), _directory: directory };
        for number in 0..DOCUMENTS {
            library.add(number);
            // Several segments and files.
            if number % 20 == 7 {
                library.store.flush().expect("flushed");
            }
        }
        library
    }

    fn add(&mut self, number: usize) {
        let dataset = &self.datasets[0];
        let job = IngestJob::new(
            dataset.id.clone(),
            number.to_string(),
            DocumentSource::File { path: number.to_string().into() },
            ContentHash([0; 32]),
            1,
        );
        self.store.submit(&job).expect("submitted");
        let job = self.store.claim(Duration::from_secs(600), 3).expect("claimed").expect("a job");
        let text = format!(
            "{}tea {}{}",
            "green ".repeat(number % 3),
            "needs water ".repeat(number % 4),
            "and time ".repeat(number % 7)
        );
        let id = format!("c{number}").parse().expect("an id");
        let many = |what: &str, every: usize| match number % every {
            0 => vec![what.to_owned(); number % 4],
            _ => Vec::new(),
        };
        let chunk = Chunk {
            keywords: many("water", 3),
            questions: many("does tea need water", 4),
            ..Chunk::new(id, dataset.id.clone(), job.document.clone(), text)
        };
        let vector = vec![number as f32, 30.0];
        let title = number.is_multiple_of(5).then_some("Water");
        let chunks = vec![EmbeddedChunk { chunk, vector }];
        self.store
            .complete(
                &job,
                CompletedDocument {
                    title: title.map(str::to_owned),
                    chunks,
                    ..CompletedDocument::default()
                },
            )
            .expect("completed");
        self.documents.push(job.document);
    }

    /// The hits with their scores, by text and by vector.
    fn search(
        &self,
        datasets: usize,
        documents: Option<Vec<DocumentId>>,
    ) -> [Vec<(String, f32)>; 2] {
        self.ask(QUESTION, PhraseUse::Prefer, datasets, documents)
    }

    fn ask(
        &self,
        question: &str,
        phrases: PhraseUse,
        datasets: usize,
        documents: Option<Vec<DocumentId>>,
    ) -> [Vec<(String, f32)>; 2] {
        let query = SearchQuery {
            text: Some(question.into()),
            phrases,
            vector: Some(vec![1.0, 1.0]),
            filter: ChunkFilter {
                datasets: self.datasets[..datasets].iter().map(|d| d.id.clone()).collect(),
                documents,
                ..ChunkFilter::default()
            },
            limit: DOCUMENTS,
        };
        let found = self.store.search(&query).expect("searched");
        [found.text, found.vector]
            .map(|hits| hits.into_iter().map(|hit| (hit.chunk.to_string(), hit.score)).collect())
    }
}

#[track_caller]
fn assert_same(left: &[(String, f32)], right: &[(String, f32)]) {
    assert_eq!(left.len(), right.len());
    let mut right = right.to_vec();
    right.sort_by(|a, b| a.0.cmp(&b.0));
    for (id, score) in left {
        let at = right.binary_search_by(|(other, _)| other.cmp(id)).expect("in both");
        assert!((score - right[at].1).abs() < 1e-4, "{id}: {score} {}", right[at].1);
    }
}

#[test]
fn with_and_without_a_filter_in_memory_and_in_files() {
    let library = Library::new();
    for _ in ["in memory", "in files"] {
        let [text, vector] = library.search(1, None);
        assert_eq!((text.len(), vector.len()), (DOCUMENTS, DOCUMENTS));
        for some in [2, 7, 30] {
            let documents: Vec<_> = library.documents.iter().step_by(some).cloned().collect();
            let names: Vec<String> =
                (0..DOCUMENTS).step_by(some).map(|n| format!("c{n}")).collect();
            let among = |hits: &[(String, f32)]| {
                hits.iter().filter(|(id, _)| names.contains(id)).cloned().collect::<Vec<_>>()
            };
            let [text_of_some, vector_of_some] = library.search(1, Some(documents));
            assert_same(&text_of_some, &among(&text));
            assert_same(&vector_of_some, &among(&vector));
        }
        library.store.flush().expect("flushed");
    }
}

#[test]
fn with_few_and_with_many_datasets() {
    let library = Library::new();
    library.store.flush().expect("flushed");
    let [text, vector] = library.search(1, None);
    let [text_of_many, vector_of_many] = library.search(40, None);
    assert_same(&text, &text_of_many);
    assert_same(&vector, &vector_of_many);
}

#[test]
fn phrases_in_memory_and_in_files() {
    let library = Library::new();
    let everywhere = |phrases| {
        let one = library.ask(QUOTING, phrases, 1, None);
        for (among, other) in one.iter().zip(library.ask(QUOTING, phrases, 40, None)) {
            assert_same(among, &other);
        }
        let some: Vec<DocumentId> = library.documents.iter().step_by(3).cloned().collect();
        let [text, _] = library.ask(QUOTING, phrases, 1, Some(some));
        let expected = one[0].iter().filter(|(id, _)| {
            id.strip_prefix('c').and_then(|n| n.parse::<usize>().ok()).is_some_and(|n| n % 3 == 0)
        });
        assert_same(&text, &expected.cloned().collect::<Vec<_>>());
        one
    };
    let before = [PhraseUse::Prefer, PhraseUse::Require].map(everywhere);
    library.store.flush().expect("flushed");
    let after = [PhraseUse::Prefer, PhraseUse::Require].map(everywhere);
    for (before, after) in before.iter().flatten().zip(after.iter().flatten()) {
        assert_same(before, after);
    }
    let [preferred, required] = &before;
    // All three phrases: green twice, water at least once, time at least once.
    let all = |n: &usize| n % 3 == 2 && !n.is_multiple_of(4) && !n.is_multiple_of(7);
    let mut holding: Vec<String> = (0..DOCUMENTS).filter(all).map(|n| format!("c{n}")).collect();
    holding.sort_unstable();
    assert_eq!(preferred[0].len(), DOCUMENTS, "the others come behind");
    for hits in [&required[0], &required[1], &preferred[0][..holding.len()].to_vec()] {
        let mut ids: Vec<String> = hits.iter().map(|(id, _)| id.clone()).collect();
        ids.sort_unstable();
        assert_eq!(ids, holding);
    }
}

#[test]
fn after_documents_are_deleted() {
    let library = Library::new();
    library.store.flush().expect("flushed");
    for document in library.documents.iter().skip(10) {
        assert!(library.store.delete_document(document).expect("deleted"));
    }
    let expected: Vec<String> = (0..10).map(|number| format!("c{number}")).collect();
    for _ in ["before", "after"] {
        for datasets in [1, 40] {
            for hits in library.search(datasets, None) {
                let mut ids: Vec<_> = hits.into_iter().map(|(id, _)| id).collect();
                ids.sort_unstable();
                assert_eq!(ids, expected, "{datasets}");
            }
        }
        library.store.flush().expect("flushed");
    }
}

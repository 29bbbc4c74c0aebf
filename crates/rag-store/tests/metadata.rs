//! Filters over metadata give what looking at every document would, whatever has happened to the documents, and
//! however much memory their index may take.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use rag_core::{
    Chunk, ChunkFilter, ChunkIndex, CompletedDocument, ContentHash, Dataset, DatasetSettings,
    DocumentSource, EmbeddedChunk, EmbeddingIdentity, FilterOperator, IngestJob, Metadata,
    MetadataFilter, MetadataStore, MetadataValue, SearchQuery, TenantId,
};
use rag_store::{Durability, EmbeddedStore, StoreOptions};

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
const FIELDS: [&str; 3] = ["x", "y", "z"];

#[derive(Clone, Debug)]
enum Step {
    Ingest(usize, Metadata),
    Set(usize, Metadata),
    Delete(usize),
    Ask(MetadataFilter),
}

fn word() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "tea",
        "Tea",
        "green tea",
        "1",
        "2",
        "10",
        "1.5",
        "007",
        "true",
        "",
        " ",
        "2024-02-29",
        "2024-02-29T10:00:00Z",
        "2024-03-01",
        "2024",
        "grün",
    ])
    .prop_map(Into::into)
}

fn value() -> impl Strategy<Value = MetadataValue> {
    prop_oneof![
        word().prop_map(MetadataValue::Text),
        prop::collection::vec(word(), 0..3).prop_map(MetadataValue::List),
        (-2_i8..12).prop_map(|number| MetadataValue::Number(f64::from(number) / 2.0)),
        any::<bool>().prop_map(MetadataValue::Bool),
    ]
}

fn metadata() -> impl Strategy<Value = Metadata> {
    let field = prop::sample::select(FIELDS.to_vec()).prop_map(str::to_owned);
    prop::collection::btree_map(field, value(), 0..3)
}

fn filter() -> impl Strategy<Value = MetadataFilter> {
    use FilterOperator::*;
    let operators = vec![
        Equal,
        NotEqual,
        Greater,
        GreaterOrEqual,
        Less,
        LessOrEqual,
        Contains,
        NotContains,
        In,
        NotIn,
        StartsWith,
        EndsWith,
        Empty,
        NotEmpty,
    ];
    let field = prop::sample::select(FIELDS.to_vec());
    let condition = (field, prop::sample::select(operators), value())
        .prop_map(|(field, operator, value)| MetadataFilter::field(field, operator, value));
    condition.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(MetadataFilter::All),
            prop::collection::vec(inner.clone(), 0..3).prop_map(MetadataFilter::Any),
            inner.prop_map(|filter| MetadataFilter::Not(Box::new(filter))),
        ]
    })
}

fn step() -> impl Strategy<Value = Step> {
    let name = 0..NAMES.len();
    prop_oneof![
        3 => (name.clone(), metadata()).prop_map(|(name, metadata)| Step::Ingest(name, metadata)),
        2 => (name.clone(), metadata()).prop_map(|(name, metadata)| Step::Set(name, metadata)),
        1 => name.prop_map(Step::Delete),
        6 => filter().prop_map(Step::Ask),
    ]
}

/// A store, and what must be in it.
struct Library {
    store: Arc<EmbeddedStore>,
    datasets: [Dataset; 2],
    /// What is known of each document, and what its owner gave.
    documents: BTreeMap<&'static str, (Metadata, Metadata)>,
    ingested: u8,
    _directory: tempfile::TempDir,
}

impl Library {
    fn new(metadata_bytes: usize) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let durability = Durability::ProcessDeath;
        let options = StoreOptions { durability, metadata_bytes, ..StoreOptions::default() };
        let store = EmbeddedStore::open(directory.path(), options).expect("a store");
        let embedding = EmbeddingIdentity {
            model: "test/one".into(),
            dimensions: 1,
            ..EmbeddingIdentity::default()
        };
        let settings = DatasetSettings::default();
        let datasets = ["left", "right"].map(|name| {
            let made = store.ensure_dataset(&TenantId::local(), name, &embedding, &settings);
            made.expect("a dataset")
        });
        let documents = BTreeMap::new();
        Self { store, datasets, documents, ingested: 0, _directory: directory }
    }

    fn dataset_of(&self, name: &str) -> &Dataset {
        &self.datasets[usize::from(name >= "d")]
    }

    fn ingest(&mut self, name: &'static str, found: Metadata) {
        self.ingested += 1;
        let dataset = self.dataset_of(name).id.clone();
        let source = DocumentSource::File { path: name.into() };
        let hash = ContentHash([self.ingested; 32]);
        let given = self.documents.get(name).map(|(_, given)| given.clone()).unwrap_or_default();
        let mut job = IngestJob::new(dataset.clone(), name.into(), source, hash, 1);
        job.metadata = given.clone();
        self.store.submit(&job).expect("submitted");
        let job = self.store.claim(Duration::from_secs(600), 3).expect("claimed").expect("a job");
        let id = name.parse().expect("an id");
        let chunk = Chunk::new(id, dataset, job.document.clone(), "tea".into());
        let completed = CompletedDocument {
            metadata: found.clone(),
            chunks: vec![EmbeddedChunk { chunk, vector: vec![1.0] }],
            ..CompletedDocument::default()
        };
        self.store.complete(&job, completed).expect("completed");
        let mut known = found;
        known.extend(given.clone());
        self.documents.insert(name, (known, given));
    }

    fn id(&self, name: &str) -> Option<rag_core::DocumentId> {
        let dataset = &self.dataset_of(name).id;
        Some(self.store.document_by_name(dataset, name).expect("read")?.id)
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Ingest(name, found) => self.ingest(NAMES[name], found),
            Step::Set(name, metadata) => {
                if let Some(id) = self.id(NAMES[name]) {
                    assert!(self.store.set_metadata(&id, &metadata).expect("set"));
                    self.documents.insert(NAMES[name], (metadata.clone(), metadata));
                }
            }
            Step::Delete(name) => {
                if let Some(id) = self.id(NAMES[name]) {
                    assert!(self.store.delete_document(&id).expect("deleted"));
                    self.documents.remove(NAMES[name]);
                }
            }
            Step::Ask(filter) => self.ask(&filter),
        }
    }

    fn ask(&self, filter: &MetadataFilter) {
        let passing = self.documents.iter().filter(|(_, (known, _))| filter.matches(known));
        let expected: Vec<&str> = passing.map(|(name, _)| *name).collect();
        let chunks = ChunkFilter {
            datasets: self.datasets.iter().map(|dataset| dataset.id.clone()).collect(),
            metadata: Some(filter.clone()),
            ..ChunkFilter::default()
        };
        let count = self.store.count(&chunks).expect("counted");
        let query = SearchQuery {
            vector: Some(vec![1.0]),
            filter: chunks,
            limit: 99,
            ..SearchQuery::default()
        };
        let found = self.store.search(&query).expect("searched").vector;
        let names: Vec<&str> = found.iter().map(|hit| hit.chunk.as_str()).collect();
        assert_eq!(names, expected, "{filter}");
        assert_eq!(count, expected.len() as u64, "{filter}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn filters_are_exact(
        steps in prop::collection::vec(step(), 1..60),
        // All in memory; one dataset of two at a time; nothing.
        metadata_bytes in prop::sample::select(vec![1 << 20, 1500, 0]),
    ) {
        let mut library = Library::new(metadata_bytes);
        steps.into_iter().for_each(|step| library.run(step));
    }
}

//! Searches where the database has a choice: filters answered by its indexes, vectors by an approximate one.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rag_core::{
    Chunk, ChunkFilter, ChunkIndex, CompletedDocument, ContentHash, Dataset, DatasetSettings,
    DocumentSource, EmbeddedChunk, EmbeddingIdentity, FilterOperator, IngestJob, Metadata,
    MetadataFilter, MetadataStore, MetadataValue, SearchQuery, TenantId,
};
use rag_postgres::{PostgresOptions, PostgresStore};
use testkit::{Numbers, PostgresServer};

const LONG: Duration = Duration::from_secs(600);

fn shelf(store: &PostgresStore, dimensions: u32) -> Dataset {
    let embedding =
        EmbeddingIdentity { model: "test/any".into(), dimensions, ..Default::default() };
    let settings = DatasetSettings::default();
    store.ensure_dataset(&TenantId::local(), "shelf", &embedding, &settings).expect("a dataset")
}

/// A document of one chunk, both called by its number.
fn ingest(
    store: &PostgresStore,
    dataset: &Dataset,
    number: usize,
    vector: Vec<f32>,
    metadata: Metadata,
) {
    let source = DocumentSource::File { path: "/none".into() };
    let content = ContentHash([1; 32]);
    let job = IngestJob::new(dataset.id.clone(), number.to_string(), source, content, 1);
    store.submit(&job).expect("submitted");
    let held = store.claim(LONG, 3).expect("claimed").expect("a job");
    let id = format!("c{number}").parse().expect("an id");
    let chunk = Chunk::new(id, dataset.id.clone(), held.document.clone(), "tea".into());
    let chunks = vec![EmbeddedChunk { chunk, vector }];
    let completed = CompletedDocument { metadata, chunks, ..CompletedDocument::default() };
    store.complete(&held, completed).expect("completed");
}

fn nearest(
    store: &PostgresStore,
    dataset: &Dataset,
    vector: &[f32],
    metadata: Option<MetadataFilter>,
    limit: usize,
) -> Vec<usize> {
    let datasets = vec![dataset.id.clone()];
    let filter = ChunkFilter { datasets, metadata, ..ChunkFilter::default() };
    let vector = Some(vector.to_vec());
    let query = SearchQuery { vector, filter, limit, ..SearchQuery::default() };
    let hits = store.search(&query).expect("searched").vector;
    hits.iter().map(|hit| hit.chunk.as_str()[1..].parse().expect("a number")).collect()
}

/// Values of every kind, those that look like another one, and those that are alike.
fn values() -> Vec<MetadataValue> {
    let texts = [
        "10",
        "9",
        "-2.5",
        "1e3",
        "007",
        "2026-11-23",
        "2026-11-23T10:00:00Z",
        "2026-11-24",
        "Tea",
        " tEA ",
        "green tea, 茶",
        "ΟΔΟΣ",
        "it's 100 % \\ _",
        "",
    ];
    let mut values: Vec<MetadataValue> =
        texts.iter().map(|text| MetadataValue::Text((*text).into())).collect();
    let alike = "x".repeat(100);
    values.extend([
        MetadataValue::Number(10.0),
        MetadataValue::Number(-1000.5),
        MetadataValue::Bool(true),
        MetadataValue::Text(alike.clone()),
        MetadataValue::Text(alike + "y"),
        MetadataValue::List(vec!["tea".into(), "2026-11-23".into(), "9".into()]),
        MetadataValue::List(Vec::new()),
    ]);
    values
}

#[test]
fn filters_give_what_looking_at_every_document_gives() {
    use FilterOperator as Is;
    let Some(server) = PostgresServer::start() else { return };
    let store = PostgresStore::open(PostgresOptions::new(server.database())).expect("a store");
    let dataset = shelf(&store, 1);
    let mut known = vec![Metadata::new()];
    known.extend(values().into_iter().map(|value| Metadata::from([("field".to_owned(), value)])));
    for (number, metadata) in known.iter().enumerate() {
        ingest(&store, &dataset, number, vec![1.0], metadata.clone());
    }
    for operator in [
        Is::Equal,
        Is::NotEqual,
        Is::Greater,
        Is::GreaterOrEqual,
        Is::Less,
        Is::LessOrEqual,
        Is::Contains,
        Is::NotContains,
        Is::In,
        Is::NotIn,
        Is::StartsWith,
        Is::EndsWith,
        Is::Empty,
        Is::NotEmpty,
    ] {
        for value in values() {
            let filter = MetadataFilter::field("field", operator, value);
            for filter in [filter.clone(), MetadataFilter::Not(filter.into())] {
                let expected: BTreeSet<usize> =
                    (0..known.len()).filter(|number| filter.matches(&known[*number])).collect();
                let found = nearest(&store, &dataset, &[1.0], Some(filter.clone()), 100);
                assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected, "{filter}");
            }
        }
    }
}

#[test]
fn an_approximate_index_finds_what_is_near() {
    const CHUNKS: usize = 300;
    const DIMENSIONS: usize = 8;
    let Some(server) = PostgresServer::start() else { return };
    let url = server.database();
    let options = PostgresOptions { exact_chunks: 50, ..PostgresOptions::new(url.clone()) };
    let store = PostgresStore::open(options).expect("a store");
    let dataset = shelf(&store, DIMENSIONS as u32);
    let mut numbers = Numbers::new(7);
    let mut vector = || {
        let numbers: Vec<f32> =
            (0..DIMENSIONS).map(|_| numbers.below(2001) as f32 / 1000.0 - 1.0).collect();
        let length = numbers.iter().map(|n| n * n).sum::<f32>().sqrt();
        numbers.into_iter().map(|number| number / length).collect::<Vec<f32>>()
    };
    for number in 0..CHUNKS {
        let half = if number % 2 == 0 { "even" } else { "odd" };
        let metadata = Metadata::from([("half".to_owned(), MetadataValue::Text(half.into()))]);
        ingest(&store, &dataset, number, vector(), metadata);
    }
    store.do_chores().expect("an index is made");
    let exact: Arc<PostgresStore> =
        PostgresStore::open(PostgresOptions::new(url)).expect("a store that compares all");
    let mut found = 0;
    for filter in [None, Some("half = even")] {
        for _ in 0..20 {
            let question = vector();
            let filter = filter.map(|filter| filter.parse().expect("a filter"));
            let expected = nearest(&exact, &dataset, &question, filter.clone(), 10);
            let near = nearest(&store, &dataset, &question, filter, 10);
            assert_eq!(near.len(), 10);
            found += expected.iter().filter(|number| near.contains(number)).count();
        }
    }
    assert!(found >= 390, "{found} of 400");
    assert!(store.delete_dataset(&dataset.id).expect("deleted"));
    store.do_chores().expect("the index is removed");
}

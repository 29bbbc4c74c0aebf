//! What happens at the limits: very many datasets, a full database, artifacts beyond their room, long ingests.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rag_core::{
    ArtifactKey, ArtifactKind, ArtifactStore, Chunk, ChunkFilter, ChunkIndex, ContentHash, Dataset,
    DatasetSettings, DocumentSource, EmbeddedChunk, EmbeddingIdentity, IngestJob, MetadataStore,
    StoreError, StoreErrorKind, TenantId,
};
use rag_store::{Durability, EmbeddedStore, StoreOptions};

fn options() -> StoreOptions {
    StoreOptions { durability: Durability::ProcessDeath, ..StoreOptions::default() }
}

fn dataset(store: &EmbeddedStore, name: &str) -> Dataset {
    let embedding = EmbeddingIdentity {
        model: "test/many".into(),
        dimensions: 256,
        ..EmbeddingIdentity::default()
    };
    let settings = DatasetSettings::default();
    let made = store.ensure_dataset(&TenantId::local(), name, &embedding, &settings);
    made.expect("a dataset")
}

fn ingest(store: &EmbeddedStore, dataset: &Dataset, name: &str) -> Result<(), StoreError> {
    let source = DocumentSource::File { path: name.into() };
    let hash = ContentHash([7; 32]);
    store.submit(&IngestJob::new(dataset.id.clone(), name.into(), source, hash, 1))?;
    let job = store.claim(Duration::from_secs(600), 3)?.expect("a job");
    let chunk = |number| EmbeddedChunk {
        chunk: Chunk::new(
            format!("{name}-{number}").parse().expect("an id"),
            dataset.id.clone(),
            job.document.clone(),
            "tea and water ".repeat(20),
        ),
        vector: vec![0.0625; 256],
    };
    let chunks: Vec<EmbeddedChunk> = (0..10).map(chunk).collect();
    store.complete(&job, chunks.into()).inspect_err(|_| {
        store.cancel(&job.document).ok();
    })
}

fn open(directory: &Path, options: StoreOptions) -> Arc<EmbeddedStore> {
    EmbeddedStore::open(directory, options).expect("a store")
}

#[test]
fn thousands_of_datasets_are_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path(), options());
    for number in 0..2000 {
        dataset(&store, &format!("{number}"));
    }
    ingest(&store, &dataset(&store, "1234"), "a").expect("ingested");
    drop(store);
    let store = open(directory.path(), options());
    let all = store.datasets(&TenantId::local()).expect("listed");
    assert_eq!(all.len(), 2000);
    let datasets = all.into_iter().map(|dataset| dataset.id).collect();
    let filter = ChunkFilter {
        datasets,
        metadata: Some("missing is empty".parse().expect("a filter")),
        ..ChunkFilter::default()
    };
    assert_eq!(store.count(&filter).expect("counted"), 10);
}

#[test]
fn a_full_database_says_so_and_goes_on_when_there_is_room() {
    let directory = tempfile::tempdir().expect("a directory");
    let quiet_time = Duration::from_millis(1);
    let bounded = StoreOptions { most_database_bytes: Some(2 << 20), quiet_time, ..options() };
    let store = open(directory.path(), bounded);
    let shelf = dataset(&store, "shelf");
    let mut stored = 0;
    let refused = loop {
        match ingest(&store, &shelf, &format!("{stored}")) {
            Ok(()) => stored += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(refused.kind(), StoreErrorKind::Full, "{refused}");
    assert!(stored > 10, "{stored}");
    let filter = ChunkFilter { datasets: vec![shelf.id.clone()], ..ChunkFilter::default() };
    assert_eq!(store.count(&filter).expect("reading goes on"), 10 * stored);

    // Room comes from deleting, when what was deleted is cleared away.
    for document in store.documents(&shelf.id).expect("listed").iter().take(20) {
        store.delete_document(&document.id).expect("deleted");
    }
    let mut tries = 0;
    while ingest(&store, &shelf, "again").is_err() {
        tries += 1;
        assert!(tries < 10_000, "there is room again");
        std::thread::yield_now();
    }
}

#[test]
fn artifacts_that_are_used_outlast_others() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path(), StoreOptions { artifact_bytes: 100_000, ..options() });
    let key =
        |number: u8| ArtifactKey { kind: ArtifactKind::Embedding, hash: ContentHash([number; 32]) };
    let held =
        || (0..200).filter(|n| store.artifacts(&[key(*n)]).expect("read")[0].is_some()).count();
    for number in 0..200 {
        store.keep_artifacts(vec![(key(number), vec![number; 1000])]).expect("kept");
        assert!(held() <= 100, "{}", held());
    }
    assert!(held() >= 90, "no more than needed is forgotten: {}", held());
    let last = store.artifacts(&[key(199)]).expect("read");
    assert_eq!(last, [Some(vec![199; 1000])]);
    store.keep_artifacts(vec![(key(201), vec![0; 60_000])]).expect("not kept, but no failure");
    assert_eq!(store.artifacts(&[key(201)]).expect("read"), [None]);
    assert!(held() >= 90, "and nothing was forgotten for it");
}

#[test]
fn the_log_stays_small_in_long_ingests() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path(), StoreOptions { tail_chunks: 500, ..options() });
    let shelf = dataset(&store, "shelf");
    let log = directory.path().join("store.sqlite-wal");
    let mut largest = 0;
    for number in 0..600 {
        ingest(&store, &shelf, &format!("{number}")).expect("ingested");
        largest = largest.max(fs::metadata(&log).map_or(0, |log| log.len()));
    }
    assert!(largest < 80 << 20, "{largest} bytes");
}

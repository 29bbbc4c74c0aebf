//! Backups that are made while the store is written, and stores that are made of them.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use rag_core::{
    Chunk, ChunkFilter, ChunkIndex, ContentHash, Dataset, DatasetSettings, DocumentSource,
    DocumentStatus, EmbeddedChunk, EmbeddingIdentity, IngestJob, MetadataStore, SearchQuery,
    StoreError, StoreErrorKind, TenantId,
};
use rag_store::{BackupProgress, Durability, EmbeddedStore, StoreOptions};

fn open(directory: &Path) -> (Arc<EmbeddedStore>, Dataset) {
    let options = StoreOptions { durability: Durability::ProcessDeath, ..StoreOptions::default() };
    let store = EmbeddedStore::open(directory, options).expect("a store");
    let embedding = EmbeddingIdentity {
        model: "test/two".into(),
        dimensions: 2,
        ..EmbeddingIdentity::default()
    };
    let settings = DatasetSettings::default();
    let dataset = store.ensure_dataset(&TenantId::local(), "default", &embedding, &settings);
    (store, dataset.expect("a dataset"))
}

/// Ingests a document of three chunks.
fn ingest(store: &EmbeddedStore, dataset: &Dataset, name: &str) {
    let source = DocumentSource::File { path: name.into() };
    let hash = ContentHash([7; 32]);
    let job = IngestJob::new(dataset.id.clone(), name.into(), source, hash, 1);
    store.submit(&job).expect("submitted");
    let job = store.claim(Duration::from_secs(600), 3).expect("claimed").expect("a job");
    let chunk = |number| EmbeddedChunk {
        chunk: Chunk::new(
            format!("{name}-{number}").parse().expect("an id"),
            dataset.id.clone(),
            job.document.clone(),
            format!("tea {}", "and more of it ".repeat(20)),
        ),
        vector: vec![1.0, 0.0],
    };
    let chunks: Vec<EmbeddedChunk> = (0..3).map(chunk).collect();
    store.complete(&job, chunks.into()).expect("completed");
}

/// Documents that are ready; each has all of its chunks, by text, by vector and in the database.
fn check(store: &EmbeddedStore, dataset: &Dataset) -> usize {
    let documents = store.documents(&dataset.id).expect("listed");
    let ready = documents.iter().filter(|found| found.status == DocumentStatus::Ready).count();
    let filter = ChunkFilter { datasets: vec![dataset.id.clone()], ..ChunkFilter::default() };
    let query = SearchQuery {
        text: Some("tea".into()),
        vector: Some(vec![1.0, 0.0]),
        filter: filter.clone(),
        limit: 10_000,
        ..SearchQuery::default()
    };
    let found = store.search(&query).expect("searched");
    assert_eq!((found.text.len(), found.vector.len()), (3 * ready, 3 * ready));
    assert_eq!(store.count(&filter).expect("counted"), 3 * ready as u64);
    ready
}

fn go_on(_: BackupProgress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn kind<T: std::fmt::Debug>(result: Result<T, StoreError>) -> StoreErrorKind {
    result.expect_err("an error").kind()
}

#[test]
fn a_backup_is_of_one_moment_while_writing_goes_on() {
    let directory = tempfile::tempdir().expect("a directory");
    let (store, dataset) = open(&directory.path().join("store"));
    let written = AtomicUsize::new(0);
    let done = AtomicBool::new(false);
    let backup = directory.path().join("store.backup");
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let number = written.load(Ordering::Relaxed);
                ingest(&store, &dataset, &format!("{number}"));
                written.store(number + 1, Ordering::Relaxed);
            }
        });
        for least in [20, 60, 100] {
            while written.load(Ordering::Relaxed) < least {
                thread::yield_now();
            }
            let mut told = Vec::new();
            let complete = store.backup(&backup, |progress| {
                told.push(progress);
                // Writing goes on in the midst of it.
                let before = written.load(Ordering::Relaxed);
                while written.load(Ordering::Relaxed) == before {
                    thread::yield_now();
                }
                ControlFlow::Continue(())
            });
            assert!(complete.expect("a backup"));
            assert!(told.last().is_some_and(|last| last.copied == last.pages && last.pages > 0));

            let target = directory.path().join(format!("restored-{least}"));
            EmbeddedStore::restore(&backup, &target, false).expect("restored");
            let (restored, same) = open(&target);
            assert_eq!(same, dataset);
            let found = check(&restored, &same);
            assert!((least..=written.load(Ordering::Relaxed)).contains(&found), "{found}");
            ingest(&restored, &same, "new");
            assert_eq!(check(&restored, &same), found + 1);
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(check(&store, &dataset), written.load(Ordering::Relaxed));
}

#[test]
fn a_backup_that_is_broken_off_leaves_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let (store, dataset) = open(&directory.path().join("store"));
    (0..400).for_each(|number| ingest(&store, &dataset, &format!("{number}")));
    let backup = directory.path().join("store.backup");
    fs::write(&backup, b"an earlier one").expect("written");
    let complete = store.backup(&backup, |_| ControlFlow::Break(())).expect("no failure");
    let names = || fs::read_dir(directory.path()).expect("read").count();
    if !complete {
        assert_eq!(fs::read(&backup).expect("read"), b"an earlier one");
    }
    assert_eq!(names(), 2);
    assert!(store.backup(&backup, go_on).expect("a backup"), "in place of the earlier one");
    assert_eq!(names(), 2);
}

#[test]
fn what_cannot_be_restored_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str| directory.path().join(name);
    let (store, dataset) = open(&at("store"));
    ingest(&store, &dataset, "a");
    assert!(store.backup(at("backup"), go_on).expect("a backup"));
    let own = store.backup(at("store").join("store.sqlite"), go_on);
    assert_eq!(kind(own), StoreErrorKind::Occupied, "over itself");
    assert!(store.backup(at("nowhere").join("backup"), go_on).is_err());

    let restore = |from: &str, to: &str, replace| EmbeddedStore::restore(at(from), at(to), replace);
    assert_eq!(kind(restore("backup", "store", true)), StoreErrorKind::Locked);
    ingest(&store, &dataset, "b");
    drop(store);
    assert_eq!(kind(restore("backup", "store", false)), StoreErrorKind::Occupied);

    let bytes = fs::read(at("backup")).expect("read");
    let mut damaged = bytes.clone();
    damaged[4096 * 3..4096 * 9].fill(0xa5);
    fs::write(at("damaged"), damaged).expect("written");
    fs::write(at("text"), "no database at all, but long enough".repeat(200)).expect("written");
    fs::copy(at("backup"), at("newer")).expect("copied");
    let newer = rusqlite::Connection::open(at("newer")).expect("open");
    newer.pragma_update(None, "user_version", 999).expect("set");
    drop(newer);
    drop(
        rusqlite::Connection::open(at("empty")).and_then(|c| c.execute_batch("CREATE TABLE x (y)")),
    );
    for from in ["damaged", "text", "newer", "empty"] {
        assert_eq!(kind(restore(from, "store", true)), StoreErrorKind::Incompatible, "{from}");
    }
    assert!(restore("missing", "store", true).is_err());

    let (store, same) = open(&at("store"));
    assert_eq!(check(&store, &same), 2, "it is as it was");
    drop(store);
    restore("backup", "store", true).expect("replaced");
    let (store, same) = open(&at("store"));
    assert_eq!(check(&store, &same), 1);
}

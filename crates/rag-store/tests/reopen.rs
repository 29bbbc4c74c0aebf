//! A store that is opened again, by whom it may be, and with its index files gone or damaged.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rag_core::{
    Chunk, ChunkFilter, ChunkIndex, CompletedDocument, ContentHash, Dataset, DatasetSettings,
    DocumentSource, EmbeddedChunk, EmbeddingIdentity, IngestJob, MetadataStore, SearchQuery,
    StoreErrorKind, TenantId,
};
use rag_store::{Durability, EmbeddedStore, StoreOptions};

fn options() -> StoreOptions {
    StoreOptions { durability: Durability::ProcessDeath, ..StoreOptions::default() }
}

fn open(directory: &Path) -> (Arc<EmbeddedStore>, Dataset) {
    let store = EmbeddedStore::open(directory, options()).expect("a store");
    let embedding = EmbeddingIdentity {
        model: "test/two".into(),
        dimensions: 2,
        ..EmbeddingIdentity::default()
    };
    let dataset = store
        .ensure_dataset(&TenantId::local(), "default", &embedding, &DatasetSettings::default())
        .expect("a dataset");
    (store, dataset)
}

fn ingest(store: &EmbeddedStore, dataset: &Dataset, name: &str, text: &str) {
    let job = IngestJob::new(
        dataset.id.clone(),
        name.into(),
        DocumentSource::File { path: name.into() },
        ContentHash([text.len() as u8; 32]),
        1,
    );
    store.submit(&job).expect("submitted");
    let job = store.claim(Duration::from_secs(600), 3).expect("claimed").expect("a job");
    let chunk = Chunk {
        tokens: 1,
        ..Chunk::new(
            format!("chunk-{name}").parse().expect("an id"),
            dataset.id.clone(),
            job.document.clone(),
            text.into(),
        )
    };
    let chunks = vec![EmbeddedChunk { chunk, vector: vec![1.0, 0.0] }];
    store
        .complete(
            &job,
            CompletedDocument {
                title: Some("Title".into()),
                chunks,
                ..CompletedDocument::default()
            },
        )
        .expect("completed");
}

/// The ids found by text and by vector, which are the same, with the scores of the text.
fn found(store: &EmbeddedStore, dataset: &Dataset, words: &str) -> Vec<(String, f32)> {
    let query = SearchQuery {
        text: Some(words.into()),
        vector: Some(vec![1.0, 0.0]),
        filter: ChunkFilter { datasets: vec![dataset.id.clone()], ..ChunkFilter::default() },
        limit: 100,
        ..SearchQuery::default()
    };
    let results = store.search(&query).expect("searched");
    let mut by_text: Vec<_> = results.text.iter().map(|hit| hit.chunk.clone()).collect();
    let mut by_vector: Vec<_> = results.vector.iter().map(|hit| hit.chunk.clone()).collect();
    by_text.sort();
    by_vector.sort();
    assert_eq!(by_text, by_vector);
    results.text.into_iter().map(|hit| (hit.chunk.into(), hit.score)).collect()
}

fn fill(directory: &Path) -> Vec<(String, f32)> {
    let (store, dataset) = open(directory);
    for number in 0..12 {
        let text = format!("tea number {number}{}", " and water".repeat(number % 5));
        ingest(&store, &dataset, &format!("{number}"), &text);
        if number == 5 {
            store.flush().expect("flushed");
        }
    }
    ingest(&store, &dataset, "3", "tea replaced once");
    let documents = store.documents(&dataset.id).expect("listed");
    store.delete_document(&documents[0].id).expect("deleted");
    let found = found(&store, &dataset, "tea water");
    assert_eq!(found.len(), 11);
    found
}

#[test]
fn holds_the_same_after_it_is_opened_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let before = fill(directory.path());
    for _ in 0..2 {
        let (store, dataset) = open(directory.path());
        let ids = |found: &[(String, f32)]| {
            let mut ids: Vec<String> = found.iter().map(|(id, _)| id.clone()).collect();
            ids.sort_unstable();
            ids
        };
        assert_eq!(ids(&found(&store, &dataset, "tea water")), ids(&before));
    }
}

#[test]
fn scores_stay_the_same_when_chunks_move_to_files() {
    let directory = tempfile::tempdir().expect("a directory");
    let (store, dataset) = open(directory.path());
    for number in 0..40 {
        let text = format!("tea number {number}{}", " and water".repeat(number % 7));
        ingest(&store, &dataset, &format!("{number}"), &text);
    }
    let before = found(&store, &dataset, "water of 7 teas");
    store.flush().expect("flushed");
    let after = found(&store, &dataset, "water of 7 teas");
    assert_eq!(before.len(), after.len());
    for (before, after) in before.iter().zip(&after) {
        assert!((before.1 - after.1).abs() < 1e-4, "{before:?} {after:?}");
    }
}

#[test]
fn one_process_has_the_directory() {
    let directory = tempfile::tempdir().expect("a directory");
    let (store, _) = open(directory.path());
    let second = EmbeddedStore::open(directory.path(), options());
    assert_eq!(second.err().map(|error| error.kind()), Some(StoreErrorKind::Locked));
    drop(store);
    open(directory.path());
}

#[test]
fn a_newer_database_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    drop(open(directory.path()));
    let database = rusqlite::Connection::open(directory.path().join("store.sqlite")).expect("open");
    database.pragma_update(None, "user_version", 999).expect("set");
    drop(database);
    let refused = EmbeddedStore::open(directory.path(), options());
    assert_eq!(refused.err().map(|error| error.kind()), Some(StoreErrorKind::Incompatible));
}

#[test]
fn damaged_index_files_are_made_anew() {
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 9] = [
        ("no index", |index| fs::remove_dir_all(index).expect("removed")),
        ("no full text", |index| fs::remove_dir_all(index.join("text")).expect("removed")),
        ("no vectors", |index| {
            files(index, "chunks").iter().for_each(|file| fs::remove_file(file).expect("removed"));
        }),
        ("cut vectors", |index| change(&files(index, "chunks"), |bytes| bytes.truncate(100))),
        ("a flipped bit in vectors", |index| {
            change(&files(index, "chunks"), |bytes| bytes[50] ^= 1);
        }),
        ("a flipped bit in full text", |index| {
            change(&files(&index.join("text"), "term"), |bytes| bytes[0] ^= 1);
        }),
        ("an index of the format before", |index| revise(index, "format", 1)),
        ("an index with the terms of before", |index| revise(index, "analysis", 1)),
        ("a broken manifest", |index| {
            change(&[index.join("text/meta.json")], |bytes| bytes.truncate(20));
        }),
    ];
    for (what, damage) in damages {
        let directory = tempfile::tempdir().expect("a directory");
        let before = fill(directory.path());
        damage(&directory.path().join("index"));
        let (store, dataset) = open(directory.path());
        let after = found(&store, &dataset, "tea water");
        assert_eq!(before.len(), after.len(), "{what}");
    }
}

#[test]
fn what_a_crash_left_behind_is_removed() {
    let directory = tempfile::tempdir().expect("a directory");
    fill(directory.path());
    let stranger = directory.path().join("index/000000000099-1.chunks");
    fs::write(&stranger, b"half a file").expect("written");
    let (store, dataset) = open(directory.path());
    assert_eq!(found(&store, &dataset, "tea").len(), 11);
    assert!(!stranger.exists());
}

/// Sets a number of the manifest.
fn revise(index: &Path, name: &str, number: u32) {
    let path = index.join("text/meta.json");
    let meta = fs::read_to_string(&path).expect("read");
    let mut meta: serde_json::Value = serde_json::from_str(&meta).expect("parsed");
    let manifest = meta["payload"].as_str().expect("a manifest");
    let mut manifest: serde_json::Value = serde_json::from_str(manifest).expect("parsed");
    assert_ne!(manifest[name], number, "{name}");
    manifest[name] = number.into();
    meta["payload"] = manifest.to_string().into();
    fs::write(&path, meta.to_string()).expect("written");
}

fn files(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("read").map(|entry| entry.expect("read").path());
    let files: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|e| e == extension)).collect();
    assert!(!files.is_empty(), "there are .{extension} files");
    files
}

fn change(files: &[PathBuf], change: impl Fn(&mut Vec<u8>)) {
    for file in files {
        let mut bytes = fs::read(file).expect("read");
        change(&mut bytes);
        fs::write(file, bytes).expect("written");
    }
}

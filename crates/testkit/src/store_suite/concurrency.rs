//! Readers and writers at once.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use rag_core::{SearchQuery, SearchResults};

use super::Store;
use super::shelf::{EAST, Shelf, UP, ids};

pub(super) fn readers_see_whole_versions(store: &dyn Store) {
    const VERSIONS: u8 = 60;
    let shelf = Shelf::new(store, "shelf");
    let passages = [("tea one", EAST), ("tea two", EAST), ("tea three", EAST)];
    shelf.ingest("a.md", 0, &passages);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut newest = 0;
                while !done.load(Ordering::Relaxed) {
                    let found = shelf.search(Some("tea"), Some(EAST));
                    let version = check_one_version(&found, passages.len());
                    assert!(version >= newest, "{version} after {newest}");
                    newest = version;
                }
            });
        }
        let _finish = SetOnDrop(&done);
        for version in 1..=VERSIONS {
            shelf.ingest("a.md", version, &passages);
            let found = shelf.search(Some("tea"), Some(EAST));
            assert_eq!(check_one_version(&found, passages.len()), version, "its own write");
        }
    });
}

/// Ends the readers even when the writer panics.
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The version that all hits are of; there are as many by text and by vector.
fn check_one_version(found: &SearchResults, chunks: usize) -> u8 {
    let all: Vec<String> = [ids(&found.text), ids(&found.vector)].concat();
    assert_eq!(all.len(), 2 * chunks, "{all:?}");
    let version = |id: &String| id.split('-').nth(1).and_then(|version| version.parse().ok());
    let versions: Vec<Option<u8>> = all.iter().map(version).collect();
    assert!(versions.iter().all(|version| *version == versions[0]), "{all:?}");
    versions[0].expect("a version")
}

pub(super) fn writers_at_once(store: &dyn Store) {
    const DOCUMENTS: usize = 120;
    let shelf = Shelf::new(store, "shelf");
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= DOCUMENTS {
                        break;
                    }
                    shelf.submit(&format!("{number}.md"), 1);
                    let job = shelf.claim();
                    shelf.complete(&job, 1, &[("tea", EAST), ("water", UP)]).expect("completed");
                    if number.is_multiple_of(3) {
                        assert!(store.delete_document(&job.document).expect("deleted"));
                    }
                }
            });
        }
    });
    let left = DOCUMENTS - DOCUMENTS.div_ceil(3);
    let query = SearchQuery {
        text: Some("tea".into()),
        filter: shelf.filter(),
        limit: 1000,
        ..SearchQuery::default()
    };
    let found = store.search(&query).expect("searched").text;
    assert_eq!((found.len(), shelf.count()), (left, 2 * left as u64));
    let mut unique = ids(&found);
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), left, "no duplicates");
}

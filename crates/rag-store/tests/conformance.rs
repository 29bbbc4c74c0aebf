//! The embedded store does what every store must.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use rag_store::{Durability, EmbeddedStore, StoreOptions};
use testkit::{conversation_suite, store_suite};

fn check(options: StoreOptions) {
    let open = opener(options);
    store_suite::run(&|| open());
}

/// Stores in directories that are kept until all is over.
fn opener(options: StoreOptions) -> impl Fn() -> Arc<EmbeddedStore> {
    let directories = RefCell::new(Vec::new());
    move || {
        let directory = tempfile::tempdir().expect("a directory");
        let store = EmbeddedStore::open(directory.path(), options.clone()).expect("a store");
        directories.borrow_mut().push(directory);
        store
    }
}

fn quick() -> StoreOptions {
    StoreOptions { durability: Durability::ProcessDeath, ..StoreOptions::default() }
}

#[test]
fn with_everything_in_memory() {
    check(quick());
}

#[test]
fn with_every_write_going_to_files_at_once() {
    check(StoreOptions { tail_chunks: 1, quiet_time: Duration::ZERO, ..quick() });
}

#[test]
fn with_writers_waiting_for_files() {
    check(StoreOptions { tail_chunks: 1, most_tail_chunks: 1, ..quick() });
}

#[test]
fn with_full_durability() {
    check(StoreOptions::default());
}

#[test]
fn conversations() {
    let open = opener(quick());
    conversation_suite::run(&|| open());
}

//! Jobs: submitted, held by one worker at a time, done or given up.

use std::time::Duration;

use rag_core::{ContentHash, DocumentStatus, IngestJob, IngestStage, StoreErrorKind, Submitted};

use super::Store;
use super::shelf::{EAST, LONG, Shelf, identity, kind};

pub(super) fn submission_is_idempotent(store: &dyn Store) {
    let shelf = Shelf::new(store, "shelf");
    let Submitted::Queued(document) = shelf.submit("a.md", 1) else { panic!("not queued") };
    let unchanged = || Submitted::Unchanged(document.clone());
    assert_eq!(shelf.document(&document).status, DocumentStatus::Queued);
    assert_eq!(shelf.submit("a.md", 1), unchanged(), "while it is queued");
    assert_eq!(store.pending_jobs().expect("counted"), 1);

    let job = shelf.claim();
    assert_eq!(job.job, shelf.job("a.md", 1));
    assert_eq!(job.embedding, identity());
    assert_eq!(shelf.submit("a.md", 1), unchanged(), "while it runs");
    store.advance(&job, IngestStage::Embed, LONG).expect("advanced");
    let running = DocumentStatus::Running { stage: IngestStage::Embed };
    assert_eq!(shelf.document(&document).status, running);
    shelf.complete(&job, 1, &[("tea", EAST)]).expect("completed");
    assert_eq!(shelf.submit("a.md", 1), unchanged(), "when it is ready");
    assert_eq!(store.pending_jobs().expect("counted"), 0);

    let queued = || Submitted::Queued(document.clone());
    assert_eq!(shelf.submit("a.md", 2), queued(), "with other content");
    let job = shelf.claim();
    assert_eq!(shelf.submit("a.md", 3), queued(), "with other content while it runs");
    assert_eq!(kind(shelf.complete(&job, 2, &[])), StoreErrorKind::LeaseLost);
    let job = shelf.claim();
    assert_eq!(job.job.content, ContentHash([3; 32]));
    store.fail(&job, "it is broken").expect("failed");
    assert_eq!(shelf.submit("a.md", 3), queued(), "when it has failed");

    let elsewhere = IngestJob { dataset: "nowhere".parse().expect("an id"), ..shelf.job("a", 1) };
    assert_eq!(kind(store.submit(&elsewhere)), StoreErrorKind::NotFound);
    assert_eq!(store.documents(&shelf.dataset.id).expect("listed").len(), 1);
}

pub(super) fn submissions_at_once(store: &dyn Store) {
    let shelf = Shelf::new(store, "shelf");
    let known = shelf.ingest("b.md", 1, &[]);
    let jobs = [shelf.job("a.md", 1), shelf.job("b.md", 1), shelf.job("c.md", 1)];
    let submitted = store.submit_all(&jobs).expect("submitted");
    assert!(
        matches!(&submitted[..], [Submitted::Queued(_), Submitted::Unchanged(b), Submitted::Queued(_)] if *b == known)
    );
    assert_eq!([shelf.claim().job.name, shelf.claim().job.name], ["a.md", "c.md"]);

    let elsewhere = IngestJob { dataset: "nowhere".parse().expect("an id"), ..shelf.job("a", 1) };
    let refused = store.submit_all(&[shelf.job("d.md", 1), elsewhere]);
    assert_eq!(kind(refused), StoreErrorKind::NotFound);
    assert_eq!(store.documents(&shelf.dataset.id).expect("listed").len(), 3);
}

pub(super) fn jobs_have_one_holder(store: &dyn Store) {
    let shelf = Shelf::new(store, "shelf");
    assert_eq!(store.claim(LONG, 3).expect("no failure"), None);
    shelf.submit("a.md", 1);
    shelf.submit("b.md", 1);
    let first = shelf.claim();
    let second = shelf.claim();
    assert_eq!([&*first.job.name, &*second.job.name], ["a.md", "b.md"], "the oldest first");
    assert_eq!(store.claim(LONG, 3).expect("no failure"), None, "all are held");

    store.advance(&first, IngestStage::Parse, Duration::ZERO).expect("advanced");
    let taken_over = shelf.claim();
    assert_eq!((taken_over.id, taken_over.attempt), (first.id, 2));
    assert_eq!(kind(store.advance(&first, IngestStage::Chunk, LONG)), StoreErrorKind::LeaseLost);
    assert_eq!(kind(store.fail(&first, "late")), StoreErrorKind::LeaseLost);
    assert_eq!(kind(shelf.complete(&first, 1, &[("tea", EAST)])), StoreErrorKind::LeaseLost);
    assert_eq!(shelf.count(), 0, "the late worker changed nothing");
    shelf.complete(&taken_over, 1, &[("tea", EAST)]).expect("completed");
    assert_eq!(kind(shelf.complete(&taken_over, 1, &[])), StoreErrorKind::LeaseLost);
    assert_eq!(shelf.count(), 1);
}

pub(super) fn jobs_are_given_up(store: &dyn Store) {
    let shelf = Shelf::new(store, "shelf");
    let Submitted::Queued(document) = shelf.submit("a.md", 1) else { panic!("not queued") };
    shelf.submit("b.md", 1);
    for attempt in 1..=2 {
        let job = store.claim(Duration::ZERO, 2).expect("claimed").expect("a job");
        assert_eq!((&*job.job.name, job.attempt), ("a.md", attempt));
    }
    let next = store.claim(LONG, 2).expect("claimed").expect("the other job");
    assert_eq!(next.job.name, "b.md");
    assert!(matches!(shelf.document(&document).status, DocumentStatus::Failed { .. }));
    assert_eq!(store.pending_jobs().expect("counted"), 1);
}

pub(super) fn leases_can_be_forgotten(store: &dyn Store) {
    let shelf = Shelf::new(store, "shelf");
    shelf.submit("a.md", 1);
    let held = shelf.claim();
    store.release_leases().expect("released");
    assert_eq!(shelf.document(&held.document).status, DocumentStatus::Queued);
    let job = shelf.claim();
    assert_eq!((job.id, job.attempt), (held.id, 2));
}

pub(super) fn failures_leave_the_earlier_version(store: &dyn Store) {
    let shelf = Shelf::new(store, "shelf");
    let document = shelf.ingest("a.md", 1, &[("green tea", EAST)]);
    shelf.submit("a.md", 2);
    store.fail(&shelf.claim(), "the file is encrypted").expect("failed");
    let failed = DocumentStatus::Failed { reason: "the file is encrypted".into() };
    assert_eq!(shelf.document(&document).status, failed);
    assert_eq!((shelf.words("tea"), shelf.count()), (vec!["a_md-1-0".to_owned()], 1));
    assert_eq!(store.pending_jobs().expect("counted"), 0);
}

//! Jobs: cancelled, tried again, postponed, in their order.

use std::time::Duration;

use rag_core::{DocumentStatus, IngestJob, IngestStage, StoreErrorKind, Submitted};

use super::Store;
use super::shelf::{EAST, LONG, Shelf, kind};

pub(super) fn jobs_are_cancelled(store: &dyn Store) {
    let shelf = Shelf::new(store, "shelf");
    let document = shelf.ingest("a.md", 1, &[("green tea", EAST)]);
    assert!(!store.cancel(&document).expect("asked"), "it is ready");
    for running in [false, true] {
        shelf.submit("a.md", 2);
        let held = running.then(|| shelf.claim());
        assert!(store.cancel(&document).expect("cancelled"));
        assert!(!store.cancel(&document).expect("asked again"));
        assert_eq!(shelf.document(&document).status, DocumentStatus::Cancelled);
        assert_eq!(store.pending_jobs().expect("counted"), 0);
        if let Some(held) = held {
            assert_eq!(kind(shelf.complete(&held, 2, &[])), StoreErrorKind::LeaseLost);
            let advanced = store.advance(&held, IngestStage::Embed, LONG);
            assert_eq!(kind(advanced), StoreErrorKind::LeaseLost);
            assert_eq!(kind(store.fail(&held, "late")), StoreErrorKind::LeaseLost);
            assert_eq!(kind(store.release(&held)), StoreErrorKind::LeaseLost);
        }
        assert_eq!(shelf.words("tea"), ["a_md-1-0"], "what was there stays");
    }
    assert!(matches!(shelf.submit("a.md", 2), Submitted::Queued(_)), "the same content again");
    let job = shelf.claim();
    shelf.complete(&job, 2, &[("black tea", EAST)]).expect("completed");
    assert_eq!(shelf.words("tea"), ["a_md-2-0"]);
    assert!(!store.cancel(&"nobody".parse().expect("an id")).expect("asked"));
}

pub(super) fn documents_are_retried(store: &dyn Store) {
    let shelf = Shelf::new(store, "shelf");
    let metadata = [("owner".to_owned(), rag_core::MetadataValue::Text("Ann".into()))].into();
    let job = IngestJob { priority: 7, metadata, ..shelf.job("a.md", 1) };
    let Submitted::Queued(document) = store.submit(&job).expect("submitted") else {
        panic!("not queued");
    };
    assert!(!store.retry(&document).expect("asked"), "it is queued");
    let held = shelf.claim();
    assert!(!store.retry(&document).expect("asked"), "it runs");
    store.fail(&held, "the disk was away").expect("failed");
    assert!(store.retry(&document).expect("queued"));
    assert_eq!(shelf.document(&document).status, DocumentStatus::Queued);
    let held = shelf.claim();
    assert_eq!((held.job.clone(), held.attempt), (job.clone(), 1), "as it was submitted");
    store.cancel(&document).expect("cancelled");
    assert!(store.retry(&document).expect("queued"));
    assert_eq!(shelf.claim().job, job);
    store.cancel(&document).expect("cancelled");
    assert!(!store.retry(&"nobody".parse().expect("an id")).expect("asked"));

    let ready = shelf.ingest("b.md", 1, &[]);
    assert!(!store.retry(&ready).expect("asked"));
}

pub(super) fn priorities_come_first(store: &dyn Store) {
    let shelf = Shelf::new(store, "shelf");
    for (name, priority) in [("a", 0), ("b", 9), ("c", 0), ("d", 255), ("e", 9)] {
        store.submit(&IngestJob { priority, ..shelf.job(name, 1) }).expect("submitted");
    }
    let order: Vec<String> = (0..5).map(|_| shelf.claim().job.name).collect();
    assert_eq!(order, ["d", "b", "e", "a", "c"]);
}

pub(super) fn jobs_are_postponed(store: &dyn Store) {
    let shelf = Shelf::new(store, "shelf");
    let Submitted::Queued(document) = shelf.submit("a.md", 1) else { panic!("not queued") };
    let job = shelf.claim();
    assert_eq!((job.last_stage, job.last_reason.as_deref()), (None, None));
    for _ in 0..5 {
        let job = match store.jobs(&shelf.dataset.id, 1).expect("listed")[0].held {
            true => job.clone(),
            false => shelf.claim(),
        };
        assert_eq!(job.attempt, 1, "it does not count");
        store.advance(&job, IngestStage::Embed, LONG).expect("advanced");
        let reason = Some("the model cannot be reached");
        store.postpone(&job, Duration::ZERO, reason).expect("postponed");
        assert_eq!(kind(store.release(&job)), StoreErrorKind::LeaseLost);
    }
    assert_eq!(shelf.document(&document).status, DocumentStatus::Queued);
    let job = store.claim(LONG, 1).expect("claimed").expect("a job");
    assert_eq!(job.last_stage, Some(IngestStage::Embed));
    assert_eq!(job.last_reason.as_deref(), Some("the model cannot be reached"));

    store.postpone(&job, LONG, None).expect("postponed");
    assert_eq!(store.claim(LONG, 3).expect("no failure"), None, "it waits");
    let listed = store.jobs(&shelf.dataset.id, 9).expect("listed");
    assert_eq!(listed[0].last_reason.as_deref(), Some("the model cannot be reached"), "it stays");
    assert!(store.cancel(&document).expect("cancelled"), "a waiting job too");

    shelf.submit("b.md", 1);
    let job = store.claim(Duration::ZERO, 1).expect("claimed").expect("a job");
    assert_eq!(store.claim(LONG, 1).expect("no failure"), None, "it was given up");
    let DocumentStatus::Failed { reason } = shelf.document(&job.document).status else {
        panic!("not failed");
    };
    assert!(reason.contains("1 attempt") && reason.contains("read"), "{reason}");
}

pub(super) fn jobs_are_listed(store: &dyn Store) {
    let (shelf, other) = (Shelf::new(store, "shelf"), Shelf::new(store, "other"));
    for (name, priority) in [("a", 0), ("b", 0), ("c", 5)] {
        store.submit(&IngestJob { priority, ..shelf.job(name, 1) }).expect("submitted");
    }
    other.submit("d", 1);
    store.release(&shelf.claim()).expect("released");
    let held = shelf.claim();
    assert_eq!(held.job.name, "c");
    store.advance(&held, IngestStage::Parse, LONG).expect("advanced");
    let jobs = store.jobs(&shelf.dataset.id, 9).expect("listed");
    let names: Vec<&str> = jobs.iter().map(|job| job.name.as_str()).collect();
    assert_eq!(names, ["c", "a", "b"], "the held one, then the oldest");
    assert_eq!((jobs[0].held, jobs[0].stage), (true, Some(IngestStage::Parse)));
    assert_eq!((jobs[1].held, jobs[1].stage, jobs[1].attempts), (false, None, 0));
    assert_eq!((jobs[0].priority, jobs[0].bytes, &jobs[0].document), (5, 10, &held.document));
    assert_eq!(store.jobs(&shelf.dataset.id, 1).expect("listed").len(), 1);
    assert_eq!(store.jobs(&other.dataset.id, 9).expect("listed").len(), 1);
}

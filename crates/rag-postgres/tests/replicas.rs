//! Several processes over one database, as two stores: each has its connections and its identity.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::Duration;

use rag_core::{
    Chunk, ChunkFilter, ChunkIndex, ClaimedJob, ContentHash, ConversationStore, Dataset,
    DatasetSettings, DocumentSource, DocumentStatus, EmbeddedChunk, EmbeddingIdentity, IngestJob,
    MetadataStore, SavedTurn, SearchQuery, Session, StoreErrorKind, TenantId, TurnStatus,
};
use rag_postgres::{PostgresOptions, PostgresStore};
use testkit::PostgresServer;

const LONG: Duration = Duration::from_secs(600);

fn open(url: &str) -> Arc<PostgresStore> {
    PostgresStore::open(PostgresOptions::new(url)).expect("a store")
}

fn shelf(store: &PostgresStore) -> Dataset {
    let embedding =
        EmbeddingIdentity { model: "test/two".into(), dimensions: 2, ..Default::default() };
    let settings = DatasetSettings::default();
    store.ensure_dataset(&TenantId::local(), "shelf", &embedding, &settings).expect("a dataset")
}

fn job(dataset: &Dataset, name: &str) -> IngestJob {
    let source = DocumentSource::File { path: format!("/files/{name}").into() };
    IngestJob::new(dataset.id.clone(), name.into(), source, ContentHash([1; 32]), 10)
}

fn chunk(job: &ClaimedJob) -> EmbeddedChunk {
    let id = format!("{}-0", job.job.name).parse().expect("an id");
    let chunk = Chunk::new(id, job.job.dataset.clone(), job.document.clone(), "green tea".into());
    EmbeddedChunk { chunk, vector: vec![1.0, 0.0] }
}

#[test]
fn processes_that_start_at_once_make_the_tables_once() {
    let Some(server) = PostgresServer::start() else { return };
    let url = server.database();
    let barrier = Barrier::new(6);
    let datasets: HashSet<_> = thread::scope(|scope| {
        let open = || {
            barrier.wait();
            shelf(&open(&url)).id
        };
        let threads: Vec<_> = (0..6).map(|_| scope.spawn(open)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    assert_eq!(datasets.len(), 1, "and the dataset once");
}

#[test]
fn no_job_has_two_holders_and_none_is_lost() {
    const JOBS: usize = 150;
    const WORKERS: usize = 6;
    let Some(server) = PostgresServer::start() else { return };
    let url = server.database();
    let stores = [open(&url), open(&url)];
    let dataset = shelf(&stores[0]);
    let jobs: Vec<IngestJob> = (0..JOBS).map(|at| job(&dataset, &format!("f{at}"))).collect();
    let (held, done) = (Mutex::new(HashSet::new()), AtomicUsize::new(0));
    thread::scope(|scope| {
        for worker in 0..WORKERS {
            let (store, jobs, held, done) = (&stores[worker % 2], &jobs, &held, &done);
            scope.spawn(move || {
                let mine: Vec<IngestJob> =
                    jobs.iter().skip(worker).step_by(WORKERS).cloned().collect();
                store.submit_all(&mine).expect("submitted");
                while done.load(Ordering::Relaxed) < JOBS {
                    let Some(job) = store.claim(LONG, 3).expect("claimed") else { continue };
                    assert!(held.lock().unwrap().insert(job.id), "{} has two holders", job.id);
                    match job.id % 4 {
                        // Given back, to be taken by anybody.
                        0 if job.last_reason.is_none() => {
                            held.lock().unwrap().remove(&job.id);
                            store.postpone(&job, Duration::ZERO, Some("later")).expect("ours");
                        }
                        1 => {
                            store.fail(&job, "broken").expect("ours");
                            done.fetch_add(1, Ordering::Relaxed);
                        }
                        _ => {
                            let chunks = vec![chunk(&job)];
                            store.complete(&job, chunks.into()).expect("ours");
                            done.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    assert_eq!(stores[0].pending_jobs().expect("counted"), 0);
    let documents = stores[1].documents(&dataset.id).expect("listed");
    let ready = documents.iter().filter(|document| document.status == DocumentStatus::Ready);
    let filter = ChunkFilter { datasets: vec![dataset.id.clone()], ..ChunkFilter::default() };
    assert_eq!(stores[0].count(&filter).expect("counted"), ready.count() as u64);
    assert_eq!(documents.len(), JOBS);
}

#[test]
fn leases_of_others_are_theirs_until_they_run_out() {
    let Some(server) = PostgresServer::start() else { return };
    let url = server.database();
    let (one, other) = (open(&url), open(&url));
    let dataset = shelf(&one);
    one.submit(&job(&dataset, "a")).expect("submitted");
    let held = one.claim(LONG, 3).expect("claimed").expect("a job");
    other.release_leases().expect("released");
    assert_eq!(other.claim(LONG, 3).expect("asked"), None, "it is still held");
    // The worker died: its lease is not extended any more, and runs out by the database's clock.
    one.advance(&held, rag_core::IngestStage::Embed, Duration::ZERO).expect("held");
    let taken = other.claim(LONG, 3).expect("claimed").expect("the job");
    assert_eq!((taken.id, taken.attempt), (held.id, 2));
    let late = one.complete(&held, vec![chunk(&held)].into()).expect_err("it is not held any more");
    assert_eq!(late.kind(), StoreErrorKind::LeaseLost);
    other.complete(&taken, vec![chunk(&taken)].into()).expect("held");

    let query = SearchQuery {
        text: Some("tea".into()),
        vector: Some(vec![1.0, 0.0]),
        filter: ChunkFilter { datasets: vec![dataset.id.clone()], ..ChunkFilter::default() },
        limit: 5,
        ..SearchQuery::default()
    };
    let found = one.search(&query).expect("searched");
    assert_eq!((found.text.len(), found.vector.len()), (1, 1), "what the other wrote is seen");
}

#[test]
fn turns_of_living_processes_go_on() {
    let Some(server) = PostgresServer::start() else { return };
    let url = server.database();
    let (one, other) = (open(&url), open(&url));
    let tenant = TenantId::local();
    let session = Session {
        id: "s".parse().expect("an id"),
        tenant: tenant.clone(),
        dialog: "default".into(),
        title: "A\0B".into(),
        created_at: 1,
        updated_at: 1,
    };
    one.create_session(&session).expect("made");
    let turn = SavedTurn {
        id: "t".parse().expect("an id"),
        session: session.id.clone(),
        parent: None,
        status: TurnStatus::Running,
        question: "?".into(),
        answer: String::new(),
        feedback: None,
        record: "{}".into(),
        asked_at: 2,
        ended_at: None,
    };
    one.begin_turn(&tenant, &turn).expect("begun");
    assert_eq!(other.interrupt_turns().expect("asked"), 0);
    assert_eq!(one.interrupt_turns().expect("asked"), 1);
    let ended = other.turn(&tenant, &turn.id).expect("read").expect("there");
    assert_eq!(ended.status, TurnStatus::Interrupted);
}

#[test]
fn a_server_that_comes_back_is_used_again() {
    let Some(mut server) = PostgresServer::start() else { return };
    let store = open(&server.database());
    let dataset = shelf(&store);
    store.submit(&job(&dataset, "a")).expect("submitted");
    server.kill();
    let away = store.pending_jobs().expect_err("nobody is there");
    assert_eq!(away.kind(), StoreErrorKind::Engine);
    server.restart();
    assert_eq!(store.pending_jobs().expect("counted"), 1, "what was committed is there");
    let held = store.claim(LONG, 3).expect("claimed").expect("a job");
    server.restart();
    store.complete(&held, vec![chunk(&held)].into()).expect("over a new connection");
}

#[test]
fn what_deleted_datasets_leave_is_deleted() {
    let Some(server) = PostgresServer::start() else { return };
    let store = open(&server.database());
    let dataset = shelf(&store);
    for name in ["a", "b"] {
        store.submit(&job(&dataset, name)).expect("submitted");
        let held = store.claim(LONG, 3).expect("claimed").expect("a job");
        store.complete(&held, vec![chunk(&held)].into()).expect("completed");
    }
    assert!(store.delete_dataset(&dataset.id).expect("deleted"));
    store.do_chores().expect("done");
    let left = store.chunks(&["a-0".parse().expect("an id")]).expect("read");
    assert_eq!(left, []);
}

#[test]
fn the_password_is_never_printed() {
    let url = "postgres://user:hunter2@127.0.0.1:1/x?connect_timeout=oops";
    let options = PostgresOptions::new(url);
    let refused = PostgresStore::open(options.clone()).err().expect("no such address");
    let told = format!("{options:?} {refused} {refused:?}");
    assert!(!told.contains("hunter2"), "{told}");
    let port = testkit::unreachable::RefusingPort::take().expect("a port").base_url();
    let host = port.trim_start_matches("http://").trim_end_matches("/v1");
    let options = PostgresOptions::new(format!("postgres://user:hunter2@{host}/x?sslmode=disable"));
    let refused = PostgresStore::open(options).err().expect("nobody is there");
    assert!(!format!("{refused} {refused:?}").contains("hunter2"));
    assert_eq!(refused.kind(), StoreErrorKind::Engine);
}

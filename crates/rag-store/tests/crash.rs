//! A process that is killed loses nothing that it acknowledged, and leaves nothing half done.
//!
//! The test starts itself again as a child that ingests, replaces and deletes documents on three threads and reports
//! each change before and after it is made. The parent kills it after some number of reports, opens the store and
//! compares.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{env, process, thread};

use rag_core::{
    Chunk, ChunkFilter, ChunkIndex, ClaimedJob, ContentHash, Dataset, DatasetSettings,
    DocumentSource, EmbeddedChunk, EmbeddingIdentity, IngestJob, MetadataStore, SearchQuery,
    StoreErrorKind, Submitted, TenantId,
};
use rag_store::{Durability, EmbeddedStore, StoreOptions};

const DIRECTORY: &str = "STORE_CRASH_DIRECTORY";
const SEED: &str = "STORE_CRASH_SEED";
const LEASE: Duration = Duration::from_secs(600);
const ROUNDS: u64 = 20;

/// Small limits, so that files are written all the time.
fn options() -> StoreOptions {
    StoreOptions {
        durability: Durability::ProcessDeath,
        tail_chunks: 24,
        most_tail_chunks: 256,
        quiet_time: Duration::from_millis(1),
        ..StoreOptions::default()
    }
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

#[test]
fn what_was_acknowledged_survives_being_killed() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut expected = Expected::default();
    let mut reports = 0;
    for round in 0..ROUNDS {
        let mut numbers = Numbers(round + 1);
        let mut child = spawn_child(directory.path(), round);
        let output = BufReader::new(child.stdout.take().expect("its output"));
        let kill_after = 1 + numbers.below(120);
        for (line, number) in output.lines().map(|line| line.expect("a line")).zip(1..) {
            expected.report(&line);
            reports += 1;
            if number == kill_after {
                child.kill().expect("killed");
            }
        }
        assert!(!child.wait().expect("its end").success(), "the child was killed in round {round}");
        let (store, dataset) = open(directory.path());
        expected.check(&store, &dataset);
    }
    assert!(reports > ROUNDS * 20, "the children did something: {reports}");
}

/// Not a test by itself: what the child does.
#[test]
fn child() {
    let (Ok(directory), Ok(seed)) = (env::var(DIRECTORY), env::var(SEED)) else { return };
    // Ends the line that the test runner has begun.
    report("");
    let (store, dataset) = open(Path::new(&directory));
    store.release_leases().expect("released");
    let worker = Worker { store: &store, dataset: &dataset, claiming: Mutex::default() };
    while let Some(job) = store.claim(LEASE, u32::MAX).expect("claimed") {
        worker.complete(&job);
    }
    let seed: u64 = seed.parse().expect("a number");
    thread::scope(|scope| {
        for thread in 0..3 {
            let worker = &worker;
            scope.spawn(move || worker.run(thread, Numbers(seed * 31 + thread + 1)));
        }
    });
    process::exit(0);
}

fn spawn_child(directory: &Path, seed: u64) -> Child {
    Command::new(env::current_exe().expect("this program"))
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env(DIRECTORY, directory)
        .env(SEED, seed.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("a child")
}

struct Worker<'a> {
    store: &'a EmbeddedStore,
    dataset: &'a Dataset,
    /// Held while a thread submits and claims, so that it gets its own job.
    claiming: Mutex<()>,
}

impl Worker<'_> {
    /// Changes documents whose names begin with the thread's number, much longer than the parent lets it live.
    fn run(&self, thread: u64, mut numbers: Numbers) {
        for _ in 0..5_000 {
            let name = format!("{thread}-{}", numbers.below(6));
            if numbers.below(5) == 0 {
                self.delete(&name);
            } else {
                self.ingest(&name, numbers.below(250) as u8);
            }
        }
    }

    fn ingest(&self, name: &str, content: u8) {
        let job = {
            let _alone = self.claiming.lock().expect("the lock");
            let job = IngestJob::new(
                self.dataset.id.clone(),
                name.into(),
                DocumentSource::File { path: name.into() },
                ContentHash([content; 32]),
                1,
            );
            if self.store.submit(&job).is_ok_and(|s| matches!(s, Submitted::Queued(_))) {
                report(&format!("sent {name} {content}"));
            }
            self.store.claim(LEASE, u32::MAX).expect("claimed")
        };
        if let Some(job) = job {
            self.complete(&job);
        }
    }

    fn complete(&self, job: &ClaimedJob) {
        let content = job.job.content.0[0];
        report(&format!("begin {} {content}", job.job.name));
        match self.store.complete(job, chunks(job, content).into()) {
            Ok(()) => report(&format!("done {} {content}", job.job.name)),
            Err(error) => assert_eq!(error.kind(), StoreErrorKind::LeaseLost),
        }
    }

    fn delete(&self, name: &str) {
        let documents = self.store.documents(&self.dataset.id).expect("listed");
        let Some(document) = documents.iter().find(|document| document.name == name) else {
            return;
        };
        report(&format!("begin {name} none"));
        assert!(self.store.delete_document(&document.id).expect("deleted"));
        report(&format!("done {name} none"));
    }
}

fn report(line: &str) {
    // One write, so that lines of threads do not mix; unbuffered, so that nothing reported is lost.
    let line = format!("{line}\n");
    std::io::stdout().lock().write_all(line.as_bytes()).expect("written");
}

fn chunks(job: &ClaimedJob, content: u8) -> Vec<EmbeddedChunk> {
    let chunk = |id: String| EmbeddedChunk {
        chunk: Chunk {
            span: 0..1,
            tokens: 1,
            ..Chunk::new(
                id.parse().expect("an id"),
                job.job.dataset.clone(),
                job.document.clone(),
                format!("tea of {}", job.job.name),
            )
        },
        vector: vec![1.0, f32::from(content)],
    };
    chunk_ids(&job.job.name, content).map(chunk).collect()
}

fn chunk_ids(name: &str, content: u8) -> impl Iterator<Item = String> {
    (0..content % 4 + 1).map(move |number| format!("{name}_{content}_{number}"))
}

/// What the reports say about each document: its content, and what it was about to become.
#[derive(Debug, Default)]
struct Expected(BTreeMap<String, State>);

#[derive(Debug, Default)]
struct State {
    content: Option<u8>,
    begun: Option<Option<u8>>,
    /// Content that was accepted and not completed yet.
    sent: Option<u8>,
}

impl Expected {
    fn report(&mut self, line: &str) {
        // The test runner's own lines share the pipe, and the last line may be cut.
        let mut words = line.split(' ');
        let (Some(what @ ("sent" | "begin" | "done")), Some(name), Some(content), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return;
        };
        let content = content.parse().ok();
        let state = self.0.entry(name.to_owned()).or_default();
        match what {
            "sent" => state.sent = content,
            "begin" => state.begun = Some(content),
            _ => *state = State { content, ..State::default() },
        }
    }

    /// The store holds exactly what was acknowledged, and what was begun entirely or not at all; what was accepted is
    /// there or still to be done.
    fn check(&mut self, store: &EmbeddedStore, dataset: &Dataset) {
        let found = Found::in_store(store, dataset);
        assert_eq!(found.by_text, found.by_vector, "both indexes hold the same");
        let documents = store.documents(&dataset.id).expect("listed");
        let mut chunks = 0;
        for (name, state) in &mut self.0 {
            let ids = found.by_text.get(name).cloned().unwrap_or_default();
            let matches = |content: Option<u8>| {
                let mut expected: Vec<String> =
                    content.into_iter().flat_map(|content| chunk_ids(name, content)).collect();
                expected.sort_unstable();
                expected == ids
            };
            let outcome = [Some(state.content), state.begun].into_iter().flatten();
            let Some(content) = outcome.into_iter().find(|content| matches(*content)) else {
                panic!("{name} should be {state:?}, but its chunks are {ids:?}");
            };
            if let Some(sent) = state.sent.filter(|_| state.begun != Some(None)) {
                let document = documents.iter().find(|document| document.name == *name);
                let known = document.map(|document| document.content);
                assert_eq!(known, Some(ContentHash([sent; 32])), "{name} was accepted");
            }
            *state = State { content, ..State::default() };
            chunks += ids.len() as u64;
        }
        assert_eq!(found.chunks(), chunks, "nothing else is found");
        let filter = ChunkFilter { datasets: vec![dataset.id.clone()], ..ChunkFilter::default() };
        assert_eq!(store.count(&filter).expect("counted"), chunks);
    }
}

/// The ids of the chunks that a search finds, by document name, sorted.
struct Found {
    by_text: BTreeMap<String, Vec<String>>,
    by_vector: BTreeMap<String, Vec<String>>,
}

impl Found {
    fn in_store(store: &EmbeddedStore, dataset: &Dataset) -> Self {
        let query = SearchQuery {
            text: Some("tea".into()),
            vector: Some(vec![1.0, 1.0]),
            filter: ChunkFilter { datasets: vec![dataset.id.clone()], ..ChunkFilter::default() },
            limit: 10_000,
            ..SearchQuery::default()
        };
        let results = store.search(&query).expect("searched");
        let by_name = |hits: Vec<rag_core::ChunkHit>| {
            let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for hit in hits {
                let id = String::from(hit.chunk);
                let name = id.split('_').next().unwrap_or_default().to_owned();
                names.entry(name).or_default().push(id);
            }
            names.values_mut().for_each(|ids| ids.sort_unstable());
            names
        };
        Self { by_text: by_name(results.text), by_vector: by_name(results.vector) }
    }

    fn chunks(&self) -> u64 {
        self.by_text.values().map(|ids| ids.len() as u64).sum()
    }
}

/// A small generator of numbers, the same for the same seed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

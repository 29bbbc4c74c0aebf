//! A process that is killed loses nothing that it acknowledged, and leaves nothing half done.
//!
//! The test starts itself again as a child that ingests, replaces, cancels and deletes documents, changes what is known
//! of them and keeps artifacts, on three threads, and reports each change before and after it is made. The parent kills it after some number of reports, opens the store and
//! compares.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{env, process, thread};

use rag_core::{
    ArtifactKey, ArtifactKind, ArtifactStore, Chunk, ChunkFilter, ChunkIndex, ClaimedJob,
    ContentHash, Dataset, DatasetSettings, Document, DocumentId, DocumentSource, DocumentStatus,
    EmbeddedChunk, EmbeddingIdentity, IngestJob, MetadataFilter, MetadataStore, MetadataValue,
    SearchQuery, StoreErrorKind, Submitted, TenantId,
};
use rag_store::{Durability, EmbeddedStore, StoreOptions};
use testkit::Numbers;

const DIRECTORY: &str = "STORE_CRASH_DIRECTORY";
const SEED: &str = "STORE_CRASH_SEED";
const LEASE: Duration = Duration::from_secs(600);
/// How often to kill, for longer runs.
const ROUNDS: &str = "STORE_CRASH_ROUNDS";
const USUAL_ROUNDS: u64 = 20;

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
    let rounds = env::var(ROUNDS).map_or(USUAL_ROUNDS, |rounds| rounds.parse().expect("a number"));
    for round in 0..rounds {
        let mut numbers = Numbers::new(round + 1);
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
    assert!(reports > rounds * 20, "the children did something: {reports}");
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
            scope.spawn(move || worker.run(thread, Numbers::new(seed * 31 + thread + 1)));
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
            match numbers.below(8) {
                0 => self.delete(&name),
                1 => self.label(&name, numbers.below(1000)),
                2 => self.keep(thread, numbers.below(1000)),
                3 => self.submit_and_cancel(&name, numbers.below(250) as u8),
                _ => self.ingest(&name, numbers.below(250) as u8),
            }
        }
    }

    fn ingest(&self, name: &str, content: u8) {
        let job = {
            let _alone = self.claiming.lock().expect("the lock");
            self.submit(name, content);
            self.store.claim(LEASE, u32::MAX).expect("claimed")
        };
        if let Some(job) = job {
            self.complete(&job);
        }
    }

    /// Whether it was queued.
    fn submit(&self, name: &str, content: u8) -> bool {
        let job = IngestJob::new(
            self.dataset.id.clone(),
            name.into(),
            DocumentSource::File { path: name.into() },
            ContentHash([content; 32]),
            1,
        );
        report(&format!("send {name} {content}"));
        let submitted = self.store.submit(&job).expect("submitted");
        let queued = matches!(submitted, Submitted::Queued(_));
        let what = if queued { "sent" } else { "same" };
        report(&format!("{what} {name} {content}"));
        queued
    }

    fn submit_and_cancel(&self, name: &str, content: u8) {
        let _alone = self.claiming.lock().expect("the lock");
        if self.submit(name, content) {
            let document = self.document(name).expect("it was submitted");
            report(&format!("cancel {name} {content}"));
            assert!(self.store.cancel(&document).expect("cancelled"));
            report(&format!("cancelled {name} {content}"));
        }
    }

    /// Changes what is known of a document that is there.
    fn label(&self, name: &str, label: u64) {
        let Some(document) = self.document(name) else { return };
        report(&format!("label {name} {label}"));
        let metadata = [("label".to_owned(), MetadataValue::Number(label as f64))].into();
        if self.store.set_metadata(&document, &metadata).expect("set") {
            report(&format!("labelled {name} {label}"));
        }
    }

    fn keep(&self, thread: u64, value: u64) {
        let name = format!("artifact{thread}");
        report(&format!("keep {name} {value}"));
        let artifact = (artifact_key(&name), value.to_le_bytes().to_vec());
        self.store.keep_artifacts(vec![artifact]).expect("kept");
        report(&format!("kept {name} {value}"));
    }

    fn document(&self, name: &str) -> Option<DocumentId> {
        let found = self.store.document_by_name(&self.dataset.id, name).expect("read");
        found.map(|document| document.id)
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
        let Some(document) = self.document(name) else { return };
        report(&format!("begin {name} none"));
        assert!(self.store.delete_document(&document).expect("deleted"));
        report(&format!("done {name} none"));
    }
}

fn artifact_key(name: &str) -> ArtifactKey {
    let mut hash = [0; 32];
    hash.iter_mut().zip(name.bytes()).for_each(|(byte, letter)| *byte = letter);
    ArtifactKey { kind: ArtifactKind::Enrichment, hash: ContentHash(hash) }
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
struct Expected {
    documents: BTreeMap<String, State>,
    /// Values of artifacts: kept, and about to be.
    artifacts: BTreeMap<String, (Option<u64>, Option<u64>)>,
}

#[derive(Clone, Debug, Default)]
struct State {
    content: Option<u8>,
    begun: Option<Option<u8>>,
    /// Content that was accepted and not completed yet.
    sent: Option<u8>,
    /// Content that was about to be sent.
    sending: Option<u8>,
    /// Whether what was sent was being cancelled, and whether it was.
    cancelling: bool,
    cancelled: bool,
    /// What the document was labelled with, and was about to be.
    label: Option<u64>,
    labelling: Option<u64>,
}

impl Expected {
    fn report(&mut self, line: &str) {
        // The test runner's own lines share the pipe, and the last line may be cut.
        let mut words = line.split(' ');
        let (Some(what), Some(name), Some(value), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return;
        };
        let number: Option<u64> = value.parse().ok();
        let content = value.parse().ok();
        if let Some(artifact) = name.strip_prefix("artifact") {
            let kept = self.artifacts.entry(artifact.to_owned()).or_default();
            match what {
                "keep" => kept.1 = number,
                "kept" => *kept = (number, None),
                _ => {}
            }
            return;
        }
        let states = &mut self.documents;
        let mut state = states.get(name).cloned().unwrap_or_default();
        match what {
            "send" => state.sending = content,
            "same" => state.sending = None,
            "sent" => {
                (state.sent, state.sending) = (content, None);
                (state.cancelling, state.cancelled) = (false, false);
            }
            "cancel" => state.cancelling = true,
            "cancelled" => state.cancelled = true,
            "label" => state.labelling = number,
            "labelled" => (state.label, state.labelling) = (number, None),
            "begin" => state.begun = Some(content),
            "done" => {
                let label = if content.is_some() { state.label } else { None };
                state = State { content, label, ..State::default() };
            }
            _ => return,
        }
        states.insert(name.to_owned(), state);
    }

    /// The store holds exactly what was acknowledged, and what was begun entirely or not at all; what was accepted is
    /// there or still to be done.
    fn check(&mut self, store: &EmbeddedStore, dataset: &Dataset) {
        let found = Found::in_store(store, dataset);
        assert_eq!(found.by_text, found.by_vector, "both indexes hold the same");
        let documents = store.documents(&dataset.id).expect("listed");
        let mut chunks = 0;
        for (name, state) in &mut self.documents {
            let ids = found.by_text.get(name).cloned().unwrap_or_default();
            let document = documents.iter().find(|document| document.name == *name);
            *state = state.after_a_crash(name, &ids, document);
            chunks += ids.len() as u64;
            let of_label = state.label.filter(|_| !ids.is_empty());
            if let Some(label) = of_label {
                let filter = format!("label = {label}").parse().expect("a filter");
                let filter = filtered(dataset, Some(filter));
                let hits = Found::by(store, &filter).by_text;
                assert_eq!(hits.get(name), Some(&ids), "{name} is found by its label {label}");
            }
        }
        assert_eq!(found.chunks(), chunks, "nothing else is found");
        assert_eq!(store.count(&filtered(dataset, None)).expect("counted"), chunks);
        for (name, kept) in &mut self.artifacts {
            let key = artifact_key(&format!("artifact{name}"));
            let value = store.artifacts(&[key]).expect("read").remove(0);
            let value = value.map(|bytes| u64::from_le_bytes(bytes.try_into().expect("a number")));
            let outcomes = [Some(kept.0), kept.1.map(Some)];
            assert!(outcomes.contains(&Some(value)), "artifact {name} is {value:?}, not {kept:?}");
            *kept = (value, None);
        }
    }
}

impl State {
    /// What the document is now, after some checks: its chunks are those of what was done last or was about to be.
    fn after_a_crash(&self, name: &str, ids: &[String], document: Option<&Document>) -> Self {
        let matches = |content: Option<u8>| {
            let mut expected: Vec<String> =
                content.into_iter().flat_map(|content| chunk_ids(name, content)).collect();
            expected.sort_unstable();
            expected == ids
        };
        let outcome = [Some(self.content), self.begun].into_iter().flatten();
        let Some(content) = outcome.into_iter().find(|content| matches(*content)) else {
            panic!("{name} should be {self:?}, but its chunks are {ids:?}");
        };
        let deleting = self.begun == Some(None);
        if let Some(sent) = self.sent.filter(|_| !deleting) {
            let known = document.map(|document| document.content.0[0]);
            assert!(
                [Some(sent), self.sending].contains(&known),
                "{name} was accepted: {self:?}, {known:?}"
            );
            let is_cancelled =
                document.is_some_and(|found| found.status == DocumentStatus::Cancelled);
            if self.sending.is_none() {
                assert!(is_cancelled || !self.cancelled, "{name} was cancelled");
                assert!(!is_cancelled || self.cancelling, "{name} was not cancelled");
            }
        }
        let label = document.and_then(|document| match document.metadata.get("label") {
            Some(MetadataValue::Number(label)) => Some(*label as u64),
            _ => None,
        });
        // Given while the document was being replaced, it counts from then on, too.
        let outcomes = [Some(self.label), self.labelling.map(Some)];
        if !deleting && document.is_some() {
            assert!(
                outcomes.contains(&Some(label)),
                "{name} is labelled {label:?}, not {outcomes:?}"
            );
        }
        Self { content, label, ..Self::default() }
    }
}

fn filtered(dataset: &Dataset, metadata: Option<MetadataFilter>) -> ChunkFilter {
    ChunkFilter { datasets: vec![dataset.id.clone()], metadata, ..ChunkFilter::default() }
}

/// The ids of the chunks that a search finds, by document name, sorted.
struct Found {
    by_text: BTreeMap<String, Vec<String>>,
    by_vector: BTreeMap<String, Vec<String>>,
}

impl Found {
    fn in_store(store: &EmbeddedStore, dataset: &Dataset) -> Self {
        Self::by(store, &filtered(dataset, None))
    }

    fn by(store: &EmbeddedStore, filter: &ChunkFilter) -> Self {
        let query = SearchQuery {
            text: Some("tea".into()),
            vector: Some(vec![1.0, 1.0]),
            filter: filter.clone(),
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

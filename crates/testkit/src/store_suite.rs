//! What every store must do, whatever its engine: [`run`] checks it through the traits alone.
//!
//! ```no_run
//! # fn open_some_store() -> std::sync::Arc<dyn testkit::store_suite::Store> { unimplemented!() }
//! testkit::store_suite::run(&|| open_some_store());
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use rag_core::{
    Chunk, ChunkFilter, ChunkHit, ChunkIndex, ChunkingOptions, ClaimedJob, ContentHash, Dataset,
    Document, DocumentId, DocumentSource, DocumentStatus, EmbeddedChunk, EmbeddingIdentity,
    IngestJob, IngestStage, MetadataStore, SearchQuery, SearchResults, StoreError, StoreErrorKind,
    Submitted, TenantId,
};

/// Both sides of a store.
pub trait Store: MetadataStore + ChunkIndex {}

impl<S: MetadataStore + ChunkIndex> Store for S {}

/// Longer than any case runs.
const LONG: Duration = Duration::from_secs(600);
const DIMENSIONS: usize = 4;

type Case = (&'static str, fn(&dyn Store));

const CASES: &[Case] = &[
    ("a dataset is made once and bound to its embedding", datasets_are_bound),
    ("a submission is idempotent", submission_is_idempotent),
    ("many submissions are accepted in order, all or none", submissions_at_once),
    ("a job has one holder at a time", jobs_have_one_holder),
    ("a job is given up after enough attempts", jobs_are_given_up),
    ("leases can be forgotten", leases_can_be_forgotten),
    ("a document is found when it is complete, not before", completion_is_visible),
    ("a document is replaced as a whole", documents_are_replaced),
    ("a failed job leaves what was there", failures_leave_the_earlier_version),
    ("filters are exact", filters_are_exact),
    ("an empty filter finds nothing", empty_filters_find_nothing),
    ("neither text nor vectors gate the other", text_and_vectors_are_independent),
    ("hits come best first, ties by id, no more than asked for", hits_are_ordered),
    ("a query is words, never a language", queries_are_words),
    ("texts of any script are found", scripts_are_found),
    ("vectors of another length are refused", other_vectors_are_refused),
    ("a deleted document is gone", deleted_documents_are_gone),
    ("a deleted dataset is gone", deleted_datasets_are_gone),
    ("chunks are read as they were written", chunks_are_read_back),
    ("readers see whole versions while a writer replaces them", readers_see_whole_versions),
    ("many writers at once lose nothing", writers_at_once),
];

/// Checks every case on a store of its own. Panics with the first thing that is wrong.
pub fn run(make_store: &dyn Fn() -> Arc<dyn Store>) {
    for (name, case) in CASES {
        eprintln!("store suite: {name}");
        case(&*make_store());
    }
}

/// A dataset to fill and to search.
struct Shelf<'a> {
    store: &'a dyn Store,
    dataset: Dataset,
}

/// The text and the vector of a chunk.
type Passage<'a> = (&'a str, [f32; DIMENSIONS]);

const EAST: [f32; DIMENSIONS] = [1.0, 0.0, 0.0, 0.0];
const NORTH: [f32; DIMENSIONS] = [0.0, 1.0, 0.0, 0.0];
const NORTH_EAST: [f32; DIMENSIONS] = [0.8, 0.6, 0.0, 0.0];
const UP: [f32; DIMENSIONS] = [0.0, 0.0, 1.0, 0.0];

fn identity() -> EmbeddingIdentity {
    EmbeddingIdentity { model: "test/compass".into(), dimensions: DIMENSIONS as u32 }
}

impl<'a> Shelf<'a> {
    fn new(store: &'a dyn Store, name: &str) -> Self {
        let dataset = store
            .ensure_dataset(&TenantId::local(), name, &identity(), &ChunkingOptions::default())
            .expect("a dataset");
        Self { store, dataset }
    }

    fn job(&self, name: &str, content: u8) -> IngestJob {
        IngestJob {
            dataset: self.dataset.id.clone(),
            name: name.into(),
            source: DocumentSource::File { path: format!("/files/{name}").into() },
            content: ContentHash([content; 32]),
            bytes: 10,
        }
    }

    fn submit(&self, name: &str, content: u8) -> Submitted {
        self.store.submit(&self.job(name, content)).expect("submitted")
    }

    fn claim(&self) -> ClaimedJob {
        self.store.claim(LONG, 3).expect("claimed").expect("a job")
    }

    /// Submits, claims and completes a document; its chunks are called `NAME-CONTENT-NUMBER`.
    fn ingest(&self, name: &str, content: u8, passages: &[Passage<'_>]) -> DocumentId {
        let Submitted::Queued(document) = self.submit(name, content) else {
            panic!("{name} was not queued");
        };
        let job = self.claim();
        assert_eq!(job.document, document, "the only job is the submitted one");
        self.complete(&job, content, passages).expect("completed");
        document
    }

    fn complete(
        &self,
        job: &ClaimedJob,
        content: u8,
        passages: &[Passage<'_>],
    ) -> Result<(), StoreError> {
        self.store.complete(job, None, 0, embedded(job, content, passages))
    }

    fn filter(&self) -> ChunkFilter {
        ChunkFilter { datasets: vec![self.dataset.id.clone()], documents: None }
    }

    fn search(&self, text: Option<&str>, vector: Option<[f32; DIMENSIONS]>) -> SearchResults {
        self.search_in(self.filter(), text, vector)
    }

    fn search_in(
        &self,
        filter: ChunkFilter,
        text: Option<&str>,
        vector: Option<[f32; DIMENSIONS]>,
    ) -> SearchResults {
        let query = SearchQuery {
            text: text.map(Into::into),
            vector: vector.map(|vector| vector.to_vec()),
            filter,
            limit: 10,
        };
        self.store.search(&query).expect("searched")
    }

    fn words(&self, text: &str) -> Vec<String> {
        ids(&self.search(Some(text), None).text)
    }

    fn near(&self, vector: [f32; DIMENSIONS]) -> Vec<String> {
        ids(&self.search(None, Some(vector)).vector)
    }

    fn count(&self) -> u64 {
        self.store.count(&self.filter()).expect("counted")
    }

    fn document(&self, id: &DocumentId) -> Document {
        self.store.document(id).expect("read").expect("a document")
    }
}

fn embedded(job: &ClaimedJob, content: u8, passages: &[Passage<'_>]) -> Vec<EmbeddedChunk> {
    let chunk = |(ordinal, (text, vector)): (usize, &Passage<'_>)| EmbeddedChunk {
        chunk: Chunk {
            id: format!("{}-{content}-{ordinal}", job.job.name.replace('.', "_"))
                .parse()
                .expect("an id"),
            dataset: job.job.dataset.clone(),
            document: job.document.clone(),
            ordinal: ordinal as u32,
            text: (*text).into(),
            span: 0..text.len(),
            headings: vec![],
            places: vec![],
            tokens: 1,
        },
        vector: vector.to_vec(),
    };
    passages.iter().enumerate().map(chunk).collect()
}

fn ids(hits: &[ChunkHit]) -> Vec<String> {
    hits.iter().map(|hit| hit.chunk.as_str().to_owned()).collect()
}

fn kind<T: std::fmt::Debug>(result: Result<T, StoreError>) -> StoreErrorKind {
    result.expect_err("an error").kind()
}

fn datasets_are_bound(store: &dyn Store) {
    let local = TenantId::local();
    let other: TenantId = "other".parse().expect("a tenant");
    let options = ChunkingOptions { max_tokens: 99, overlap_tokens: 9 };
    let made = store.ensure_dataset(&local, "b", &identity(), &options).expect("made");
    let again = store.ensure_dataset(&local, "b", &identity(), &options).expect("found");
    assert_eq!(made, again);
    assert_eq!(made.chunking, options);
    Shelf::new(store, "a");

    let longer = EmbeddingIdentity { dimensions: 8, ..identity() };
    let renamed = EmbeddingIdentity { model: "test/other".into(), ..identity() };
    for embedding in [longer, renamed] {
        let refused = store.ensure_dataset(&local, "b", &embedding, &options);
        assert_eq!(kind(refused), StoreErrorKind::EmbeddingMismatch);
        store.ensure_dataset(&other, "b", &embedding, &options).expect("another tenant's");
        let theirs = store.dataset(&other, "b").expect("read").expect("theirs").id;
        assert!(store.delete_dataset(&theirs).expect("deleted"));
    }
    let names: Vec<_> =
        store.datasets(&local).expect("listed").into_iter().map(|dataset| dataset.name).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(store.datasets(&other).expect("listed"), []);
    assert_eq!(store.dataset(&local, "b").expect("read"), Some(made));
    assert_eq!(store.dataset(&local, "c").expect("read"), None);
}

fn submission_is_idempotent(store: &dyn Store) {
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

fn submissions_at_once(store: &dyn Store) {
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

fn jobs_have_one_holder(store: &dyn Store) {
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

fn jobs_are_given_up(store: &dyn Store) {
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

fn leases_can_be_forgotten(store: &dyn Store) {
    let shelf = Shelf::new(store, "shelf");
    shelf.submit("a.md", 1);
    let held = shelf.claim();
    store.release_leases().expect("released");
    assert_eq!(shelf.document(&held.document).status, DocumentStatus::Queued);
    let job = shelf.claim();
    assert_eq!((job.id, job.attempt), (held.id, 2));
}

fn completion_is_visible(store: &dyn Store) {
    let shelf = Shelf::new(store, "shelf");
    shelf.submit("a.md", 1);
    let job = shelf.claim();
    assert_eq!((shelf.words("tea"), shelf.near(EAST), shelf.count()), (vec![], vec![], 0));

    let chunks = embedded(&job, 1, &[("green tea", EAST), ("black coffee", NORTH)]);
    store.complete(&job, Some("Drinks"), 7, chunks).expect("completed");
    assert_eq!(shelf.words("tea"), ["a_md-1-0"]);
    assert_eq!(shelf.near(EAST), ["a_md-1-0", "a_md-1-1"]);
    let by_title = shelf.words("drinks");
    assert_eq!(by_title.len(), 2, "the title is searched: {by_title:?}");
    let document = shelf.document(&job.document);
    assert_eq!(document.status, DocumentStatus::Ready);
    assert_eq!(
        (document.title.as_deref(), document.pages, document.chunks),
        (Some("Drinks"), 7, 2)
    );
    let stats = store.stats().expect("counted");
    assert_eq!((stats.datasets, stats.documents, stats.chunks, stats.pending_jobs), (1, 1, 2, 0));
}

fn documents_are_replaced(store: &dyn Store) {
    let shelf = Shelf::new(store, "shelf");
    shelf.ingest("a.md", 1, &[("green tea", EAST), ("black tea", NORTH)]);
    shelf.ingest("b.md", 1, &[("herbal tea", UP)]);
    shelf.ingest("a.md", 2, &[("white tea", NORTH)]);
    assert_eq!(sorted(shelf.words("tea")), ["a_md-2-0", "b_md-1-0"]);
    assert_eq!(shelf.words("green black"), Vec::<String>::new());
    assert_eq!(sorted(shelf.near(EAST)), ["a_md-2-0", "b_md-1-0"]);
    assert_eq!(shelf.count(), 2);
    let old = "a_md-1-0".parse().expect("an id");
    assert_eq!(store.chunks(&[old]).expect("read"), []);

    shelf.ingest("a.md", 3, &[]);
    assert_eq!((shelf.words("white"), shelf.count()), (vec![], 1), "without any chunk");
    shelf.ingest("a.md", 1, &[("green tea", EAST)]);
    assert_eq!(shelf.words("green"), ["a_md-1-0"], "chunk ids may come again");
    assert_eq!(store.documents(&shelf.dataset.id).expect("listed").len(), 2);
}

fn failures_leave_the_earlier_version(store: &dyn Store) {
    let shelf = Shelf::new(store, "shelf");
    let document = shelf.ingest("a.md", 1, &[("green tea", EAST)]);
    shelf.submit("a.md", 2);
    store.fail(&shelf.claim(), "the file is encrypted").expect("failed");
    let failed = DocumentStatus::Failed { reason: "the file is encrypted".into() };
    assert_eq!(shelf.document(&document).status, failed);
    assert_eq!((shelf.words("tea"), shelf.count()), (vec!["a_md-1-0".to_owned()], 1));
    assert_eq!(store.pending_jobs().expect("counted"), 0);
}

fn filters_are_exact(store: &dyn Store) {
    let (left, right) = (Shelf::new(store, "left"), Shelf::new(store, "right"));
    let a = left.ingest("a.md", 1, &[("green tea", EAST)]);
    let b = left.ingest("b.md", 1, &[("black tea", EAST)]);
    let c = right.ingest("c.md", 1, &[("herbal tea", EAST)]);
    let check = |shelves: &[&Shelf<'_>], documents: Option<&[&DocumentId]>, expected: &[&str]| {
        let filter = ChunkFilter {
            datasets: shelves.iter().map(|shelf| shelf.dataset.id.clone()).collect(),
            documents: documents.map(|ids| ids.iter().map(|id| (*id).clone()).collect()),
        };
        let found = left.search_in(filter.clone(), Some("tea"), Some(EAST));
        assert_eq!(sorted(ids(&found.text)), expected, "text in {filter:?}");
        assert_eq!(sorted(ids(&found.vector)), expected, "vectors in {filter:?}");
        assert_eq!(store.count(&filter).expect("counted"), expected.len() as u64, "{filter:?}");
    };
    let nobody: DocumentId = "nobody".parse().expect("an id");
    check(&[&left], None, &["a_md-1-0", "b_md-1-0"]);
    check(&[&right], None, &["c_md-1-0"]);
    check(&[&left, &right, &left], None, &["a_md-1-0", "b_md-1-0", "c_md-1-0"]);
    check(&[&left], Some(&[&b]), &["b_md-1-0"]);
    check(&[&left, &right], Some(&[&a, &c, &a]), &["a_md-1-0", "c_md-1-0"]);
    check(&[&left], Some(&[&c]), &[]);
    check(&[&left], Some(&[&nobody]), &[]);
}

fn empty_filters_find_nothing(store: &dyn Store) {
    let shelf = Shelf::new(store, "shelf");
    shelf.ingest("a.md", 1, &[("green tea", EAST)]);
    let nowhere = vec!["nowhere".parse().expect("an id")];
    for filter in [
        ChunkFilter::default(),
        ChunkFilter { datasets: vec![], documents: None },
        ChunkFilter { documents: Some(vec![]), ..shelf.filter() },
        ChunkFilter { datasets: nowhere, documents: None },
    ] {
        let found = shelf.search_in(filter.clone(), Some("tea"), Some(EAST));
        assert_eq!(found, SearchResults::default(), "{filter:?}");
        assert_eq!(store.count(&filter).expect("counted"), 0, "{filter:?}");
    }
}

fn text_and_vectors_are_independent(store: &dyn Store) {
    let shelf = Shelf::new(store, "shelf");
    shelf.ingest("a.md", 1, &[("green tea", EAST), ("black coffee", UP)]);
    let found = shelf.search(Some("xylophone"), Some(EAST));
    assert_eq!((found.text.len(), found.vector.len()), (0, 2), "vectors without any word");
    let found = shelf.search(Some("coffee"), None);
    assert_eq!((found.text.len(), found.vector.len()), (1, 0), "words without a vector");
    assert_eq!(shelf.search(Some("  "), None), SearchResults::default());
    assert_eq!(shelf.search(None, None), SearchResults::default());

    let query = SearchQuery {
        text: Some("coffee".into()),
        vector: Some(EAST.to_vec()),
        filter: shelf.filter(),
        limit: 1,
    };
    let found = store.search(&query).expect("searched");
    assert_eq!(ids(&found.vector), ["a_md-1-0"]);
    assert_eq!(ids(&found.remaining_cosines), ["a_md-1-1"]);
    assert!(found.remaining_cosines[0].score.abs() < 0.01);
}

fn hits_are_ordered(store: &dyn Store) {
    let shelf = Shelf::new(store, "shelf");
    shelf.ingest(
        "a.md",
        1,
        &[
            ("one", NORTH),
            ("two", EAST),
            ("tea tea", NORTH_EAST),
            ("tea of five words is weaker", UP),
        ],
    );
    let found = shelf.search(Some("tea"), Some(EAST));
    assert_eq!(ids(&found.text), ["a_md-1-2", "a_md-1-3"]);
    assert_eq!(ids(&found.vector), ["a_md-1-1", "a_md-1-2", "a_md-1-0", "a_md-1-3"]);
    for (hit, cosine) in found.vector.iter().zip([1.0, 0.8, 0.0, 0.0]) {
        assert!((hit.score - cosine).abs() < 0.01, "{:?}", found.vector);
    }
    let query = SearchQuery {
        vector: Some(EAST.to_vec()),
        filter: shelf.filter(),
        limit: 2,
        ..SearchQuery::default()
    };
    assert_eq!(store.search(&query).expect("searched").vector.len(), 2);
    let query = SearchQuery { limit: 0, ..query };
    assert_eq!(store.search(&query).expect("searched"), SearchResults::default());
}

fn queries_are_words(store: &dyn Store) {
    let shelf = Shelf::new(store, "shelf");
    shelf.ingest("a.md", 1, &[("green tea", EAST)]);
    for query in [
        "tea AND NOT tea",
        "\"tea",
        "body:tea)",
        "tea~2^9 [a TO b]",
        "te* OR tea'; DROP TABLE chunk; --",
        "\0tea\u{1f}",
    ] {
        assert_eq!(shelf.words(query), ["a_md-1-0"], "{query:?}");
    }
    let long = "tea water ".repeat(50_000);
    assert_eq!(shelf.words(&long), ["a_md-1-0"]);
}

fn scripts_are_found(store: &dyn Store) {
    let shelf = Shelf::new(store, "shelf");
    shelf.ingest(
        "a.md",
        1,
        &[
            ("東京都は日本の首都です", EAST),
            ("北京是中国的首都 and a large city", EAST),
            ("Die Straße nach Köln", EAST),
            ("столица России", EAST),
            ("서울은 대한민국의 수도이다", EAST),
        ],
    );
    for (query, expected) in [
        ("東京はどこ", 0),
        ("北京 cities", 1),
        ("koln", 2),
        ("STRASSE", 2),
        ("Россия", 3),
        ("서울", 4),
    ] {
        let found = shelf.words(query);
        assert_eq!(found.first(), Some(&format!("a_md-1-{expected}")), "{query}: {found:?}");
    }
}

fn other_vectors_are_refused(store: &dyn Store) {
    let shelf = Shelf::new(store, "shelf");
    shelf.submit("a.md", 1);
    let job = shelf.claim();
    let mut chunks = embedded(&job, 1, &[("green tea", EAST)]);
    chunks[0].vector.pop();
    let refused = store.complete(&job, None, 0, chunks);
    assert_eq!(kind(refused), StoreErrorKind::EmbeddingMismatch);
    shelf.complete(&job, 1, &[("green tea", EAST)]).expect("the job is still held");
    let query = SearchQuery {
        vector: Some(vec![1.0; 3]),
        filter: shelf.filter(),
        limit: 5,
        ..SearchQuery::default()
    };
    assert_eq!(kind(store.search(&query)), StoreErrorKind::EmbeddingMismatch);
}

fn deleted_documents_are_gone(store: &dyn Store) {
    let shelf = Shelf::new(store, "shelf");
    let document = shelf.ingest("a.md", 1, &[("green tea", EAST)]);
    shelf.ingest("b.md", 1, &[("black tea", EAST)]);
    shelf.submit("a.md", 2);
    let job = shelf.claim();
    assert!(store.delete_document(&document).expect("deleted"));
    assert!(!store.delete_document(&document).expect("asked again"));
    assert_eq!(
        (shelf.words("tea"), shelf.near(EAST)),
        (vec!["b_md-1-0".into()], vec!["b_md-1-0".into()])
    );
    assert_eq!((shelf.count(), store.pending_jobs().expect("counted")), (1, 0));
    assert_eq!(store.document(&document).expect("read"), None);
    assert_eq!(store.document_chunks(&document, 0..9).expect("read"), []);
    assert_eq!(kind(shelf.complete(&job, 2, &[("tea", EAST)])), StoreErrorKind::LeaseLost);
    let again = shelf.ingest("a.md", 1, &[("green tea", EAST)]);
    assert_ne!(again, document);
    assert_eq!(shelf.count(), 2);
}

fn deleted_datasets_are_gone(store: &dyn Store) {
    let (gone, left) = (Shelf::new(store, "gone"), Shelf::new(store, "left"));
    let document = gone.ingest("a.md", 1, &[("green tea", EAST)]);
    left.ingest("a.md", 1, &[("black tea", EAST)]);
    gone.submit("b.md", 1);
    let job = gone.claim();
    assert!(store.delete_dataset(&gone.dataset.id).expect("deleted"));
    assert!(!store.delete_dataset(&gone.dataset.id).expect("asked again"));
    assert_eq!((gone.words("tea"), gone.near(EAST), gone.count()), (vec![], vec![], 0));
    assert_eq!(left.words("tea"), ["a_md-1-0"]);
    assert_eq!(store.document(&document).expect("read"), None);
    assert_eq!(store.pending_jobs().expect("counted"), 0);
    assert_eq!(kind(gone.complete(&job, 1, &[("tea", EAST)])), StoreErrorKind::LeaseLost);
    let again = Shelf::new(store, "gone");
    assert_ne!(again.dataset.id, gone.dataset.id);
    assert_eq!(again.words("tea"), Vec::<String>::new(), "a new dataset of that name is empty");
}

fn chunks_are_read_back(store: &dyn Store) {
    let shelf = Shelf::new(store, "shelf");
    shelf.submit("a.md", 1);
    let job = shelf.claim();
    let mut chunks = embedded(&job, 1, &[("grün’ 茶", EAST), ("two", NORTH), ("three", UP)]);
    chunks[0].chunk.headings = vec!["Tea".into(), "“Green”".into()];
    let place = rag_core::Place { page: Some(3), bounds: Some(rag_core::BoundingBox::default()) };
    chunks[0].chunk.places = vec![rag_core::PlacedSpan { span: 17..26, place }];
    chunks[0].chunk.span = 17..26;
    let written: Vec<Chunk> = chunks.iter().map(|chunk| chunk.chunk.clone()).collect();
    store.complete(&job, None, 0, chunks).expect("completed");

    let missing = "missing".parse().expect("an id");
    let wanted = [written[2].id.clone(), missing, written[0].id.clone()];
    let read = store.chunks(&wanted).expect("read");
    assert_eq!(read, [written[2].clone(), written[0].clone()]);
    let part = |range| store.document_chunks(&job.document, range).expect("read");
    assert_eq!(part(0..9), written);
    assert_eq!(part(1..2), written[1..2]);
    assert_eq!(part(5..9), []);
}

fn readers_see_whole_versions(store: &dyn Store) {
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

fn writers_at_once(store: &dyn Store) {
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

fn sorted(mut ids: Vec<String>) -> Vec<String> {
    ids.sort_unstable();
    ids
}

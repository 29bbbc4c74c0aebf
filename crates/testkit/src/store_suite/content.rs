//! What is stored: datasets, documents, chunks.

use rag_core::{
    BoundingBox, Chunk, ChunkingOptions, CompletedDocument, DatasetSettings, DocumentStatus,
    EmbeddingIdentity, Place, PlacedSpan, SearchQuery, StoreErrorKind, TenantId,
};

use super::Store;
use super::shelf::{EAST, NORTH, Shelf, UP, embedded, identity, kind, sorted};

pub(super) fn datasets_are_bound(store: &dyn Store) {
    let local = TenantId::local();
    let other: TenantId = "other".parse().expect("a tenant");
    let options = DatasetSettings {
        chunking: ChunkingOptions { max_tokens: 99, ..ChunkingOptions::default() },
        page_rank: 7,
        ..DatasetSettings::default()
    };
    let made = store.ensure_dataset(&local, "b", &identity(), &options).expect("made");
    let again = store.ensure_dataset(&local, "b", &identity(), &options).expect("found");
    assert_eq!(made, again);
    assert_eq!(made.settings, options);
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

pub(super) fn lookups(store: &dyn Store) {
    let shelf = Shelf::new(store, "shelf");
    let local = TenantId::local();
    let other: TenantId = "other".parse().expect("a tenant");
    let id = &shelf.dataset.id;
    assert_eq!(store.dataset_by_id(&local, id).expect("read"), Some(shelf.dataset.clone()));
    assert_eq!(store.dataset_by_id(&other, id).expect("read"), None, "another tenant's");
    let document = shelf.ingest("a.md", 1, &[("green tea", EAST)]);
    let by_name = |name| store.document_by_name(id, name).expect("read").map(|found| found.id);
    assert_eq!((by_name("a.md"), by_name("A.md")), (Some(document), None));
    let elsewhere = Shelf::new(store, "elsewhere").dataset.id;
    assert_eq!(store.document_by_name(&elsewhere, "a.md").expect("read"), None);
}

pub(super) fn completion_is_visible(store: &dyn Store) {
    let shelf = Shelf::new(store, "shelf");
    shelf.submit("a.md", 1);
    let job = shelf.claim();
    assert_eq!((shelf.words("tea"), shelf.near(EAST), shelf.count()), (vec![], vec![], 0));

    let chunks = embedded(&job, 1, &[("green tea", EAST), ("black coffee", NORTH)]);
    store
        .complete(
            &job,
            CompletedDocument {
                title: Some("Drinks".into()),
                pages: 7,
                chunks,
                ..CompletedDocument::default()
            },
        )
        .expect("completed");
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

pub(super) fn documents_are_replaced(store: &dyn Store) {
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

pub(super) fn other_vectors_are_refused(store: &dyn Store) {
    let shelf = Shelf::new(store, "shelf");
    shelf.submit("a.md", 1);
    let job = shelf.claim();
    let mut chunks = embedded(&job, 1, &[("green tea", EAST)]);
    chunks[0].vector.pop();
    let refused = store.complete(&job, chunks.into());
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

pub(super) fn deleted_documents_are_gone(store: &dyn Store) {
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

pub(super) fn deleted_datasets_are_gone(store: &dyn Store) {
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

pub(super) fn chunks_are_read_back(store: &dyn Store) {
    let shelf = Shelf::new(store, "shelf");
    shelf.submit("a.md", 1);
    let job = shelf.claim();
    let mut chunks = embedded(&job, 1, &[("grün’ 茶", EAST), ("two", NORTH), ("three", UP)]);
    chunks[0].chunk.headings = vec!["Tea".into(), "“Green”".into()];
    let place = Place { page: Some(3), bounds: Some(BoundingBox::default()) };
    chunks[0].chunk.places = vec![PlacedSpan { span: 17..26, place }];
    chunks[0].chunk.span = 17..26;
    let written: Vec<Chunk> = chunks.iter().map(|chunk| chunk.chunk.clone()).collect();
    store.complete(&job, chunks.into()).expect("completed");

    let missing = "missing".parse().expect("an id");
    let wanted = [written[2].id.clone(), missing, written[0].id.clone()];
    let read = store.chunks(&wanted).expect("read");
    assert_eq!(read, [written[2].clone(), written[0].clone()]);
    let part = |range| store.document_chunks(&job.document, range).expect("read");
    assert_eq!(part(0..9), written);
    assert_eq!(part(1..2), written[1..2]);
    assert_eq!(part(5..9), []);
}

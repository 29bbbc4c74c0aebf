//! Datasets that move to another embedding.

use rag_core::{
    ChunkSlot, ChunkToReembed, DatasetSettings, DocumentStatus, EmbeddingIdentity, NewVector,
    Reembedding, ReembeddingProgress, SearchQuery, StoreErrorKind, TenantId,
};

use super::Store;
use super::shelf::{EAST, NORTH, Shelf, UP, identity, ids, kind, sorted};

const LIMIT: usize = 3;

fn longer() -> EmbeddingIdentity {
    EmbeddingIdentity { model: "test/line".into(), dimensions: 2, ..EmbeddingIdentity::default() }
}

/// The new embedding: teas on one side, all else on the other.
fn embed(chunk: &ChunkToReembed) -> NewVector {
    let tea = chunk.chunk.text.contains("tea");
    NewVector { slot: chunk.slot, vector: if tea { vec![1.0, 0.0] } else { vec![0.0, 1.0] } }
}

/// Embeds what has no new vector, batch by batch. How many chunks there were.
fn embed_all(store: &dyn Store, reembedding: &Reembedding) -> usize {
    let mut from = ChunkSlot::FIRST;
    let mut embedded = 0;
    loop {
        let chunks = store.chunks_to_reembed(reembedding, from, LIMIT).expect("chunks");
        assert!(chunks.len() <= LIMIT);
        assert!(chunks.is_sorted_by_key(|chunk| chunk.slot));
        let Some(last) = chunks.last() else { return embedded };
        from = last.slot.next();
        embedded += chunks.len();
        store.put_vectors(reembedding, chunks.iter().map(embed).collect()).expect("put");
    }
}

/// What is near to a vector of any length, best first.
fn near(shelf: &Shelf<'_>, vector: &[f32]) -> Vec<String> {
    let query = SearchQuery {
        vector: Some(vector.to_vec()),
        filter: shelf.filter(),
        limit: 9,
        ..SearchQuery::default()
    };
    ids(&shelf.store.search(&query).expect("searched").vector)
}

fn bound_to(shelf: &Shelf<'_>) -> EmbeddingIdentity {
    let dataset = shelf.store.dataset(&TenantId::local(), &shelf.dataset.name);
    dataset.expect("read").expect("a dataset").embedding
}

pub(super) fn switches_in_one_step(store: &dyn Store) {
    let (shelf, other) = (Shelf::new(store, "shelf"), Shelf::new(store, "other"));
    shelf.ingest("a.md", 1, &[("coffee", EAST), ("green tea", NORTH), ("water", UP), ("milk", UP)]);
    shelf.ingest("b.md", 1, &[]);
    other.ingest("c.md", 1, &[("black tea", EAST)]);
    shelf.ingest("d.md", 1, &[("white tea", NORTH)]);
    let id = &shelf.dataset.id;
    assert_eq!(store.reembedding(id).expect("asked"), None);
    let reembedding = store.begin_reembedding(id, &longer()).expect("begun");
    assert_eq!(store.begin_reembedding(id, &longer()).expect("goes on"), reembedding);
    let progress = |done, left| Some((reembedding.clone(), ReembeddingProgress { done, left }));
    assert_eq!(store.reembedding(id).expect("asked"), progress(0, 5));
    assert!(!store.finish_reembedding(&reembedding).expect("asked"), "nothing is embedded yet");

    let first = store.chunks_to_reembed(&reembedding, ChunkSlot::FIRST, 2).expect("chunks");
    assert_eq!(
        first.iter().map(|c| c.chunk.text.as_str()).collect::<Vec<_>>(),
        ["coffee", "green tea"]
    );
    store.put_vectors(&reembedding, vec![embed(&first[0])]).expect("put");
    store.put_vectors(&reembedding, vec![embed(&first[0])]).expect("put again");
    assert_eq!(store.reembedding(id).expect("asked"), progress(1, 4));
    assert_eq!(embed_all(store, &reembedding), 4);
    assert_eq!(store.reembedding(id).expect("asked"), progress(5, 0));

    // Nothing has changed for anybody.
    assert_eq!(bound_to(&shelf), identity());
    assert_eq!(shelf.near(EAST).first().map(String::as_str), Some("a_md-1-0"));
    assert_eq!((shelf.count(), shelf.words("tea").len()), (5, 2));

    assert!(store.finish_reembedding(&reembedding).expect("finished"));
    assert_eq!(bound_to(&shelf), longer());
    assert_eq!(sorted(near(&shelf, &[1.0, 0.0])[..2].to_vec()), ["a_md-1-1", "d_md-1-0"]);
    assert_eq!(sorted(shelf.words("tea")), ["a_md-1-1", "d_md-1-0"]);
    assert_eq!((shelf.count(), store.stats().expect("counted").chunks), (5, 6));
    let query = SearchQuery {
        vector: Some(EAST.to_vec()),
        filter: shelf.filter(),
        limit: 9,
        ..SearchQuery::default()
    };
    assert_eq!(kind(store.search(&query)), StoreErrorKind::EmbeddingMismatch, "the old embedding");
    assert_eq!(other.near(EAST), ["c_md-1-0"], "others are as they were");
    let a = store.document_by_name(id, "a.md").expect("read").expect("a document").id;
    let chunks = store.embedded_chunks(&a).expect("read");
    assert_eq!(chunks.iter().map(|chunk| chunk.vector.len()).collect::<Vec<_>>(), [2; 4]);
    assert_eq!(store.document_chunks(&a, 0..9).expect("read").len(), 4);
    assert_eq!(
        kind(store.finish_reembedding(&reembedding)),
        StoreErrorKind::NotFound,
        "it is over"
    );

    // And back again.
    let back = store.begin_reembedding(id, &identity()).expect("begun");
    let chunks = store.chunks_to_reembed(&back, ChunkSlot::FIRST, 9).expect("chunks");
    let vectors = chunks.iter().map(|c| NewVector { slot: c.slot, vector: UP.to_vec() }).collect();
    store.put_vectors(&back, vectors).expect("put");
    assert!(store.finish_reembedding(&back).expect("finished"));
    assert_eq!(shelf.near(UP).len(), 5);
    assert!(store.delete_document(&a).expect("deleted"));
    assert_eq!((shelf.near(UP), shelf.count()), (vec!["d_md-1-0".to_owned()], 1));
}

pub(super) fn goes_with_changes(store: &dyn Store) {
    let shelf = Shelf::new(store, "shelf");
    for name in ["a.md", "b.md", "c.md"] {
        shelf.ingest(name, 1, &[("green tea", EAST), ("water", UP)]);
    }
    let id = &shelf.dataset.id;
    let reembedding = store.begin_reembedding(id, &longer()).expect("begun");
    let stale = store.chunks_to_reembed(&reembedding, ChunkSlot::FIRST, 9).expect("chunks");
    assert_eq!(embed_all(store, &reembedding), 6);

    // One is replaced, one is deleted, one is new; one is being worked on.
    shelf.ingest("a.md", 2, &[("black coffee", EAST)]);
    let b = store.document_by_name(id, "b.md").expect("read").expect("a document").id;
    assert!(store.delete_document(&b).expect("deleted"));
    shelf.ingest("d.md", 1, &[("white tea", NORTH)]);
    store.put_vectors(&reembedding, stale.iter().map(embed).collect()).expect("late ones");
    assert!(!store.finish_reembedding(&reembedding).expect("asked"), "two lack vectors");
    assert_eq!(embed_all(store, &reembedding), 2);
    shelf.submit("e.md", 1);
    let held = shelf.claim();
    assert_eq!(held.embedding, identity());
    assert_eq!(shelf.near(EAST).len(), 4);
    assert!(store.finish_reembedding(&reembedding).expect("finished"));
    assert_eq!(sorted(near(&shelf, &[1.0, 0.0])), ["a_md-2-0", "c_md-1-0", "c_md-1-1", "d_md-1-0"]);

    assert_eq!(kind(shelf.complete(&held, 1, &[("tea", EAST)])), StoreErrorKind::LeaseLost);
    let again = shelf.claim();
    assert_eq!((&again.document, again.embedding.clone()), (&held.document, longer()));
    store.fail(&again, "enough").expect("failed");
    let status = shelf.document(&held.document).status;
    assert!(matches!(status, DocumentStatus::Failed { .. }));
}

pub(super) fn can_be_abandoned(store: &dyn Store) {
    let shelf = Shelf::new(store, "shelf");
    shelf.ingest("a.md", 1, &[("green tea", EAST), ("water", UP)]);
    let id = &shelf.dataset.id;
    assert!(!store.abandon_reembedding(id).expect("asked"));
    let reembedding = store.begin_reembedding(id, &longer()).expect("begun");
    embed_all(store, &reembedding);
    assert!(store.abandon_reembedding(id).expect("abandoned"));
    assert_eq!(store.reembedding(id).expect("asked"), None);
    assert_eq!(kind(store.finish_reembedding(&reembedding)), StoreErrorKind::NotFound);
    let chunks = store.chunks_to_reembed(&reembedding, ChunkSlot::FIRST, 9);
    assert_eq!(kind(chunks), StoreErrorKind::NotFound);
    assert_eq!((shelf.near(EAST).len(), shelf.words("tea").len(), shelf.count()), (2, 1, 2));

    let again = store.begin_reembedding(id, &longer()).expect("begun again");
    assert_ne!(again.number, reembedding.number);
    assert_eq!(kind(store.put_vectors(&reembedding, vec![])), StoreErrorKind::NotFound);
    assert_eq!(embed_all(store, &again), 2, "all anew");
    assert!(store.delete_dataset(id).expect("deleted"));
    assert_eq!(kind(store.finish_reembedding(&again)), StoreErrorKind::NotFound);
    assert_eq!(store.stats().expect("counted").chunks, 0);
}

pub(super) fn refuses_what_does_not_fit(store: &dyn Store) {
    let shelf = Shelf::new(store, "shelf");
    shelf.ingest("a.md", 1, &[("green tea", EAST)]);
    let id = &shelf.dataset.id;
    let mismatch = StoreErrorKind::EmbeddingMismatch;
    assert_eq!(kind(store.begin_reembedding(id, &identity())), mismatch, "it has that");
    let nowhere = "nowhere".parse().expect("an id");
    assert_eq!(kind(store.begin_reembedding(&nowhere, &longer())), StoreErrorKind::NotFound);

    let prefixed = EmbeddingIdentity { query_prefix: "query: ".into(), ..identity() };
    let settings = DatasetSettings::default();
    let refused = store.ensure_dataset(&TenantId::local(), "shelf", &prefixed, &settings);
    let message = refused.expect_err("refused").to_string();
    assert!(message.contains("reembed") && message.contains("query: "), "{message}");

    let reembedding = store.begin_reembedding(id, &prefixed).expect("a prefix is another identity");
    assert_eq!(kind(store.begin_reembedding(id, &longer())), mismatch, "to a third");
    let chunks = store.chunks_to_reembed(&reembedding, ChunkSlot::FIRST, 9).expect("chunks");
    let wrong = NewVector { slot: chunks[0].slot, vector: vec![1.0; 3] };
    let right = NewVector { slot: chunks[0].slot, vector: UP.to_vec() };
    assert_eq!(kind(store.put_vectors(&reembedding, vec![right.clone(), wrong])), mismatch);
    assert!(!store.finish_reembedding(&reembedding).expect("asked"), "none was kept");
    let stranger = NewVector { slot: ChunkSlot(i64::MAX), vector: UP.to_vec() };
    store.put_vectors(&reembedding, vec![stranger, right]).expect("a slot of nothing is dropped");
    assert!(store.finish_reembedding(&reembedding).expect("finished"));
    assert_eq!(shelf.near(UP), ["a_md-1-0"]);
}

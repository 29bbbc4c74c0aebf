//! What is found, and in which order.

use rag_core::{ChunkFilter, DocumentId, SearchQuery, SearchResults};

use super::Store;
use super::shelf::{EAST, NORTH, NORTH_EAST, Shelf, UP, ids, sorted};

pub(super) fn filters_are_exact(store: &dyn Store) {
    let (left, right) = (Shelf::new(store, "left"), Shelf::new(store, "right"));
    let a = left.ingest("a.md", 1, &[("green tea", EAST)]);
    let b = left.ingest("b.md", 1, &[("black tea", EAST)]);
    let c = right.ingest("c.md", 1, &[("herbal tea", EAST)]);
    let check = |shelves: &[&Shelf<'_>], documents: Option<&[&DocumentId]>, expected: &[&str]| {
        let filter = ChunkFilter {
            datasets: shelves.iter().map(|shelf| shelf.dataset.id.clone()).collect(),
            documents: documents.map(|ids| ids.iter().map(|id| (*id).clone()).collect()),
            ..ChunkFilter::default()
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

pub(super) fn empty_filters_find_nothing(store: &dyn Store) {
    let shelf = Shelf::new(store, "shelf");
    shelf.ingest("a.md", 1, &[("green tea", EAST)]);
    let nowhere = vec!["nowhere".parse().expect("an id")];
    for filter in [
        ChunkFilter::default(),
        ChunkFilter { datasets: vec![], documents: None, ..ChunkFilter::default() },
        ChunkFilter { documents: Some(vec![]), ..shelf.filter() },
        ChunkFilter { datasets: nowhere, documents: None, ..ChunkFilter::default() },
    ] {
        let found = shelf.search_in(filter.clone(), Some("tea"), Some(EAST));
        assert_eq!(found, SearchResults::default(), "{filter:?}");
        assert_eq!(store.count(&filter).expect("counted"), 0, "{filter:?}");
    }
}

pub(super) fn text_and_vectors_are_independent(store: &dyn Store) {
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
        ..SearchQuery::default()
    };
    let found = store.search(&query).expect("searched");
    assert_eq!(ids(&found.vector), ["a_md-1-0"]);
    assert_eq!(ids(&found.remaining_cosines), ["a_md-1-1"]);
    assert!(found.remaining_cosines[0].score.abs() < 0.01);
}

pub(super) fn hits_are_ordered(store: &dyn Store) {
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

pub(super) fn queries_are_words(store: &dyn Store) {
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

pub(super) fn scripts_are_found(store: &dyn Store) {
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

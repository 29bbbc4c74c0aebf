//! Filters over metadata.

use rag_core::{
    ChunkFilter, CompletedDocument, DocumentId, Metadata, MetadataFilter, MetadataValue,
    StoreErrorKind, Submitted,
};

use super::Store;
use super::shelf::{EAST, Shelf, embedded, ids, kind, sorted};

fn metadata(fields: &[(&str, MetadataValue)]) -> Metadata {
    fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

fn text(text: &str) -> MetadataValue {
    MetadataValue::Text(text.into())
}

fn list(texts: &[&str]) -> MetadataValue {
    MetadataValue::List(texts.iter().map(|text| (*text).to_owned()).collect())
}

/// Ingests a document of one chunk with these metadata as its parser found them.
fn ingest(shelf: &Shelf<'_>, name: &str, content: u8, found: Metadata) -> DocumentId {
    let Submitted::Queued(document) = shelf.submit(name, content) else { panic!("not queued") };
    let job = shelf.claim();
    let chunks = embedded(&job, content, &[("green tea", EAST)]);
    let completed = CompletedDocument { metadata: found, chunks, ..CompletedDocument::default() };
    shelf.store.complete(&job, completed).expect("completed");
    document
}

/// The first letters of the documents that a filter lets through, by text, by vector and by count.
fn check(shelves: &[&Shelf<'_>], filter: &str, expected: &str) {
    let store = shelves[0].store;
    let filter = ChunkFilter {
        datasets: shelves.iter().map(|shelf| shelf.dataset.id.clone()).collect(),
        metadata: Some(filter.parse().expect(filter)),
        ..ChunkFilter::default()
    };
    let found = shelves[0].search_in(filter.clone(), Some("tea"), Some(EAST));
    let names =
        |hits| -> String { sorted(ids(hits)).iter().filter_map(|id| id.chars().next()).collect() };
    assert_eq!(names(&found.text), expected, "text in {filter:?}");
    assert_eq!(names(&found.vector), expected, "vectors in {filter:?}");
    assert_eq!(store.count(&filter).expect("counted"), expected.len() as u64, "{filter:?}");
}

pub(super) fn metadata_is_filtered(store: &dyn Store) {
    let (left, right) = (Shelf::new(store, "left"), Shelf::new(store, "right"));
    for (name, year, author, tags, date) in [
        ("a.md", 2019.0, "Ann Smith", &["Tea", "Green"][..], "2019-04-01"),
        ("b.md", 2021.0, "Bob", &["coffee"], "2021-12-31T23:00:00Z"),
        ("c.md", 2024.5, "ann", &[], "2024-01-01"),
    ] {
        let fields = [
            ("year", MetadataValue::Number(year)),
            ("author", text(author)),
            ("tags", list(tags)),
            ("date", text(date)),
        ];
        ingest(&left, name, 1, metadata(&fields));
    }
    ingest(&left, "d.md", 1, Metadata::new());
    ingest(&right, "e.md", 1, metadata(&[("year", text("2021"))]));
    for (filter, expected) in [
        ("year = 2021", "b"),
        ("year != 2021", "acd"),
        ("year >= 2021", "bc"),
        ("year < 2021", "a"),
        ("year > 1900 and year <= 2021", "ab"),
        ("year in (2019, 2021)", "ab"),
        ("year not in (2019, 2021)", "cd"),
        ("author = ANN", "c"),
        ("author contains ann", "ac"),
        ("author not contains ann", "bd"),
        ("author starts with ann", "ac"),
        ("author ends with smith", "a"),
        ("author in ('ann', 'BOB')", "bc"),
        ("tags = tea", "a"),
        ("tags is empty", "cd"),
        ("tags is not empty", "ab"),
        ("date >= 2021-12-31", "bc"),
        ("date = 2021-12-31", "b"),
        ("date < 2021-12-31", "a"),
        ("missing = 1", ""),
        ("missing != 1", "abcd"),
        ("not (author contains ann or tags = coffee)", "d"),
        ("all()", "abcd"),
        ("any()", ""),
    ] {
        check(&[&left], filter, expected);
    }
    check(&[&left, &right], "year = 2021", "be");
    check(&[&right], "year > 2000", "e");
    check(&[&right], "author = ann", "");

    let named = left.document(&ingest(&left, "f.md", 1, metadata(&[("year", text("2021"))]))).id;
    let filter = ChunkFilter {
        documents: Some(vec![named]),
        metadata: Some("year = 2021".parse().expect("a filter")),
        ..left.filter()
    };
    assert_eq!(ids(&left.search_in(filter, Some("tea"), None).text), ["f_md-1-0"]);
}

pub(super) fn fields_are_told(store: &dyn Store) {
    let (left, right) = (Shelf::new(store, "fields-left"), Shelf::new(store, "fields-right"));
    for (shelf, name, year, tags) in [
        (&left, "a.md", 2019.0, &["Tea", "Green"][..]),
        (&left, "b.md", 2021.0, &["tea"]),
        (&right, "c.md", 2021.0, &[]),
    ] {
        let fields = [("year", MetadataValue::Number(year)), ("tags", list(tags))];
        ingest(shelf, name, 1, metadata(&fields));
    }
    let told = |shelves: &[&Shelf<'_>], most: usize| -> Vec<String> {
        let datasets: Vec<_> = shelves.iter().map(|shelf| shelf.dataset.id.clone()).collect();
        let fields = store.metadata_fields(&datasets, most).expect("told");
        let shown = fields.iter().map(|field| {
            let values: Vec<_> = field
                .values
                .iter()
                .map(|value| format!("{} {}", value.value, value.documents))
                .collect();
            format!(
                "{} {} of {}: {}",
                field.name,
                field.documents,
                field.distinct,
                values.join(", ")
            )
        });
        shown.collect()
    };
    assert_eq!(told(&[&left], 9), ["tags 2 of 2: tea 2, green 1", "year 2 of 2: 2019 1, 2021 1"]);
    assert_eq!(told(&[&left, &right], 1)[1], "year 3 of 2: 2021 2");
    assert_eq!(told(&[&right], 9), ["year 1 of 1: 2021 1"]);
    assert!(told(&[], 9).is_empty());
    let gone = left.store.document_by_name(&left.dataset.id, "a.md").expect("looked for");
    assert!(store.delete_document(&gone.expect("there").id).expect("deleted"));
    assert_eq!(told(&[&left], 9), ["tags 1 of 1: tea 1", "year 1 of 1: 2021 1"]);
}

pub(super) fn changes_are_seen(store: &dyn Store) {
    let shelf = Shelf::new(store, "shelf");
    let tagged = |tag| metadata(&[("tag", text(tag))]);
    let a = ingest(&shelf, "a.md", 1, tagged("x"));
    let b = ingest(&shelf, "b.md", 1, tagged("x"));
    check(&[&shelf], "tag = x", "ab");
    assert!(store.set_metadata(&a, &tagged("y")).expect("set"));
    check(&[&shelf], "tag = x", "b");
    check(&[&shelf], "tag = y", "a");
    assert_eq!(shelf.document(&a).metadata, tagged("y"));

    ingest(&shelf, "b.md", 2, tagged("z"));
    check(&[&shelf], "tag = x", "");
    check(&[&shelf], "tag != y", "b");
    assert!(store.set_metadata(&b, &Metadata::new()).expect("set"));
    check(&[&shelf], "tag is empty", "b");

    assert!(store.delete_document(&a).expect("deleted"));
    check(&[&shelf], "tag = y", "");
    check(&[&shelf], "not any()", "b");
    assert!(!store.set_metadata(&a, &tagged("y")).expect("asked"), "it is gone");

    // A document that cannot be found yet is let through by nothing.
    let Submitted::Queued(c) = shelf.submit("c.md", 1) else { panic!("not queued") };
    assert!(store.set_metadata(&c, &tagged("y")).expect("set"));
    check(&[&shelf], "tag = y", "");
    shelf.complete(&shelf.claim(), 1, &[("tea", EAST)]).expect("completed");
    check(&[&shelf], "tag = y", "c");

    assert!(store.delete_dataset(&shelf.dataset.id).expect("deleted"));
    let again = Shelf::new(store, "shelf");
    check(&[&again], "all()", "");
    ingest(&again, "d.md", 1, tagged("x"));
    check(&[&again], "tag = x", "d");
}

pub(super) fn filters_are_bounded(store: &dyn Store) {
    let shelf = Shelf::new(store, "shelf");
    let all = MetadataFilter::All(vec![]);
    let deep = (0..99).fold(all.clone(), |inner, _| MetadataFilter::Not(inner.into()));
    let large = MetadataFilter::Any(vec![all; MetadataFilter::MOST_CONDITIONS]);
    for metadata in [deep, large] {
        let filter = ChunkFilter { metadata: Some(metadata), ..shelf.filter() };
        assert_eq!(kind(store.count(&filter)), StoreErrorKind::InvalidFilter);
        let query = rag_core::SearchQuery {
            text: Some("tea".into()),
            filter,
            limit: 5,
            ..rag_core::SearchQuery::default()
        };
        assert_eq!(kind(store.search(&query)), StoreErrorKind::InvalidFilter);
    }
}

pub(super) fn owners_go_first(store: &dyn Store) {
    let shelf = Shelf::new(store, "shelf");
    let found = metadata(&[("author", text("scanner")), ("pages", MetadataValue::Number(3.0))]);
    let document = ingest(&shelf, "a.md", 1, found.clone());
    let owners = metadata(&[("author", text("Ann"))]);
    store.set_metadata(&document, &owners).expect("set");
    assert_eq!(shelf.document(&document).metadata, owners);

    shelf.submit("a.md", 2);
    let job = shelf.claim();
    let later = metadata(&[("author", text("Bob"))]);
    store.set_metadata(&document, &later).expect("set while it runs");
    let chunks = embedded(&job, 2, &[("green tea", EAST)]);
    let completed = CompletedDocument { metadata: found, chunks, ..CompletedDocument::default() };
    store.complete(&job, completed).expect("completed");
    let expected = metadata(&[("author", text("Bob")), ("pages", MetadataValue::Number(3.0))]);
    assert_eq!(shelf.document(&document).metadata, expected);
    check(&[&shelf], "author = bob and pages = 3", "a");

    // A file that changes takes nothing back that its owner said.
    ingest(&shelf, "a.md", 3, metadata(&[("author", text("scanner"))]));
    assert_eq!(shelf.document(&document).metadata, later);
}

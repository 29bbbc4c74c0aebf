//! What full text finds besides the words of a passage: phrases, keywords, questions, identifiers; and what it shows.

use rag_core::{Chunk, ChunkFilter, PhraseUse, SearchQuery, SearchResults};

use super::Store;
use super::shelf::{EAST, NORTH, Shelf, UP, embedded, ids, sorted};

fn search(shelf: &Shelf<'_>, text: &str, phrases: PhraseUse) -> SearchResults {
    let query = SearchQuery {
        text: Some(text.into()),
        phrases,
        vector: Some(EAST.to_vec()),
        filter: shelf.filter(),
        limit: 10,
    };
    shelf.store.search(&query).expect("searched")
}

pub(super) fn phrases_are_preferred(store: &dyn Store) {
    let shelf = Shelf::new(store, "shelf");
    let other = Shelf::new(store, "other");
    other.ingest("o.md", 1, &[("nowhere to be found", EAST)]);
    shelf.ingest(
        "a.md",
        1,
        &[
            ("tea that is green: green tea leaves, tea and green", EAST),
            ("the leaves of tea which stays green for long, says a book about plants", NORTH),
            ("coffee", UP),
        ],
    );
    let first = |question: &str| ids(&search(&shelf, question, PhraseUse::Prefer).text);
    for (question, best) in [
        ("\"stays green\" tea leaves", 1),
        ("leaves “stays green” tea", 1),
        ("\"tea leaves\" that stay green for long, in a book about plants", 0),
        ("\"is GREEN: green\"", 0),
        ("\"leaf of teas\"", 1),
        ("who says \"which stays green\" and \"tea leaves\", \"for long\"", 1),
    ] {
        let found = first(question);
        assert_eq!(found.first(), Some(&format!("a_md-1-{best}")), "{question}: {found:?}");
        assert_eq!(found.len(), 2, "{question}: a phrase leaves nothing out");
    }
    for without in ["\"green leaves\"", "\"nowhere to be found\" green leaves", "green \"leaves"] {
        let plain = search(&shelf, &without.replace('"', ""), PhraseUse::Prefer);
        assert_eq!(search(&shelf, without, PhraseUse::Prefer), plain, "{without}");
    }
    let found = search(&shelf, "\"stays green\" tea", PhraseUse::Prefer);
    assert!(found.text.iter().all(|hit| hit.score <= found.text_ceiling));
}

pub(super) fn phrases_are_required(store: &dyn Store) {
    let shelf = Shelf::new(store, "shelf");
    let a = shelf.ingest("a.md", 1, &[("green tea", EAST), ("tea, green", NORTH), ("cup", UP)]);
    shelf.ingest("b.md", 1, &[("the green teas of the world", NORTH), ("東京都に住む", UP)]);
    let check = |question: &str, expected: &[&str]| {
        let found = search(&shelf, question, PhraseUse::Require);
        assert_eq!(sorted(ids(&found.text)), expected, "text for {question}");
        assert_eq!(sorted(ids(&found.vector)), expected, "vectors for {question}");
    };
    check("\"green tea\" world", &["a_md-1-0", "b_md-1-0"]);
    check("\"green tea\" and \"of the world\"", &["b_md-1-0"]);
    check("where is \"京都に住\"", &["b_md-1-1"]);
    check("\"tea world\"", &[]);
    let filter = ChunkFilter { documents: Some(vec![a.clone()]), ..shelf.filter() };
    let query = SearchQuery {
        text: Some("\"green tea\"".into()),
        phrases: PhraseUse::Require,
        vector: Some(EAST.to_vec()),
        filter,
        limit: 10,
    };
    let found = store.search(&query).expect("searched");
    assert_eq!(
        (ids(&found.text), ids(&found.vector)),
        (vec!["a_md-1-0".into()], vec!["a_md-1-0".into()])
    );
    store.delete_document(&a).expect("deleted");
    check("\"green tea\"", &["b_md-1-0"]);
}

pub(super) fn keywords_and_questions_are_found(store: &dyn Store) {
    let shelf = Shelf::new(store, "shelf");
    shelf.submit("a.md", 1);
    let job = shelf.claim();
    let mut chunks = embedded(
        &job,
        1,
        &[
            ("Hold the button for ten seconds.", EAST),
            ("The router is reset, a router was reset, to reset a router is an art.", NORTH),
            ("Ten men hold a long and winding rope; one of them has a beard.", UP),
            ("4 | 17 | 23", UP),
        ],
    );
    let mut set = |place: usize, change: &dyn Fn(&mut Chunk)| change(&mut chunks[place].chunk);
    set(0, &|chunk| {
        chunk.questions = vec!["How do I reset the router?".into(), "Warmstart".into()]
    });
    set(2, &|chunk| chunk.keywords = vec!["tug of war".into(), "sports".into()]);
    set(3, &|chunk| chunk.context = Some("velocity | mass | energy".into()));
    store.complete(&job, chunks.into()).expect("completed");
    for (question, best) in [
        ("How do I reset the router?", 0),
        ("warmstart", 0),
        ("sport", 2),
        ("tug of war", 2),
        ("\"tug of war\" hold seconds button", 2),
        ("velocity and energy", 3),
        ("art of routers", 1),
    ] {
        let found = shelf.words(question);
        assert_eq!(found.first(), Some(&format!("a_md-1-{best}")), "{question}: {found:?}");
    }
    let found = search(&shelf, "\"reset the router\"", PhraseUse::Require);
    assert_eq!(ids(&found.text), ["a_md-1-0"]);
}

pub(super) fn identifiers_are_found(store: &dyn Store) {
    let shelf = Shelf::new(store, "shelf");
    shelf.ingest(
        "a.md",
        1,
        &[
            ("retries: max. The max of retries, retries and max, at most", EAST),
            ("set `max_retries` in the file src/net/client.rs, as of v1.2.3", EAST),
            ("error E0382: use parseConfigFile of iPhone15手机 for 10kg", EAST),
            ("v1 2, 3; a client rs file of 10 kg; v3.2.1 and error 382", EAST),
        ],
    );
    for (question, best) in [
        ("max_retries", 1),
        ("client.rs", 1),
        ("net/client.rs", 1),
        ("v1.2.3", 1),
        ("E0382", 2),
        ("parse config file", 2),
        ("ParseConfigFile", 2),
        ("ＩＰＨＯＮＥ１５", 2),
        ("手机", 2),
        ("v3.2.1", 3),
    ] {
        let found = shelf.words(question);
        assert_eq!(found.first(), Some(&format!("a_md-1-{best}")), "{question}: {found:?}");
    }
    assert_eq!(sorted(shelf.words("10kg")), ["a_md-1-2", "a_md-1-3"]);
    assert_eq!(sorted(shelf.words("kg")), ["a_md-1-2", "a_md-1-3"]);
}

pub(super) fn words_are_highlighted(store: &dyn Store) {
    let text = "Die Häuser; 東京都";
    for (question, expected) in
        [("Häuser der 東京", &["Häuser", "東京"][..]), ("", &[]), ("x", &[])]
    {
        let ranges = store.highlight(question, text);
        let shown: Vec<&str> = ranges.into_iter().filter_map(|range| text.get(range)).collect();
        assert_eq!(shown, expected, "{question}");
    }
}

//! What owners change: names, files that are only kept, what searches leave out, single chunks.

use rag_core::{
    Chunk, ChunkEdit, ChunkMethod, ChunkingOptions, DocumentChange, DocumentStatus, EmbeddedChunk,
    Metadata, MetadataFilter, StoreErrorKind, TenantId,
};

use super::Store;
use super::shelf::{EAST, NORTH, Shelf, UP, kind};

pub(super) fn datasets_are_renamed(store: &dyn Store) {
    let (shelf, other) = (Shelf::new(store, "shelf"), Shelf::new(store, "other"));
    shelf.ingest("a.md", 1, &[("green tea", EAST)]);
    let id = &shelf.dataset.id;
    assert_eq!(kind(store.rename_dataset(id, "other")), StoreErrorKind::Occupied);
    store.rename_dataset(id, "shelf").expect("its own name");
    store.rename_dataset(id, "cupboard").expect("renamed");
    let tenant = TenantId::local();
    assert_eq!(store.dataset(&tenant, "shelf").expect("asked"), None);
    let renamed = store.dataset(&tenant, "cupboard").expect("asked").expect("a dataset");
    assert_eq!(renamed.id, *id);
    assert_eq!(shelf.words("tea"), ["a_md-1-0"], "its documents are there");
    let totals = store.dataset_totals(id).expect("counted");
    assert_eq!((totals.documents, totals.chunks, totals.tokens), (1, 1, 1));
    store.delete_dataset(&other.dataset.id).expect("deleted");
    assert_eq!(kind(store.rename_dataset(&other.dataset.id, "x")), StoreErrorKind::NotFound);
}

pub(super) fn documents_are_changed(store: &dyn Store) {
    let shelf = Shelf::new(store, "shelf");
    let document = shelf.ingest("a.md", 1, &[("green tea", EAST)]);
    shelf.ingest("b.md", 2, &[("black tea", NORTH)]);
    let renamed = |name: &str| DocumentChange { name: Some(name.into()), ..Default::default() };
    let taken = store.change_document(&document, &renamed("b.md"));
    assert_eq!(kind(taken), StoreErrorKind::Occupied);
    assert!(store.change_document(&document, &renamed("c.md")).expect("changed"));
    let chunking = ChunkingOptions { method: ChunkMethod::Qa, ..ChunkingOptions::default() };
    let cut = DocumentChange { chunking: Some(Some(chunking.clone())), ..Default::default() };
    assert!(store.change_document(&document, &cut).expect("changed"));
    let changed = shelf.document(&document);
    assert_eq!((changed.name.as_str(), changed.chunking), ("c.md", Some(chunking.clone())));
    assert!(store.ingest_again(&document).expect("queued"));
    let job = shelf.claim();
    assert_eq!((job.job.name.as_str(), job.settings.chunking), ("c.md", chunking));
    let nobody = "nobody".parse().expect("an id");
    assert!(!store.change_document(&nobody, &renamed("d.md")).expect("asked"));
}

pub(super) fn files_are_kept(store: &dyn Store) {
    let shelf = Shelf::new(store, "shelf");
    let document = store.keep(&shelf.job("a.md", 1)).expect("kept");
    assert_eq!(shelf.document(&document).status, DocumentStatus::Kept);
    assert_eq!(store.pending_jobs().expect("counted"), 0);
    assert_eq!(kind(store.keep(&shelf.job("a.md", 2))), StoreErrorKind::Occupied);
    assert!(!store.retry(&document).expect("asked"), "it did not fail");
    assert!(store.ingest_again(&document).expect("queued"));
    assert!(!store.ingest_again(&document).expect("asked"), "it has a job");
    let job = shelf.claim();
    assert_eq!((&job.document, &job.job), (&document, &shelf.job("a.md", 1)));
    shelf.complete(&job, 1, &[("green tea", EAST)]).expect("completed");
    assert_eq!(shelf.document(&document).tokens, 1);
    assert!(store.ingest_again(&document).expect("queued"), "also what is ready");
    assert_eq!(shelf.words("tea"), ["a_md-1-0"], "and it can be found meanwhile");
}

pub(super) fn documents_are_disabled(store: &dyn Store) {
    let shelf = Shelf::new(store, "shelf");
    let document = shelf.ingest("a.md", 1, &[("green tea", EAST)]);
    shelf.ingest("b.md", 2, &[("black tea", NORTH)]);
    let set = |disabled| {
        let change = DocumentChange { disabled: Some(disabled), ..Default::default() };
        assert!(store.change_document(&document, &change).expect("changed"));
        assert_eq!(shelf.document(&document).disabled, disabled);
    };
    set(true);
    assert_eq!((shelf.words("tea"), shelf.count()), (vec!["b_md-2-0".to_owned()], 1));
    assert_eq!(shelf.near(EAST), ["b_md-2-0"]);
    let all = Some(MetadataFilter::All(Vec::new()));
    let named = Some(vec![document.clone()]);
    for filter in [
        rag_core::ChunkFilter { metadata: all, ..shelf.filter() },
        rag_core::ChunkFilter { documents: named, ..shelf.filter() },
    ] {
        let found = shelf.search_in(filter, Some("green"), None);
        assert_eq!(found.text, [], "however it is asked for");
    }
    set(false);
    assert_eq!((shelf.words("green"), shelf.count()), (vec!["a_md-1-0".to_owned()], 2));
}

pub(super) fn chunks_are_edited(store: &dyn Store) {
    let shelf = Shelf::new(store, "shelf");
    let document = shelf.ingest("a.md", 1, &[("green tea", EAST), ("black tea", NORTH)]);
    let note = Metadata::from([("year".to_owned(), rag_core::MetadataValue::Number(2024.0))]);
    store.set_metadata(&document, &note).expect("noted");
    let chunk = |id: &str, text: &str, vector: &[f32]| EmbeddedChunk {
        chunk: Chunk {
            tokens: 2,
            disabled: vector.is_empty(),
            ..Chunk::new(
                id.parse().expect("an id"),
                shelf.dataset.id.clone(),
                document.clone(),
                text.to_owned(),
            )
        },
        vector: vector.to_vec(),
    };
    let edit = |put: Vec<EmbeddedChunk>, remove: &[&str]| ChunkEdit {
        put,
        remove: remove.iter().map(|id| id.parse().expect("an id")).collect(),
    };
    let put = vec![chunk("a_md-1-0", "white tea", &UP), chunk("mine", "iced tea", &UP)];
    assert!(store.edit_chunks(&document, &edit(put, &["a_md-1-1", "none"])).expect("edited"));
    let texts = || {
        let chunks = store.document_chunks(&document, 0..9).expect("read");
        chunks.into_iter().map(|chunk| (chunk.ordinal, chunk.text)).collect::<Vec<_>>()
    };
    assert_eq!(texts(), [(0, "white tea".to_owned()), (1, "iced tea".to_owned())]);
    assert_eq!((shelf.words("black"), shelf.words("green")), (vec![], vec![]));
    assert_eq!(shelf.words("white"), ["a_md-1-0"]);
    assert_eq!(shelf.near(UP), ["a_md-1-0", "mine"]);
    let changed = shelf.document(&document);
    assert_eq!((changed.chunks, changed.tokens, &changed.metadata), (2, 4, &note));

    let disable = edit(vec![chunk("mine", "iced tea", &[])], &[]);
    assert!(store.edit_chunks(&document, &disable).expect("edited"));
    assert_eq!((shelf.words("iced"), shelf.count()), (vec![], 1));
    assert_eq!(texts().len(), 2, "it is still there to be read");
    let disable = edit(vec![chunk("a_md-1-0", "white tea", &[])], &["mine"]);
    store.edit_chunks(&document, &disable).expect("edited");
    store.edit_chunks(&document, &edit(vec![chunk("mine", "iced tea", &UP)], &[])).expect("edited");
    let page = |from, limit| {
        let chunks = store.chunk_page(&document, from, limit).expect("read");
        chunks.into_iter().map(|chunk| chunk.text).collect::<Vec<_>>()
    };
    assert_eq!(page(0, 9), ["white tea", "iced tea"], "whatever is searched of it");
    assert_eq!(
        (page(0, 1), page(1, 9)),
        (vec!["white tea".to_owned()], vec!["iced tea".to_owned()])
    );
    let wrong = edit(vec![chunk("mine", "iced tea", &[1.0])], &[]);
    let refused = store.edit_chunks(&document, &wrong);
    assert_eq!(kind(refused), StoreErrorKind::EmbeddingMismatch);

    let kept = store.keep(&shelf.job("b.md", 3)).expect("kept");
    assert!(
        store.edit_chunks(&kept, &edit(vec![chunk("first", "red tea", &UP)], &[])).expect("edited")
    );
    assert_eq!(shelf.words("red"), ["first"]);
    assert_eq!(shelf.document(&kept).status, DocumentStatus::Kept);
    let nobody = "nobody".parse().expect("an id");
    assert!(!store.edit_chunks(&nobody, &ChunkEdit::default()).expect("asked"));

    assert!(store.ingest_again(&document).expect("queued"));
    shelf.complete(&shelf.claim(), 2, &[("green tea", EAST)]).expect("completed");
    assert_eq!(texts(), [(0, "green tea".to_owned())], "ingestion replaces what was edited");
}

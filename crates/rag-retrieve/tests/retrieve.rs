//! Retrieval over the embedded store with scripted models.

use std::sync::Arc;
use std::time::Duration;

use llm_core::{ErrorKind, ModelError, Operation, SyncEmbeddingModel, SyncRerankModel};
use rag_core::{
    Chunk, ChunkIndex, ChunkKind, CompletedDocument, ContentHash, Dataset, DatasetSettings,
    DocumentId, DocumentSource, EmbeddedChunk, EmbeddingIdentity, EnrichmentOptions,
    FilterOperator, IngestJob, Metadata, MetadataCondition, MetadataFilter, MetadataStore,
    MetadataValue, PhraseUse, Tag, TenantId,
};
use rag_retrieve::{Reranker, Retrieval, RetrieveRequest, Retriever};
use rag_store::{Durability, EmbeddedStore, StoreOptions};
use tempfile::TempDir;
use testkit::scripted::{SyncScriptedEmbedding, SyncScriptedRerank, vector_of};

const DIMENSIONS: usize = 256;

/// A store with documents of one chunk each, and a retriever over it.
struct Library {
    store: Arc<EmbeddedStore>,
    model: SyncScriptedEmbedding,
    _directory: TempDir,
}

impl Library {
    fn new() -> Self {
        Self::with_model(SyncScriptedEmbedding::new(DIMENSIONS, Duration::ZERO))
    }

    fn with_model(model: SyncScriptedEmbedding) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let options =
            StoreOptions { durability: Durability::ProcessDeath, ..StoreOptions::default() };
        let store = EmbeddedStore::open(directory.path(), options).unwrap();
        Self { store, model, _directory: directory }
    }

    fn dataset(&self, name: &str, model: &str) -> Dataset {
        let embedding = EmbeddingIdentity {
            model: model.into(),
            dimensions: DIMENSIONS as u32,
            ..EmbeddingIdentity::default()
        };
        self.store
            .ensure_dataset(&TenantId::local(), name, &embedding, &DatasetSettings::default())
            .unwrap()
    }

    /// A dataset whose hits are ranked in a way of its own.
    fn dataset_with(&self, name: &str, settings: DatasetSettings) -> Dataset {
        let made = self.dataset(name, "test/words");
        self.store.update_dataset(&made.id, &settings).unwrap();
        self.dataset(name, "test/words")
    }

    /// Stores a document whose chunk has this text, and the vector of perhaps another.
    fn add(&self, dataset: &Dataset, name: &str, text: &str, vector_text: &str) -> DocumentId {
        let vector = vector_of(vector_text, DIMENSIONS);
        let chunk = |document: &DocumentId| {
            let (id, text) = (name.parse().unwrap(), text.to_owned());
            let chunk = Chunk::new(id, dataset.id.clone(), document.clone(), text);
            vec![EmbeddedChunk { chunk, vector: vector.clone() }]
        };
        self.complete(dataset, name, Metadata::new(), chunk)
    }

    /// Stores a document of these chunks.
    fn complete(
        &self,
        dataset: &Dataset,
        name: &str,
        metadata: Metadata,
        chunks: impl FnOnce(&DocumentId) -> Vec<EmbeddedChunk>,
    ) -> DocumentId {
        let source = DocumentSource::File { path: name.into() };
        let content = ContentHash([1; 32]);
        let job = IngestJob::new(dataset.id.clone(), name.into(), source, content, 1);
        self.store.submit(&job).unwrap();
        let job = self.store.claim(Duration::from_secs(600), 3).unwrap().unwrap();
        let chunks = chunks(&job.document);
        let title = Some("A title".to_owned());
        let document = CompletedDocument { title, metadata, chunks, pages: 0 };
        self.store.complete(&job, document).unwrap();
        job.document
    }

    /// A document of passages, numbered and named in order; `parents` tells what each is a part of.
    fn add_parts(&self, dataset: &Dataset, name: &str, parts: &[(ChunkKind, &str, Option<&str>)]) {
        self.complete(dataset, name, Metadata::new(), |document| {
            let part =
                |(ordinal, (kind, text, parent)): (usize, &(ChunkKind, &str, Option<&str>))| {
                    let id = format!("{name}-{ordinal}").parse().unwrap();
                    let chunk = Chunk {
                        ordinal: ordinal as u32,
                        kind: *kind,
                        parent: parent.map(|parent| parent.parse().unwrap()),
                        ..Chunk::new(id, dataset.id.clone(), document.clone(), (*text).to_owned())
                    };
                    let vector = match kind.is_searched() {
                        true => vector_of(text, DIMENSIONS),
                        false => Vec::new(),
                    };
                    EmbeddedChunk { chunk, vector }
                };
            parts.iter().enumerate().map(part).collect()
        });
    }

    fn retrieve(&self, request: &RetrieveRequest) -> Retrieval {
        let model = self.model.clone();
        let embedder = move |identity: &EmbeddingIdentity| match identity.model.as_str() {
            "test/gone" => Err(ModelError::new(ErrorKind::NotFound, Operation::Embed, "gone")),
            _ => Ok(Arc::new(model.clone()) as Arc<dyn SyncEmbeddingModel>),
        };
        let retriever = Retriever::new(self.store.clone(), self.store.clone(), Arc::new(embedder));
        retriever.retrieve(request).unwrap()
    }
}

fn ask(question: &str, datasets: &[&Dataset]) -> RetrieveRequest {
    RetrieveRequest {
        question: question.into(),
        datasets: datasets.iter().map(|dataset| (*dataset).clone()).collect(),
        ..RetrieveRequest::default()
    }
}

fn names(retrieval: &Retrieval) -> Vec<&str> {
    retrieval.chunks.iter().map(|found| found.document_name.as_str()).collect()
}

#[test]
fn finds_by_words_and_by_meaning_and_says_why() {
    let library = Library::new();
    let dataset = library.dataset("drinks", "test/words");
    library.add(&dataset, "words", "green tea is brewed at eighty degrees", "unrelated");
    library.add(&dataset, "meaning", "sencha wants moderate heat", "temperature for green tea");
    library.add(&dataset, "neither", "black coffee", "nothing alike");
    let found = library.retrieve(&ask("temperature for green tea", &[&dataset]));

    assert_eq!(names(&found)[..2], ["meaning", "words"]);
    assert_eq!(found.total, 3);
    assert!(found.warnings.is_empty());
    let [meaning, words] = [&found.chunks[0], &found.chunks[1]];
    assert_eq!((meaning.why.text, meaning.why.coverage), (None, 0.0));
    assert!(meaning.why.vector.unwrap() > 0.99);
    assert!(words.why.text.unwrap() > 0.0 && words.why.coverage > 0.0 && words.why.coverage < 1.0);
    assert!(words.why.vector.unwrap() < 0.5, "a hit of full text has its cosine too");
    assert_eq!(words.title.as_deref(), Some("A title"));
    assert_eq!(words.score, words.why.fused);
}

#[test]
fn the_weight_decides_and_zero_asks_no_model() {
    let library = Library::new();
    let dataset = library.dataset("drinks", "test/words");
    library.add(&dataset, "words", "green tea", "unrelated");
    library.add(&dataset, "meaning", "sencha", "green tea");
    let first = |weight: f32| {
        let request =
            RetrieveRequest { vector_weight: Some(weight), ..ask("green tea", &[&dataset]) };
        library.retrieve(&request).chunks[0].document_name.clone()
    };
    assert_eq!((first(0.9), first(0.1)), ("meaning".into(), "words".into()));
    let asked = library.model.requests().len();
    assert_eq!(first(0.0), "words");
    assert_eq!(library.model.requests().len(), asked);
}

#[test]
fn a_failing_model_leaves_full_text_and_a_warning() {
    let failing = SyncScriptedEmbedding::new(DIMENSIONS, Duration::ZERO)
        .then(Some(ErrorKind::Overloaded.into()));
    let of_other_length = SyncScriptedEmbedding::new(3, Duration::ZERO);
    for (model, name) in [
        (failing, "test/words"),
        (of_other_length, "test/words"),
        (SyncScriptedEmbedding::new(DIMENSIONS, Duration::ZERO), "test/gone"),
    ] {
        let shortens = model.info().limits.dimensions == Some(3);
        let library = Library::with_model(model);
        let dataset = library.dataset("drinks", name);
        library.add(&dataset, "tea", "green tea", "green tea");
        let found = library.retrieve(&ask("green tea", &[&dataset]));
        assert_eq!(names(&found), ["tea"]);
        if shortens {
            // The scripted model gives any length that it is asked for, as ours is asked to.
            assert_eq!(library.model.requests()[0].dimensions, Some(DIMENSIONS as u32));
            continue;
        }
        assert_eq!(found.warnings, [format!("only full text was searched: {name} failed")]);
        assert_eq!(found.chunks[0].why.vector, None);
    }
}

#[test]
fn datasets_of_different_models_are_searched_together() {
    let library = Library::new();
    let one = library.dataset("one", "test/one");
    let other = library.dataset("other", "test/other");
    let same = library.dataset("same", "test/one");
    library.add(&one, "a", "green tea", "green tea");
    library.add(&other, "b", "green tea in the afternoon", "green tea");
    library.add(&same, "c", "black tea", "black tea");
    let found = library.retrieve(&ask("green tea", &[&one, &other, &same]));
    assert_eq!(names(&found)[0], "a");
    assert_eq!((found.chunks.len(), found.total), (3, 3));
    assert_eq!(library.model.requests().len(), 2, "one call for each model");
}

#[test]
fn filters_thresholds_and_pages() {
    let library = Library::new();
    let dataset = library.dataset("drinks", "test/words");
    let documents: Vec<DocumentId> = (0..9)
        .map(|number| {
            let text = format!("green tea{}", " and more".repeat(number));
            library.add(&dataset, &format!("d{number}"), &text, &text)
        })
        .collect();
    let all = library.retrieve(&RetrieveRequest { top: 9, ..ask("green tea", &[&dataset]) });
    assert_eq!((all.chunks.len(), all.matching), (9, 9));

    let pages: Vec<String> = (0..3)
        .flat_map(|page| {
            let request =
                RetrieveRequest { top: 3, skip: page * 3, ..ask("green tea", &[&dataset]) };
            let found = library.retrieve(&request);
            assert_eq!(found.matching, 9);
            names(&found).into_iter().map(str::to_owned).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(pages, names(&all));

    let threshold = all.chunks[4].score;
    let request = RetrieveRequest { top: 9, threshold, ..ask("green tea", &[&dataset]) };
    assert_eq!(library.retrieve(&request).chunks.len(), 5);

    let some = |documents: Vec<DocumentId>| {
        let request =
            RetrieveRequest { documents: Some(documents), ..ask("green tea", &[&dataset]) };
        let found = library.retrieve(&request);
        (found.chunks.len(), found.total)
    };
    assert_eq!(some(vec![documents[2].clone()]), (1, 1));
    assert_eq!(some(vec![]), (0, 0), "an empty filter finds nothing");
}

#[test]
fn nothing_is_found_nowhere_and_without_a_question() {
    let library = Library::new();
    let dataset = library.dataset("drinks", "test/words");
    library.add(&dataset, "tea", "green tea", "green tea");
    for request in [ask("green tea", &[]), ask("  ", &[&dataset])] {
        assert!(library.retrieve(&request).chunks.is_empty());
    }
}

#[test]
fn a_rerank_model_has_the_last_word() {
    let library = Library::new();
    let dataset = library.dataset("drinks", "test/words");
    library.add(&dataset, "best", "tea tea tea", "green tea");
    library.add(&dataset, "exact", "green tea", "coffee");
    library.add(&dataset, "behind", "water", "the sea");
    let rerank = |model: SyncScriptedRerank| {
        let model: Arc<dyn SyncRerankModel> = Arc::new(model);
        let request = RetrieveRequest {
            vector_weight: Some(0.9),
            rerank: Some(Reranker { model, hits: 2 }),
            ..ask("green tea", &[&dataset])
        };
        library.retrieve(&request)
    };
    let found = rerank(SyncScriptedRerank::new(Duration::ZERO));
    assert_eq!(names(&found), ["exact", "best", "behind"]);
    assert_eq!(found.chunks[0].why.rerank, Some(found.chunks[0].score));
    assert_eq!(found.chunks[2].why.rerank, None, "only the best two are reranked");

    let failing = SyncScriptedRerank::new(Duration::ZERO).then(Some(ErrorKind::Timeout.into()));
    let found = rerank(failing);
    assert_eq!(names(&found), ["best", "exact", "behind"]);
    assert_eq!(found.warnings.len(), 1, "{:?}", found.warnings);
}

#[test]
fn pages_beyond_the_candidates_go_on_in_the_same_order() {
    let library = Library::new();
    let dataset = library.dataset("drinks", "test/words");
    for number in 0..40 {
        let text = format!("green tea{}", " and more".repeat(number % 13));
        library.add(&dataset, &format!("d{number}"), &text, &format!("tea {number}"));
    }
    let page = |skip: usize, top: usize| {
        let request = RetrieveRequest { candidates: 4, skip, top, ..ask("green tea", &[&dataset]) };
        let found = library.retrieve(&request);
        names(&found).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let by_pages: Vec<String> = (0..20).flat_map(|number| page(number * 2, 2)).collect();
    assert_eq!(by_pages, page(0, 40));
    assert_eq!(by_pages.len(), 40);
}

#[test]
fn parts_come_as_the_chunk_that_they_are_of() {
    use ChunkKind::{Parent, Passage};
    let library = Library::new();
    let dataset = library.dataset("drinks", "test/words");
    library.add_parts(
        &dataset,
        "guide",
        &[
            (Parent, "Green tea is brewed at eighty degrees. Green tea keeps for a year.", None),
            (Passage, "Green tea is brewed at eighty degrees.", Some("guide-0")),
            (Passage, "Green tea keeps for a year.", Some("guide-0")),
            (Parent, "Coffee is roasted. It is ground.", None),
            (Passage, "Coffee is roasted.", Some("guide-3")),
            (Passage, "It is ground.", Some("guide-3")),
        ],
    );
    let found = library.retrieve(&ask("how is green tea brewed", &[&dataset]));
    assert_eq!(found.total, 4, "what is not searched does not count");
    let first = &found.chunks[0];
    assert_eq!((first.chunk.ordinal, first.chunk.kind, first.why.parts), (0, Parent, 2));
    let of_tea = found.chunks.iter().filter(|chunk| chunk.chunk.ordinal < 3).count();
    assert_eq!(of_tea, 1, "each chunk comes once");

    let request = RetrieveRequest { parents: false, ..ask("how is green tea brewed", &[&dataset]) };
    assert_eq!(library.retrieve(&request).chunks[0].chunk.ordinal, 1);
    let request = RetrieveRequest { neighbours: 1, ..ask("how is green tea brewed", &[&dataset]) };
    let first = &library.retrieve(&request).chunks[0];
    let ordinals = |chunks: &[Chunk]| chunks.iter().map(|chunk| chunk.ordinal).collect::<Vec<_>>();
    assert_eq!((ordinals(&first.before), ordinals(&first.after)), (vec![], vec![3]));
}

#[test]
fn neighbours_stand_in_their_order() {
    let library = Library::new();
    let dataset = library.dataset("numbers", "test/words");
    let texts = ["zero", "one", "two", "three", "four", "five"];
    library.add_parts(&dataset, "list", &texts.map(|text| (ChunkKind::Passage, text, None)));
    let request = RetrieveRequest { neighbours: 2, top: 1, ..ask("four", &[&dataset]) };
    let found = library.retrieve(&request);
    let texts = |chunks: &[Chunk]| chunks.iter().map(|c| c.text.clone()).collect::<Vec<_>>();
    assert_eq!(texts(&found.chunks[0].before), ["two", "three"]);
    assert_eq!(texts(&found.chunks[0].after), ["five"]);
}

#[test]
fn diversity_takes_repetition_down() {
    let library = Library::new();
    let dataset = library.dataset("drinks", "test/words");
    library.add(&dataset, "first", "green tea is brewed at eighty degrees", "green tea brewed");
    library.add(&dataset, "copy", "green tea is brewed at eighty degrees!", "green tea brewed");
    library.add(&dataset, "other", "steep sencha, a green tea, for a minute", "green tea");
    let order = |diversity: f32| {
        let request = RetrieveRequest { diversity, ..ask("green tea brewed", &[&dataset]) };
        let found = library.retrieve(&request);
        names(&found).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(order(0.0)[2], "other");
    assert_eq!(order(0.6)[1], "other");
}

#[test]
fn page_rank_and_tags_raise_hits_but_not_over_the_threshold() {
    let library = Library::new();
    let plain = library.dataset("plain", "test/words");
    let ranked =
        library.dataset_with("ranked", DatasetSettings { page_rank: 100, ..Default::default() });
    library.add(&plain, "exact", "green tea", "green tea");
    library.add(&ranked, "ranked", "green tea and much more about other things", "coffee");
    let found = library.retrieve(&ask("green tea", &[&plain, &ranked]));
    assert_eq!(names(&found), ["ranked", "exact"]);
    assert_eq!(found.chunks[0].why.page_rank, 1.0);
    let threshold = found.chunks[1].why.fused;
    let request = RetrieveRequest { threshold, ..ask("green tea", &[&plain, &ranked]) };
    assert_eq!(names(&library.retrieve(&request)), ["exact"]);

    let tags = library.dataset("tags", "test/words");
    let tagged = |name: &str, dataset: &Dataset, text: &str, tag: &str| {
        library.complete(dataset, name, Metadata::new(), |document| {
            let id = name.parse().unwrap();
            let chunk = Chunk {
                tags: vec![Tag { name: tag.into(), weight: 1.0 }],
                ..Chunk::new(id, dataset.id.clone(), document.clone(), text.into())
            };
            vec![EmbeddedChunk { chunk, vector: vector_of(text, DIMENSIONS) }]
        });
    };
    tagged("description", &tags, "questions about returning goods", "refunds");
    let enrichment =
        EnrichmentOptions { tag_datasets: vec![tags.id.clone()], ..EnrichmentOptions::default() };
    let shop = library.dataset_with("shop", DatasetSettings { enrichment, ..Default::default() });
    tagged("shipping", &shop, "goods are sent within a day", "shipping");
    tagged("refunds", &shop, "goods are taken back within a month", "refunds");
    let found = library.retrieve(&ask("returning goods", &[&shop]));
    assert_eq!(names(&found)[0], "refunds");
    assert!(found.chunks[0].why.tags > 0.1 && found.chunks[1].why.tags == 0.0);
}

#[test]
fn metadata_filters_are_exact_and_no_match_finds_nothing() {
    let library = Library::new();
    let dataset = library.dataset("drinks", "test/words");
    for (name, year) in [("old", 1999.0), ("new", 2024.0)] {
        let metadata = Metadata::from([("year".to_owned(), MetadataValue::Number(year))]);
        library.complete(&dataset, name, metadata, |document| {
            let id = name.parse().unwrap();
            let chunk = Chunk::new(id, dataset.id.clone(), document.clone(), "green tea".into());
            vec![EmbeddedChunk { chunk, vector: vector_of("green tea", DIMENSIONS) }]
        });
    }
    let after = |year: f64| {
        let condition = MetadataCondition {
            field: "year".into(),
            operator: FilterOperator::Greater,
            value: Some(MetadataValue::Number(year)),
        };
        let metadata = Some(MetadataFilter::Field(condition));
        let request = RetrieveRequest { metadata, ..ask("green tea", &[&dataset]) };
        let found = library.retrieve(&request);
        (names(&found).join(" "), found.total)
    };
    assert_eq!(after(2000.0), ("new".into(), 1));
    assert_eq!(after(3000.0), (String::new(), 0));
}

#[test]
fn phrases_may_be_required_and_words_are_marked() {
    let library = Library::new();
    let dataset = library.dataset("drinks", "test/words");
    library.add(&dataset, "phrase", "they sell green teas here", "far away");
    library.add(&dataset, "words", "tea that is green tea and green", "green tea");
    let request = RetrieveRequest { highlight: true, ..ask("\"green tea\" here", &[&dataset]) };
    let found = library.retrieve(&request);
    assert_eq!(found.chunks.len(), 2);
    let of_phrase = found.chunks.iter().find(|hit| hit.document_name == "phrase").unwrap();
    let marked: Vec<&str> =
        of_phrase.highlights.iter().map(|span| &of_phrase.chunk.text[span.clone()]).collect();
    assert_eq!(marked, ["green", "teas", "here"]);

    let request =
        RetrieveRequest { phrases: PhraseUse::Require, ..ask("\"they sell\" tea", &[&dataset]) };
    assert_eq!(names(&library.retrieve(&request)), ["phrase"]);
}

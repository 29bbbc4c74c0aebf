//! How long filters over metadata take.
//!
//! ```sh
//! cargo run --release -p rag-store --example filters -- [DOCUMENTS]
//! ```
//!
//! Documents of one chunk each, with a number of 60 values (`year`), texts of 5,000 and of as many values as there are
//! documents (`author`, `title`), a date and a list of tags. Times are of counting what a filter lets through, which
//! looks at every document once besides.

use std::error::Error;
use std::time::{Duration, Instant};

use rag_core::{
    Chunk, ChunkFilter, ChunkIndex, CompletedDocument, ContentHash, Dataset, DatasetSettings,
    DocumentSource, EmbeddedChunk, EmbeddingIdentity, IngestJob, Metadata, MetadataStore,
    MetadataValue, TenantId,
};
use rag_store::{Durability, EmbeddedStore, StoreOptions};

const ROUNDS: usize = 200;
const BATCH: usize = 500;
const FILTERS: [&str; 12] = [
    "all()",
    "year = 1999",
    "year in (1999, 2004, 2011)",
    "year >= 1990 and year < 2000",
    "year != 1999",
    "author = 'author 77'",
    "title = 'the title of 4711'",
    "published >= 2010-01-01",
    "tags = tag3",
    "tags = tag3 and year > 2000 and not author starts with 'author 1'",
    "author contains '77'",
    "title contains '4711'",
];

fn main() -> Result<(), Box<dyn Error>> {
    let documents: usize = match std::env::args().nth(1) {
        Some(documents) => documents.parse()?,
        None => 100_000,
    };
    let directory = tempfile::tempdir()?;
    let options = StoreOptions { durability: Durability::ProcessDeath, ..StoreOptions::default() };
    let store = EmbeddedStore::open(directory.path(), options)?;
    let embedding = EmbeddingIdentity {
        model: "test/model".into(),
        dimensions: 8,
        ..EmbeddingIdentity::default()
    };
    let dataset = store.ensure_dataset(
        &TenantId::local(),
        "default",
        &embedding,
        &DatasetSettings::default(),
    )?;
    for first in (0..documents).step_by(BATCH) {
        fill(&store, &dataset, first..documents.min(first + BATCH))?;
    }
    store.flush()?;

    let filter = |metadata: Option<&str>| -> Result<ChunkFilter, Box<dyn Error>> {
        let metadata = metadata.map(str::parse).transpose()?;
        let datasets = vec![dataset.id.clone()];
        Ok(ChunkFilter { datasets, metadata, ..ChunkFilter::default() })
    };
    let (count, none) = measure(&store, &filter(None)?)?;
    println!("{documents} documents; counting {count} without a filter: {none:?}");
    let start = Instant::now();
    store.count(&filter(Some(FILTERS[0]))?)?;
    println!("making the index: {:?}", start.elapsed());
    for text in FILTERS {
        let (count, time) = measure(&store, &filter(Some(text))?)?;
        println!("{time:>10.1?}  {count:>7}  {text}");
    }
    let id = store.documents(&dataset.id)?.swap_remove(0).id;
    let start = Instant::now();
    for number in 0..ROUNDS {
        store.set_metadata(&id, &metadata(number))?;
    }
    println!("set_metadata: {:?}", start.elapsed() / ROUNDS as u32);
    Ok(())
}

fn fill(
    store: &EmbeddedStore,
    dataset: &Dataset,
    numbers: std::ops::Range<usize>,
) -> Result<(), Box<dyn Error>> {
    let job = |number: usize| {
        let name = format!("{number}");
        let source = DocumentSource::File { path: name.clone().into() };
        let job = IngestJob::new(dataset.id.clone(), name, source, ContentHash([1; 32]), 1);
        IngestJob { metadata: metadata(number), ..job }
    };
    store.submit_all(&numbers.map(job).collect::<Vec<_>>())?;
    while let Some(job) = store.claim(Duration::from_secs(3600), 3)? {
        let id = format!("chunk-{}", job.job.name).parse()?;
        let chunk =
            Chunk::new(id, dataset.id.clone(), job.document.clone(), "tea and water".into());
        let chunks = vec![EmbeddedChunk { chunk, vector: vec![0.3; 8] }];
        store.complete(&job, CompletedDocument { chunks, ..CompletedDocument::default() })?;
    }
    Ok(())
}

fn metadata(number: usize) -> Metadata {
    let text = MetadataValue::Text;
    [
        ("year", MetadataValue::Number((1965 + number % 60) as f64)),
        ("author", text(format!("Author {}", number * 31 % 5000))),
        ("title", text(format!("The Title of {number}"))),
        ("published", text(format!("{}-{:02}-01", 2000 + number % 25, 1 + number % 12))),
        (
            "tags",
            MetadataValue::List(vec![format!("tag{}", number % 7), format!("tag{}", number % 101)]),
        ),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// What is counted, and the median time.
fn measure(store: &EmbeddedStore, filter: &ChunkFilter) -> Result<(u64, Duration), Box<dyn Error>> {
    let mut times = Vec::new();
    let mut count = 0;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        count = store.count(filter)?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    Ok((count, times[times.len() / 2]))
}

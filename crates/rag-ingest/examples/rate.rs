//! How fast the pipeline is with everything but a model's own work: writes pages of Markdown, ingests them twice, and
//! prints the rates.
//!
//! ```text
//! cargo run --release -p rag-ingest --example rate -- [PAGES]
//! ```

use std::error::Error;
use std::fmt::Write;
use std::sync::Arc;

use futures::future::BoxFuture;
use llm_bundle::SyncPool;
use llm_core::{
    EmbeddingModel, EmbeddingRequest, EmbeddingResponse, ModelError, ModelInfo, ModelKind,
    ModelName,
};
use rag_core::{DatasetSettings, EmbeddingIdentity, MetadataStore, TenantId};
use rag_ingest::{Pipeline, PipelineParts, SubmitOptions, no_chat, one_embedder};
use rag_parse::{FileParser, StructuralChunker};
use rag_store::{EmbeddedStore, StoreOptions};

const DIMENSIONS: usize = 256;

/// Gives every text a vector made of its bytes, which costs next to nothing.
struct Bytes(ModelInfo);

impl EmbeddingModel for Bytes {
    fn info(&self) -> &ModelInfo {
        &self.0
    }

    fn embed(
        &self,
        request: EmbeddingRequest,
    ) -> BoxFuture<'static, Result<EmbeddingResponse, ModelError>> {
        let vector = |text: &String| {
            let mut vector = vec![0.1; DIMENSIONS];
            for (place, byte) in text.bytes().enumerate() {
                vector[place % DIMENSIONS] += f32::from(byte) - 96.0;
            }
            vector
        };
        let vectors = request.inputs.iter().map(vector).collect();
        Box::pin(async { Ok(EmbeddingResponse { vectors, ..EmbeddingResponse::default() }) })
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let pages: usize = std::env::args().nth(1).map_or(Ok(10_000), |pages| pages.parse())?;
    let folder = tempfile::tempdir()?;
    let docs = folder.path().join("docs");
    std::fs::create_dir(&docs)?;
    for number in 0..pages {
        std::fs::write(docs.join(format!("{number:06}.md")), page(number)?)?;
    }
    let store = EmbeddedStore::open(folder.path().join("data"), StoreOptions::default())?;
    let embedding = EmbeddingIdentity {
        model: "local/bytes".into(),
        dimensions: DIMENSIONS as u32,
        ..EmbeddingIdentity::default()
    };
    let dataset = store.ensure_dataset(
        &TenantId::local(),
        "default",
        &embedding,
        &DatasetSettings::default(),
    )?;
    let bytes = Bytes(ModelInfo::new(ModelName::new("local", "bytes"), ModelKind::Embedding));
    let pipeline = Pipeline::new(PipelineParts {
        store,
        parser: Arc::new(FileParser::default()),
        chunker: Arc::new(StructuralChunker::default()),
        embedder: one_embedder(Arc::new(bytes)),
        vision: None,
        chat: no_chat(),
        pool: SyncPool::builder().name("callers").build()?,
    });
    for run in ["first", "second"] {
        let summary =
            pipeline.ingest(&dataset.id, vec![docs.clone()], SubmitOptions::default()).await?;
        let seconds = summary.elapsed.as_secs_f64();
        println!(
            "{run}: {} added, {} unchanged, {} failed, {} chunks in {seconds:.2} s: {:.0} files/s, {:.0} chunks/s",
            summary.added,
            summary.unchanged,
            summary.failed.len(),
            summary.chunks,
            (summary.added + summary.unchanged) as f64 / seconds,
            summary.chunks as f64 / seconds,
        );
    }
    Ok(())
}

/// A page of eight sections, about 1,500 words, with words of its own.
fn page(number: usize) -> Result<String, std::fmt::Error> {
    let mut text = format!("# Page {number}\n\n");
    let mut state = number as u64 + 1;
    for section in 0..8 {
        writeln!(text, "## Section {section} of page {number}\n")?;
        for _ in 0..180 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let word = state >> 50;
            write!(text, "w{word} ")?;
            if word.is_multiple_of(11) {
                text.push_str("end. Then ");
            }
        }
        text.push_str("\n\n");
    }
    Ok(text)
}

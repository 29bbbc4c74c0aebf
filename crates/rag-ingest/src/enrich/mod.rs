//! What a chat model adds to a document: keywords and questions of its chunks, tags, a table of contents, metadata,
//! a graph of entities, and summaries.
//!
//! All of it is optional and costs calls. An answer is kept by everything that it depends on, so that a document that is
//! ingested again, or whose ingestion was interrupted, pays only for what is new. A document may cost so many tokens and
//! no more; what was found until then stays. A model that fails costs the document what it would have added, not its
//! place in the index.

mod annotations;
mod answers;
mod asking;
mod clusters;
mod contents;
mod entities;
mod graph;
mod metadata;
mod prompts;
mod summaries;
mod tags;
mod written;

use std::sync::Arc;

use llm_bundle::SyncPool;
use llm_core::{ChatModel, ModelError};
use rag_core::{
    ArtifactStore, Chunk, ChunkIndex, EnrichmentOptions, Metadata, MetadataStore, ParsedDocument,
};

use crate::artifacts::Artifacts;
use asking::Asking;
pub use summaries::{Embed, Summaries};

/// Adds to documents what models find in them.
#[derive(Clone)]
pub struct Enricher {
    parts: EnricherParts,
    artifacts: Artifacts,
}

/// What an [`Enricher`] is made of.
#[derive(Clone)]
pub struct EnricherParts {
    /// Answers. Calls are made as it is given: bounded and at the priority of ingestion.
    pub chat: Arc<dyn ChatModel>,
    /// Keeps answers.
    pub artifacts: Arc<dyn ArtifactStore>,
    /// Where tag datasets are.
    pub chunks: Arc<dyn MetadataStore>,
    /// Searches tag datasets.
    pub index: Arc<dyn ChunkIndex>,
    /// Where the stores' blocking calls run.
    pub pool: SyncPool,
    /// Calls of one document under way at once, at least one.
    pub concurrency: usize,
}

/// A document with what was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Enriched {
    /// The chunks, in order, with keywords, questions and tags; behind them the contents and the entities, where
    /// wanted.
    pub chunks: Vec<Chunk>,
    /// Fields that a model found.
    pub metadata: Metadata,
    /// What is missing and why, one line each.
    pub warnings: Vec<String>,
    /// Tokens that were paid for, in and out.
    pub tokens: u64,
}

impl Enricher {
    /// An enricher of these parts.
    pub fn new(parts: EnricherParts) -> Self {
        let artifacts = Artifacts::new(parts.artifacts.clone(), parts.pool.clone());
        Self { parts, artifacts }
    }

    /// The same, with answers among the artifacts of a job.
    pub(crate) fn keeping(self, artifacts: Artifacts) -> Self {
        Self { artifacts, ..self }
    }

    /// Adds what `options` ask for, but for summaries, which need vectors: see [`summarise`](Self::summarise). `name` is
    /// the document's. Dropping the future stops it; answers that came are kept.
    ///
    /// # Errors
    /// The model's, when its first call fails in a way that another time may mend: then nothing was paid for, and the
    /// document is worth trying later. Any later failure is a warning.
    pub async fn enrich(
        &self,
        name: &str,
        document: &ParsedDocument,
        chunks: Vec<Chunk>,
        options: &EnrichmentOptions,
    ) -> Result<Enriched, ModelError> {
        let asking = Asking::new(self, options);
        let metadata = match options.metadata.is_empty() {
            true => Metadata::new(),
            false => metadata::find(&asking, name, document, &options.metadata).await?,
        };
        let mut chunks = annotations::annotate(&asking, chunks, options).await?;
        if !options.tag_datasets.is_empty() {
            chunks = tags::tag(&self.parts, &asking, chunks, options).await?;
        }
        if options.contents {
            let contents = contents::write(&asking, document, &chunks).await?;
            chunks.extend(contents);
        }
        if let Some(options) = &options.graph {
            let entities = graph::write(&asking, &chunks, options).await?;
            chunks.extend(entities);
        }
        let (warnings, tokens) = asking.finish();
        Ok(Enriched { chunks, metadata, warnings, tokens })
    }

    /// Summaries of neighbouring chunks, then of these, up to one of the whole document, as
    /// [`SummaryOptions`](rag_core::SummaryOptions) say; `spent` tokens were paid for the document before. `vectors` are
    /// the chunks', and `embed` gives those of summaries.
    ///
    /// # Errors
    /// As [`enrich`](Self::enrich), and those of `embed`.
    pub async fn summarise(
        &self,
        chunks: &[Chunk],
        vectors: &[Vec<f32>],
        options: &EnrichmentOptions,
        spent: u64,
        embed: Embed<'_>,
    ) -> Result<Summaries, ModelError> {
        let Some(summaries) = &options.summaries else { return Ok(Summaries::default()) };
        let asking = Asking::new(self, options).after(spent);
        let (chunks, vectors) =
            summaries::write(&asking, chunks, vectors, summaries, embed).await?;
        let (warnings, tokens) = asking.finish();
        Ok(Summaries { chunks, vectors, warnings, tokens })
    }
}

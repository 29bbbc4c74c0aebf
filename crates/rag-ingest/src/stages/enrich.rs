//! What a chat model adds to the document.

use std::sync::Mutex;

use futures::FutureExt;
use llm_core::{ErrorKind, ModelError, Operation};
use rag_core::{Chunk, IngestStage, ParsedDocument};

use crate::enrich::{Enriched, Enricher, EnricherParts, Summaries};
use crate::held_job::HeldJob;
use crate::patience;
use crate::pipeline::TextsOf;
use crate::stages::embed::Embedding;
use crate::trouble::{Trouble, one_line};

/// Calls of one document under way at once.
const CALLS_AT_ONCE: usize = 4;

/// The chunks with what the dataset's settings ask for, but for summaries.
pub(crate) async fn enrich(
    held: &HeldJob,
    parsed: &ParsedDocument,
    chunks: Vec<Chunk>,
) -> Result<Enriched, Trouble> {
    let job = held.job();
    let options = &job.settings.enrichment;
    if !options.is_wanted() {
        return Ok(Enriched { chunks, ..Enriched::default() });
    }
    held.enter(IngestStage::Enrich);
    match enricher(held) {
        Ok(enricher) => {
            let name = &job.job.name;
            let enrich = || enricher.enrich(name, parsed, chunks.clone(), options);
            Ok(patience::ask(held.shared(), enrich).await?)
        }
        Err(error) => {
            let warning = format!("nothing was added by a model: {}", one_line(&error));
            Ok(Enriched { chunks, warnings: vec![warning], ..Enriched::default() })
        }
    }
}

/// Summaries of the chunks, where wanted, with their vectors.
pub(crate) async fn summarise(
    held: &HeldJob,
    enriched: &Enriched,
    vectors: &[Vec<f32>],
    embedding: &Embedding<'_>,
) -> Result<Summaries, Trouble> {
    let options = &held.job().settings.enrichment;
    // Without a model `enrich` has said so already.
    let (true, Ok(enricher)) = (options.summaries.is_some(), enricher(held)) else {
        return Ok(Summaries::default());
    };
    held.enter(IngestStage::Enrich);
    // What keeps the job from getting on passes through the enricher as an error of the model.
    let trouble = Mutex::new(None);
    let embed = |texts| {
        let vectors = async {
            embedding.vectors(texts).await.map_err(|error| {
                if let Ok(mut trouble) = trouble.lock() {
                    *trouble = Some(error);
                }
                ModelError::new(ErrorKind::Internal, Operation::Embed, "summaries have no vectors")
            })
        };
        vectors.boxed()
    };
    let summarise =
        || enricher.summarise(&enriched.chunks, vectors, options, enriched.tokens, &embed);
    let summaries = patience::ask(held.shared(), summarise).await;
    match trouble.lock().ok().and_then(|mut trouble| trouble.take()) {
        Some(trouble) => Err(trouble),
        None => Ok(summaries?),
    }
}

fn enricher(held: &HeldJob) -> Result<Enricher, ModelError> {
    let parts = &held.shared().parts;
    let settings = &held.job().settings;
    let chat = (parts.chat)(settings.enrichment.model.as_deref(), TextsOf::job(held.job()))?;
    let enricher = Enricher::new(EnricherParts {
        chat,
        artifacts: parts.store.clone(),
        chunks: parts.store.clone(),
        index: parts.store.clone(),
        pool: parts.pool.clone(),
        concurrency: CALLS_AT_ONCE,
    });
    Ok(enricher.keeping(held.artifacts().clone()))
}

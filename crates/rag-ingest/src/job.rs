//! One job, from the file to the index.

use std::sync::Arc;

use rag_core::{Chunk, ClaimedJob, IngestStage, StoreErrorKind};

use crate::held_job::HeldJob;
use crate::pipeline::Shared;
use crate::stages::{self, Embedding, Finding};
use crate::trouble::Trouble;
use crate::{IngestError, IngestEvent};

/// How a job ended.
pub(crate) enum Settled {
    Done {
        chunks: u64,
    },
    Failed {
        name: String,
        reason: String,
    },
    /// It went to another worker, or back into the queue, or was cancelled.
    NotOurs,
}

struct Finished {
    chunks: u64,
    pages: u32,
    warnings: Vec<String>,
}

/// Works a claimed job off. Dropping the future gives it back.
pub(crate) async fn work_off(
    shared: &Arc<Shared>,
    claimed: ClaimedJob,
) -> Result<Settled, IngestError> {
    let held = HeldJob::new(shared.clone(), claimed);
    let outcome = tokio::select! {
        outcome = steps(&held) => outcome,
        lost = held.keep() => Err(lost.into()),
        () = held.cancelled() => Err(Trouble::Lost),
    };
    settle(shared, &held, outcome).await
}

/// The whole story of a document. What a dear step gave is kept, so that the story told again is short.
async fn steps(held: &HeldJob) -> Result<Finished, Trouble> {
    let _memory = held.shared().budget.reserve(held.job().job.bytes).await;

    held.enter(IngestStage::Read);
    let bytes = stages::read(held).await?;
    held.enter(IngestStage::Parse);
    let parsed = stages::parse(held, bytes).await?;
    let parsed = stages::describe(held, parsed).await?;
    held.enter(IngestStage::Chunk);
    let (parsed, chunks) = stages::chunk(held, parsed).await?;
    let mut document = stages::enrich(held, &parsed, chunks).await?;
    held.enter(IngestStage::Embed);
    let embedding = stages::embedding(held).await?;
    let mut vectors = embed(&embedding, &document.chunks).await?;
    let summaries = stages::summarise(held, &document, &vectors, &embedding).await?;
    document.chunks.extend(summaries.chunks);
    vectors.extend(summaries.vectors);
    held.enter(IngestStage::Index);
    let finished = Finished {
        chunks: document.chunks.len() as u64,
        pages: parsed.pages,
        warnings: [parsed.warnings.clone(), document.warnings, summaries.warnings].concat(),
    };
    let finding = Finding { chunks: document.chunks, vectors, metadata: document.metadata };
    stages::index(held, parsed, finding).await?;
    Ok(finished)
}

/// A vector for each chunk, empty for those that are not searched.
async fn embed(embedding: &Embedding<'_>, chunks: &[Chunk]) -> Result<Vec<Vec<f32>>, Trouble> {
    let searched = chunks.iter().filter(|chunk| chunk.is_searched());
    let made = embedding.vectors(searched.map(Chunk::contextual_text).collect()).await?;
    let mut made = made.into_iter();
    let vectors = chunks.iter().map(|chunk| match chunk.is_searched() {
        true => made.next().unwrap_or_default(),
        false => Vec::new(),
    });
    Ok(vectors.collect())
}

/// Ends the job in the store, and tells.
async fn settle(
    shared: &Arc<Shared>,
    held: &HeldJob,
    outcome: Result<Finished, Trouble>,
) -> Result<Settled, IngestError> {
    let job = held.job();
    match outcome {
        Ok(finished) => {
            held.settle();
            Ok(done(shared, job, finished))
        }
        Err(Trouble::Failed(reason)) => fail(shared, held, reason).await,
        Err(Trouble::Changed(again)) => {
            tracing::debug!(
                name = again.name,
                "a file changed while it waited; it is queued as it is now"
            );
            shared.with_store(move |store| store.submit(&again)).await??;
            held.settle();
            Ok(Settled::NotOurs)
        }
        Err(Trouble::Lost) => {
            held.settle();
            Ok(Settled::NotOurs)
        }
        // Given back when `held` is dropped.
        Err(Trouble::Later) => Ok(Settled::NotOurs),
        Err(Trouble::Store(error)) => Err(error.into()),
    }
}

fn done(shared: &Shared, job: &ClaimedJob, finished: Finished) -> Settled {
    let Finished { chunks, pages, warnings } = finished;
    shared.count(|progress| {
        progress.done += 1;
        progress.chunks += chunks;
        progress.bytes += job.job.bytes;
    });
    let (document, name) = (job.document.clone(), job.job.name.clone());
    let event = IngestEvent::Done { document, name, chunks, pages, warnings };
    shared.tell_of(&job.job.dataset, event);
    Settled::Done { chunks }
}

async fn fail(
    shared: &Arc<Shared>,
    held: &HeldJob,
    reason: String,
) -> Result<Settled, IngestError> {
    let job = held.job().clone();
    let (name, bytes) = (job.job.name.clone(), job.job.bytes);
    let dataset = job.job.dataset.clone();
    let for_store = reason.clone();
    let failed = shared.with_store(move |store| store.fail(&job, &for_store)).await?;
    held.settle();
    match failed {
        Err(error) if error.kind() == StoreErrorKind::LeaseLost => return Ok(Settled::NotOurs),
        other => other?,
    }
    tracing::info!(name, reason, "a document could not be ingested");
    shared.count(|progress| {
        progress.failed += 1;
        progress.bytes += bytes;
    });
    let event = IngestEvent::Failed { name: name.clone(), reason: reason.clone() };
    shared.tell_of(&dataset, event);
    Ok(Settled::Failed { name, reason })
}

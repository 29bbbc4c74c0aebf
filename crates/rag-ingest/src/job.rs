//! One job, from the file to the index.

use std::error::Error;
use std::fs::File;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use llm_bundle::{PoolError, Priority};
use llm_core::{EmbeddingRequest, ModelError, Retry, RetryHint};
use rag_core::{
    Chunk, ClaimedJob, CompletedDocument, DocumentSource, EmbeddedChunk, IngestJob, IngestStage,
    ParseRequest, ParsedDocument, StoreError, StoreErrorKind,
};

use crate::held_job::HeldJob;
use crate::pipeline::Shared;
use crate::scan::plain;
use crate::{IngestError, IngestEvent, hash};

/// How a job ended.
pub(crate) enum Settled {
    Done {
        chunks: u64,
    },
    Failed {
        name: String,
        reason: String,
    },
    /// It went to another worker, or back into the queue.
    NotOurs,
}

/// Why a job does not get on.
enum Trouble {
    /// The file or the model is at fault; the reason is for people.
    File(String),
    /// The file has changed since it was submitted; it is submitted again as it is now.
    Changed(IngestJob),
    /// Another worker holds the job, or will.
    Lost,
    /// The pool is shutting down: another time.
    Later,
    /// The store failed.
    Store(StoreError),
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
        outcome = steps(shared, &held) => outcome,
        lost = held.keep() => Err(lost.into()),
    };
    settle(shared, &held, outcome).await
}

/// The whole story of a document.
async fn steps(shared: &Arc<Shared>, held: &HeldJob) -> Result<Finished, Trouble> {
    let job = held.job();
    let _memory = shared.budget.reserve(job.job.bytes).await;

    held.enter(IngestStage::Read);
    let bytes = read(shared, job).await?;
    held.enter(IngestStage::Parse);
    let parsed = parse(shared, job, bytes).await?;
    held.enter(IngestStage::Chunk);
    let (parsed, chunks) = cut(shared, job, parsed).await?;
    held.enter(IngestStage::Embed);
    let vectors = embed(shared, job, &chunks).await?;
    held.enter(IngestStage::Index);
    let count = chunks.len() as u64;
    index(shared, job, &parsed, chunks, vectors).await?;
    Ok(Finished { chunks: count, pages: parsed.pages, warnings: parsed.warnings })
}

async fn read(shared: &Shared, job: &ClaimedJob) -> Result<Vec<u8>, Trouble> {
    let (job, most) = (job.job.clone(), shared.options.file_bytes);
    shared.on_pool_as(Priority::Batch, move || read_file(job, most)).await?
}

fn read_file(job: IngestJob, most: u64) -> Result<Vec<u8>, Trouble> {
    let DocumentSource::File { path } = &job.source else {
        return Err(Trouble::File(
            "its source is of a kind that this version cannot read".to_owned(),
        ));
    };
    let unreadable = |error| Trouble::File(format!("the file cannot be read: {}", plain(&error)));
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > most {
        let (size, most) = (mebibytes(job.bytes.max(bytes.len() as u64)), mebibytes(most));
        return Err(Trouble::File(format!("the file has {size}, {most} are allowed")));
    }
    let content = hash::of_bytes(&bytes);
    if content != job.content {
        let bytes = bytes.len() as u64;
        return Err(Trouble::Changed(IngestJob { content, bytes, ..job }));
    }
    Ok(bytes)
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

async fn parse(
    shared: &Shared,
    job: &ClaimedJob,
    bytes: Vec<u8>,
) -> Result<ParsedDocument, Trouble> {
    let (parser, name) = (shared.parts.parser.clone(), job.job.name.clone());
    let pages = job.settings.chunking.pages.clone();
    let read = move || {
        let file = ParseRequest { pages: &pages, ..ParseRequest::new(&name, &bytes) };
        parser.parse(&file)
    };
    let parsed = shared.on_pool_as(Priority::Batch, read).await?;
    parsed.map_err(|error| Trouble::File(error.reason))
}

async fn cut(
    shared: &Shared,
    job: &ClaimedJob,
    parsed: ParsedDocument,
) -> Result<(ParsedDocument, Vec<Chunk>), Trouble> {
    let (chunker, job) = (shared.parts.chunker.clone(), job.clone());
    let work = move || {
        let chunks =
            chunker.chunk(&job.job.dataset, &job.document, &parsed, &job.settings.chunking);
        (parsed, chunks)
    };
    let (parsed, chunks) = shared.on_pool_as(Priority::Batch, work).await?;
    if chunks.is_empty() {
        return Err(Trouble::File("the file holds no text".to_owned()));
    }
    Ok((parsed, chunks))
}

/// Calls for batches of one document under way at once.
const BATCHES_AT_ONCE: usize = 2;

async fn embed(
    shared: &Arc<Shared>,
    job: &ClaimedJob,
    chunks: &[Chunk],
) -> Result<Vec<Vec<f32>>, Trouble> {
    let info = shared.parts.embedding.info();
    let (wanted, given) = (&job.embedding.model, info.name.to_string());
    if *wanted != given {
        let reason = format!(
            "the dataset is embedded with `{wanted}`, but this server embeds with `{given}`"
        );
        return Err(Trouble::File(reason));
    }
    let most = info.limits.batch.map_or(usize::MAX, |batch| batch as usize);
    let size = shared.options.batch.min(most).max(1);
    let batches: Vec<Vec<String>> = chunks
        .chunks(size)
        .map(|batch| batch.iter().map(Chunk::contextual_text).collect())
        .collect();
    let vectors: Vec<Vec<Vec<f32>>> = stream::iter(batches)
        .map(|texts| embed_batch(shared, texts))
        .buffered(BATCHES_AT_ONCE)
        .try_collect()
        .await?;
    let vectors: Vec<Vec<f32>> = vectors.into_iter().flatten().collect();
    let dimensions = job.embedding.dimensions as usize;
    match vectors.iter().find(|vector| vector.len() != dimensions) {
        Some(other) => {
            let length = other.len();
            let reason = format!(
                "`{given}` gave vectors of {length} dimensions, the dataset has {dimensions}"
            );
            Err(Trouble::File(reason))
        }
        None => Ok(vectors),
    }
}

async fn embed_batch(shared: &Shared, texts: Vec<String>) -> Result<Vec<Vec<f32>>, Trouble> {
    let model = &shared.parts.embedding;
    let count = texts.len();
    let request = EmbeddingRequest {
        model: model.info().name.model.clone(),
        ..EmbeddingRequest::documents(texts)
    };
    let mut attempt = 1;
    loop {
        match model.embed(request.clone()).await {
            Ok(answer) if answer.vectors.len() == count => return Ok(answer.vectors),
            Ok(answer) => {
                let vectors = answer.vectors.len();
                return Err(Trouble::File(format!(
                    "the model gave {vectors} vectors for {count} chunks"
                )));
            }
            Err(error) => match pause(&error, attempt) {
                Some(pause) if attempt < shared.options.embed_attempts => {
                    tracing::debug!(%error, attempt, ?pause, "embedding is tried again");
                    tokio::time::sleep(pause).await;
                    attempt += 1;
                }
                _ => return Err(Trouble::File(one_line(&error))),
            },
        }
    }
}

/// How long to wait before another attempt, if one can help.
fn pause(error: &ModelError, attempt: u32) -> Option<Duration> {
    // A limit by the minute makes one wait for a little more than that.
    const LONGEST: Duration = Duration::from_secs(120);
    match error.retry() {
        Retry::Now => Some(Duration::from_millis(250) * 2_u32.saturating_pow(attempt - 1).min(64)),
        Retry::After(time) => Some(time).filter(|time| *time <= LONGEST),
        // A provider that is left alone for now, or a queue that was too long.
        Retry::Exhausted if error.is_refusal() => Some(Duration::from_secs(5)),
        Retry::No | Retry::Exhausted => None,
    }
}

async fn index(
    shared: &Shared,
    job: &ClaimedJob,
    parsed: &ParsedDocument,
    chunks: Vec<Chunk>,
    vectors: Vec<Vec<f32>>,
) -> Result<(), Trouble> {
    let job = job.clone();
    let mut metadata = parsed.metadata.clone();
    metadata.extend(job.job.metadata.clone());
    let document = CompletedDocument {
        title: parsed.title.clone(),
        pages: parsed.pages,
        metadata,
        chunks: Vec::new(),
    };
    let work = move |store: &dyn crate::IngestStore| {
        let embedded = chunks
            .into_iter()
            .zip(vectors)
            .map(|(chunk, vector)| EmbeddedChunk { chunk, vector: normalised(vector) });
        store.complete(&job, CompletedDocument { chunks: embedded.collect(), ..document })
    };
    Ok(shared.with_store(work).await??)
}

/// The vector at length one; a zero vector stays.
fn normalised(mut vector: Vec<f32>) -> Vec<f32> {
    let norm = vector.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>().sqrt();
    if norm > 0.0 && norm.is_finite() {
        vector.iter_mut().for_each(|x| *x = (f64::from(*x) / norm) as f32);
    }
    vector
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
        Err(Trouble::File(reason)) => fail(shared, held, reason).await,
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
    shared.progress.send_modify(|progress| {
        progress.done += 1;
        progress.chunks += chunks;
        progress.bytes += job.job.bytes;
    });
    let (document, name) = (job.document.clone(), job.job.name.clone());
    shared.tell(IngestEvent::Done { document, name, chunks, pages, warnings });
    Settled::Done { chunks }
}

async fn fail(
    shared: &Arc<Shared>,
    held: &HeldJob,
    reason: String,
) -> Result<Settled, IngestError> {
    let job = held.job().clone();
    let (name, bytes) = (job.job.name.clone(), job.job.bytes);
    let for_store = reason.clone();
    let failed = shared.with_store(move |store| store.fail(&job, &for_store)).await?;
    held.settle();
    match failed {
        Err(error) if error.kind() == StoreErrorKind::LeaseLost => return Ok(Settled::NotOurs),
        other => other?,
    }
    tracing::info!(name, reason, "a document could not be ingested");
    shared.progress.send_modify(|progress| {
        progress.failed += 1;
        progress.bytes += bytes;
    });
    shared.tell(IngestEvent::Failed { name: name.clone(), reason: reason.clone() });
    Ok(Settled::Failed { name, reason })
}

/// An error with its causes.
fn one_line(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(": ");
        line.push_str(&error.to_string());
        cause = error.source();
    }
    line.replace('\n', " ")
}

impl From<PoolError> for Trouble {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Closed { .. } => Trouble::Later,
            error => Trouble::File(one_line(&error)),
        }
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        match error.kind() {
            StoreErrorKind::LeaseLost => Trouble::Lost,
            StoreErrorKind::EmbeddingMismatch => Trouble::File(one_line(&error)),
            _ => Trouble::Store(error),
        }
    }
}

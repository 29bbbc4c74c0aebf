//! Claims of jobs: a job is held by one worker of all replicas at a time, for as long as its lease, which runs by the
//! database's clock.

use std::time::Duration;

use rag_core::{
    ClaimedJob, DatasetSettings, DocumentStatus, IngestJob, IngestStage, StoreError, StoreErrorKind,
};
use tokio_postgres::Row;

use crate::connection::{Connection, column, count, small, storable};
use crate::failure::damaged;
use crate::{datasets, documents, jobs};

/// Longest reason that is kept, in characters.
const LONGEST_REASON: usize = 2000;

/// Whether a job waits that nobody holds.
pub(crate) fn any_free(database: &mut Connection) -> Result<bool, StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM job WHERE leased_until <= colloquy_now())";
    column(&database.one(sql, &[])?, 0)
}

/// Takes the next job that nobody holds, for this replica; gives up one that was taken too often, and tells so. What
/// others are about to take or change is left to them.
pub(crate) fn claim(
    database: &mut Connection,
    replica: &str,
    lease: Duration,
    max_attempts: u32,
) -> Result<Claimed, StoreError> {
    let next = database.first(
        "SELECT job.id, job.attempts, document.no FROM job
         JOIN document ON document.no = job.document
         WHERE job.leased_until <= colloquy_now()
         ORDER BY job.priority DESC, job.id LIMIT 1 FOR UPDATE OF job, document SKIP LOCKED",
        &[],
    )?;
    let Some(row) = next else { return Ok(Claimed::Nothing) };
    let (id, attempts, document): (i64, u32, i64) =
        (column(&row, 0)?, small(&row, 1)?, column(&row, 2)?);
    let job = claimed(database, id)?;
    if attempts >= max_attempts {
        let reason = given_up(&job);
        end(database, document, &DocumentStatus::Failed { reason })?;
        return Ok(Claimed::GaveUp);
    }
    database.execute(
        "UPDATE job SET attempts = attempts + 1, claims = claims + 1, held = true, holder = $2,
                stage = 'read', leased_until = colloquy_now() + $3
         WHERE id = $1",
        &[&id, &replica, &milliseconds(lease)],
    )?;
    let status = DocumentStatus::Running { stage: IngestStage::Read };
    documents::set_status(database, document, &status)?;
    let (claim, attempt) = (job.claim + 1, job.attempt + 1);
    Ok(Claimed::Job(Box::new(ClaimedJob { claim, attempt, ..job })))
}

/// What came of taking a job.
pub(crate) enum Claimed {
    /// It is ours.
    Job(Box<ClaimedJob>),
    /// It had been taken too often; there may be others.
    GaveUp,
    /// There is none.
    Nothing,
}

fn given_up(job: &ClaimedJob) -> String {
    let attempts = job.attempt;
    let step = job.last_stage.map(|stage| format!(", last at the step `{}`", stage.as_str()));
    let reason = job.last_reason.as_ref().map(|reason| format!("; before that: {reason}"));
    format!(
        "gave up after {attempts} attempts; each time the program ended or took too long while working on it{}{}",
        step.unwrap_or_default(),
        reason.unwrap_or_default()
    )
}

/// A job as it is before it is taken.
fn claimed(database: &mut Connection, id: i64) -> Result<ClaimedJob, StoreError> {
    let row = database.one(
        "SELECT job.id, job.attempts, document.id, dataset.id, document.name, document.source,
                document.content, document.bytes, dataset.settings, dataset.model,
                dataset.dimensions, dataset.document_prefix, dataset.query_prefix,
                job.priority, document.chunking, document.given, job.claims, job.stage, job.reason,
                dataset.tenant
         FROM job JOIN document ON document.no = job.document
                  JOIN dataset ON dataset.no = document.dataset
         WHERE job.id = $1",
        &[&id],
    )?;
    claimed_job(&row)
}

fn claimed_job(row: &Row) -> Result<ClaimedJob, StoreError> {
    let text = |at: usize| column::<String>(row, at);
    let mut settings: DatasetSettings =
        serde_json::from_str(&text(8)?).map_err(|error| damaged("a dataset's settings", error))?;
    let chunking = documents::options(row, 14)?;
    if let Some(chunking) = &chunking {
        settings.chunking = Clone::clone(chunking);
    }
    let stage: Option<&str> = column(row, 17)?;
    Ok(ClaimedJob {
        id: column(row, 0)?,
        claim: column(row, 16)?,
        attempt: small(row, 1)?,
        last_stage: stage.map(documents::stage).transpose()?,
        last_reason: column(row, 18)?,
        document: text(2)?.parse().map_err(|error| damaged("a document id", error))?,
        job: IngestJob {
            dataset: text(3)?.parse().map_err(|error| damaged("a dataset id", error))?,
            name: text(4)?,
            source: serde_json::from_str(&text(5)?)
                .map_err(|error| damaged("a document source", error))?,
            content: documents::content(row, 6)?,
            bytes: count(row, 7)?,
            priority: jobs::priority(row, 13)?,
            chunking,
            metadata: documents::metadata(&text(15)?)?,
        },
        tenant: text(19)?.parse().map_err(|error| damaged("a tenant id", error))?,
        settings,
        embedding: datasets::embedding(row, 9)?,
    })
}

/// Reports the step of a held job, and extends its lease.
pub(crate) fn advance(
    database: &mut Connection,
    job: &ClaimedJob,
    stage: IngestStage,
    lease: Duration,
) -> Result<(), StoreError> {
    let document = held_document(database, job)?;
    database.execute(
        "UPDATE job SET stage = $2, leased_until = colloquy_now() + $3 WHERE id = $1",
        &[&job.id, &stage.as_str(), &milliseconds(lease)],
    )?;
    documents::set_status(database, document, &DocumentStatus::Running { stage })
}

/// Gives a held job back undone, for somebody to take after `delay`.
pub(crate) fn postpone(
    database: &mut Connection,
    job: &ClaimedJob,
    delay: Duration,
    reason: Option<&str>,
) -> Result<(), StoreError> {
    let document = held_document(database, job)?;
    database.execute(
        "UPDATE job SET attempts = attempts - 1, claims = claims + 1, held = false, holder = NULL,
                leased_until = colloquy_now() + $2, reason = coalesce($3, reason)
         WHERE id = $1",
        &[&job.id, &milliseconds(delay), &reason.map(shortened)],
    )?;
    documents::set_status(database, document, &DocumentStatus::Queued)
}

/// Ends a held job as failed.
pub(crate) fn fail(
    database: &mut Connection,
    job: &ClaimedJob,
    reason: &str,
) -> Result<(), StoreError> {
    let document = held_document(database, job)?;
    end(database, document, &DocumentStatus::Failed { reason: shortened(reason) })
}

/// Removes the job of a document and sets its status.
pub(crate) fn end(
    database: &mut Connection,
    document: i64,
    status: &DocumentStatus,
) -> Result<(), StoreError> {
    database.execute("DELETE FROM job WHERE document = $1", &[&document])?;
    documents::set_status(database, document, status)
}

/// The document's number, if the claim still holds its job; both stay as they are until the transaction ends.
pub(crate) fn held_document(
    database: &mut Connection,
    job: &ClaimedJob,
) -> Result<i64, StoreError> {
    let lost = || {
        StoreError::new(
            StoreErrorKind::LeaseLost,
            format!("`{}` is no longer held by this worker; drop the work", job.job.name),
        )
    };
    let document = database
        .first("SELECT no FROM document WHERE id = $1 FOR UPDATE", &[&job.document.as_str()])?;
    let document: i64 = column(&document.ok_or_else(lost)?, 0)?;
    let held = database.first(
        "SELECT 1 FROM job WHERE id = $1 AND claims = $2 AND document = $3 FOR UPDATE",
        &[&job.id, &job.claim, &document],
    )?;
    held.map(|_| document).ok_or_else(lost)
}

/// Takes all jobs back that this replica holds.
pub(crate) fn release_held(database: &mut Connection, replica: &str) -> Result<(), StoreError> {
    let documents = database.query(
        "SELECT document.no FROM document JOIN job ON job.document = document.no
         WHERE job.held AND job.holder = $1 ORDER BY document.no FOR UPDATE OF document",
        &[&replica],
    )?;
    release(database, &numbers(&documents)?)
}

/// Takes all jobs of a dataset from whoever holds them.
pub(crate) fn release_dataset(database: &mut Connection, dataset: i64) -> Result<(), StoreError> {
    let documents = database.query(
        "SELECT document.no FROM document JOIN job ON job.document = document.no
         WHERE job.held AND document.dataset = $1 ORDER BY document.no FOR UPDATE OF document",
        &[&dataset],
    )?;
    release(database, &numbers(&documents)?)
}

fn release(database: &mut Connection, documents: &[i64]) -> Result<(), StoreError> {
    database.execute(
        "UPDATE job SET leased_until = 0, claims = claims + 1, held = false, holder = NULL
         WHERE held AND document = ANY($1)",
        &[&documents],
    )?;
    database.execute(
        "UPDATE document SET state = 'queued', detail = NULL
         WHERE state = 'running' AND no = ANY($1)",
        &[&documents],
    )?;
    Ok(())
}

fn numbers(rows: &[Row]) -> Result<Vec<i64>, StoreError> {
    rows.iter().map(|row| column(row, 0)).collect()
}

fn shortened(reason: &str) -> String {
    storable(&reason.chars().take(LONGEST_REASON).collect::<String>())
}

fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX / 4)
}

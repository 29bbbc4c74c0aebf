//! Claims of jobs: a job is held by one worker at a time, for as long as its lease.

use std::time::Duration;

use rag_core::{
    ClaimedJob, ContentHash, DatasetSettings, DocumentStatus, EmbeddingIdentity, IngestJob,
    IngestStage, StoreError, StoreErrorKind,
};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::failure::{damaged, database};
use crate::{clock, documents, jobs};

/// Longest reason that is kept, in characters.
const LONGEST_REASON: usize = 2000;

/// Whether a job waits that nobody holds.
pub(crate) fn any_free(connection: &Connection) -> Result<bool, StoreError> {
    connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM job WHERE leased_until <= ?1)")
        .map_err(database)?
        .query_row([clock::now()], |row| row.get(0))
        .map_err(database)
}

/// Takes the next job that nobody holds; gives up those taken too often.
pub(crate) fn claim(
    connection: &Connection,
    lease: Duration,
    max_attempts: u32,
) -> Result<Option<ClaimedJob>, StoreError> {
    while let Some((id, attempts)) = next_free(connection)? {
        let job = claimed(connection, id)?;
        if attempts < max_attempts {
            take(connection, id, lease)?;
            let (claim, attempt) = (job.claim + 1, job.attempt + 1);
            return Ok(Some(ClaimedJob { claim, attempt, ..job }));
        }
        let reason = given_up(&job);
        jobs::end(connection, id, &DocumentStatus::Failed { reason })?;
    }
    Ok(None)
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

fn take(connection: &Connection, id: i64, lease: Duration) -> Result<(), StoreError> {
    let document = connection
        .prepare_cached(
            "UPDATE job SET attempts = attempts + 1, claims = claims + 1, held = 1, stage = 'read',
                    leased_until = ?2
             WHERE id = ?1 RETURNING document",
        )
        .map_err(database)?
        .query_row(params![id, clock::after(lease)], |row| row.get(0))
        .map_err(database)?;
    let status = DocumentStatus::Running { stage: IngestStage::Read };
    documents::set_status(connection, document, &status)
}

fn next_free(connection: &Connection) -> Result<Option<(i64, u32)>, StoreError> {
    connection
        .prepare_cached(
            "SELECT id, attempts FROM job WHERE leased_until <= ?1
             ORDER BY priority DESC, id LIMIT 1",
        )
        .map_err(database)?
        .query_row([clock::now()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
        .map_err(database)
}

/// A job as it is before it is taken.
fn claimed(connection: &Connection, id: i64) -> Result<ClaimedJob, StoreError> {
    connection
        .prepare_cached(
            "SELECT job.id, job.attempts, document.id, dataset.id, document.name, document.source,
                    document.content, document.bytes, dataset.settings, dataset.model,
                    dataset.dimensions, dataset.document_prefix, dataset.query_prefix,
                    job.priority, document.chunking, document.given, job.claims, job.stage,
                    job.reason, dataset.tenant
             FROM job JOIN document ON document.no = job.document
                      JOIN dataset ON dataset.no = document.dataset
             WHERE job.id = ?1",
        )
        .map_err(database)?
        .query_row([id], |row| Ok(claimed_job(row)))
        .map_err(database)?
}

fn claimed_job(row: &Row<'_>) -> Result<ClaimedJob, StoreError> {
    let text = |column: usize| row.get::<_, String>(column).map_err(database);
    let mut settings: DatasetSettings =
        serde_json::from_str(&text(8)?).map_err(|error| damaged("a dataset's settings", error))?;
    let chunking: Option<String> = row.get(14).map_err(database)?;
    let chunking = chunking
        .map(|chunking| serde_json::from_str(&chunking))
        .transpose()
        .map_err(|error| damaged("chunking options", error))?;
    if let Some(chunking) = &chunking {
        settings.chunking = Clone::clone(chunking);
    }
    let stage: Option<String> = row.get(17).map_err(database)?;
    Ok(ClaimedJob {
        id: row.get(0).map_err(database)?,
        claim: row.get(16).map_err(database)?,
        attempt: row.get(1).map_err(database)?,
        last_stage: stage.as_deref().map(documents::stage).transpose()?,
        last_reason: row.get(18).map_err(database)?,
        tenant: text(19)?.parse().map_err(|error| damaged("a tenant id", error))?,
        document: text(2)?.parse().map_err(|error| damaged("a document id", error))?,
        job: IngestJob {
            dataset: text(3)?.parse().map_err(|error| damaged("a dataset id", error))?,
            name: text(4)?,
            source: serde_json::from_str(&text(5)?)
                .map_err(|error| damaged("a document source", error))?,
            content: ContentHash(row.get(6).map_err(database)?),
            bytes: row.get::<_, i64>(7).map_err(database)?.cast_unsigned(),
            priority: row.get(13).map_err(database)?,
            chunking,
            metadata: documents::metadata(&text(15)?)?,
        },
        settings,
        embedding: EmbeddingIdentity {
            model: text(9)?,
            dimensions: row.get(10).map_err(database)?,
            document_prefix: text(11)?,
            query_prefix: text(12)?,
        },
    })
}

/// Reports the step of a held job, and extends its lease.
pub(crate) fn advance(
    connection: &Connection,
    job: &ClaimedJob,
    stage: IngestStage,
    lease: Duration,
) -> Result<(), StoreError> {
    let document = held_document(connection, job)?;
    connection
        .prepare_cached("UPDATE job SET stage = ?2, leased_until = ?3 WHERE id = ?1")
        .map_err(database)?
        .execute(params![job.id, stage.as_str(), clock::after(lease)])
        .map_err(database)?;
    documents::set_status(connection, document, &DocumentStatus::Running { stage })
}

/// Gives a held job back undone, for somebody to take after `delay`.
pub(crate) fn postpone(
    connection: &Connection,
    job: &ClaimedJob,
    delay: Duration,
    reason: Option<&str>,
) -> Result<(), StoreError> {
    let document = held_document(connection, job)?;
    let reason = reason.map(|reason| reason.chars().take(LONGEST_REASON).collect::<String>());
    connection
        .prepare_cached(
            "UPDATE job SET attempts = attempts - 1, claims = claims + 1, held = 0,
                    leased_until = ?2, reason = coalesce(?3, reason)
             WHERE id = ?1",
        )
        .map_err(database)?
        .execute(params![job.id, clock::after(delay), reason])
        .map_err(database)?;
    documents::set_status(connection, document, &DocumentStatus::Queued)
}

/// Ends a held job as failed.
pub(crate) fn fail(
    connection: &Connection,
    job: &ClaimedJob,
    reason: &str,
) -> Result<(), StoreError> {
    held_document(connection, job)?;
    let reason = reason.chars().take(LONGEST_REASON).collect();
    jobs::end(connection, job.id, &DocumentStatus::Failed { reason })
}

/// The document's number, if the claim still holds its job.
pub(crate) fn held_document(connection: &Connection, job: &ClaimedJob) -> Result<i64, StoreError> {
    connection
        .prepare_cached("SELECT document FROM job WHERE id = ?1 AND claims = ?2")
        .map_err(database)?
        .query_row(params![job.id, job.claim], |row| row.get(0))
        .optional()
        .map_err(database)?
        .ok_or_else(|| {
            StoreError::new(
                StoreErrorKind::LeaseLost,
                format!("`{}` is no longer held by this worker; drop the work", job.job.name),
            )
        })
}

/// Takes all jobs from whoever holds them, of all datasets or of this one.
pub(crate) fn release_all(connection: &Connection, dataset: Option<u32>) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE job SET leased_until = 0, claims = claims + 1, held = 0
             WHERE ?1 IS NULL
                OR held AND document IN (SELECT no FROM document WHERE dataset = ?1)",
        )
        .map_err(database)?
        .execute([dataset])
        .map_err(database)?;
    connection
        .prepare_cached(
            "UPDATE document SET state = 'queued', detail = NULL
             WHERE state = 'running' AND (?1 IS NULL OR dataset = ?1)",
        )
        .map_err(database)?
        .execute([dataset])
        .map_err(database)?;
    Ok(())
}

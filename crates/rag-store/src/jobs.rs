//! Ingestion jobs in the database.

use std::time::Duration;

use rag_core::{
    ClaimedJob, ContentHash, DatasetSettings, DocumentId, DocumentStatus, EmbeddingIdentity,
    IngestJob, IngestStage, StoreError, StoreErrorKind, Submitted,
};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::clock;
use crate::datasets::new_id;
use crate::documents;
use crate::failure::{damaged, database, not_found};

/// Accepts a file for ingestion.
pub(crate) fn submit(connection: &Connection, job: &IngestJob) -> Result<Submitted, StoreError> {
    let dataset = dataset_number(connection, job)?;
    let existing = existing_document(connection, dataset, &job.name)?;
    match existing {
        Some(known) if known.content == job.content && !known.failed => {
            Ok(Submitted::Unchanged(known.id))
        }
        Some(known) => {
            renew_document(connection, known.no, job)?;
            queue(connection, known.no, job)?;
            Ok(Submitted::Queued(known.id))
        }
        None => {
            let (no, id) = insert_document(connection, dataset, job)?;
            queue(connection, no, job)?;
            Ok(Submitted::Queued(id))
        }
    }
}

struct KnownDocument {
    no: i64,
    id: DocumentId,
    content: ContentHash,
    failed: bool,
}

fn dataset_number(connection: &Connection, job: &IngestJob) -> Result<i64, StoreError> {
    connection
        .prepare_cached("SELECT no FROM dataset WHERE id = ?1")
        .map_err(database)?
        .query_row([job.dataset.as_str()], |row| row.get(0))
        .optional()
        .map_err(database)?
        .ok_or_else(|| not_found(format!("there is no dataset {}; make it first", job.dataset)))
}

fn existing_document(
    connection: &Connection,
    dataset: i64,
    name: &str,
) -> Result<Option<KnownDocument>, StoreError> {
    connection
        .prepare_cached(
            "SELECT no, id, content, state IN ('failed', 'cancelled') FROM document WHERE dataset = ?1 AND name = ?2",
        )
        .map_err(database)?
        .query_row(params![dataset, name], |row| {
            Ok((row.get(0)?, row.get::<_, String>(1)?, row.get(2)?, row.get(3)?))
        })
        .optional()
        .map_err(database)?
        .map(|(no, id, content, failed)| {
            let id = id.parse().map_err(|error| damaged("a document id", error))?;
            Ok(KnownDocument { no, id, content: ContentHash(content), failed })
        })
        .transpose()
}

fn insert_document(
    connection: &Connection,
    dataset: i64,
    job: &IngestJob,
) -> Result<(i64, DocumentId), StoreError> {
    let id: DocumentId = new_id()?;
    let no = connection
        .prepare_cached(
            "INSERT INTO document (id, dataset, name, content, bytes, state, updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5, 'queued', ?6) RETURNING no",
        )
        .map_err(database)?
        .query_row(
            params![
                id.as_str(),
                dataset,
                job.name,
                job.content.0,
                job.bytes.cast_signed(),
                clock::now()
            ],
            |row| row.get(0),
        )
        .map_err(database)?;
    Ok((no, id))
}

fn renew_document(connection: &Connection, no: i64, job: &IngestJob) -> Result<(), StoreError> {
    connection
        .prepare_cached("UPDATE document SET content = ?2, bytes = ?3 WHERE no = ?1")
        .map_err(database)?
        .execute(params![no, job.content.0, job.bytes.cast_signed()])
        .map_err(database)?;
    documents::set_status(connection, no, &DocumentStatus::Queued)
}

/// Queues a job in place of the document's earlier one, whose claim is lost thereby.
fn queue(connection: &Connection, document: i64, job: &IngestJob) -> Result<(), StoreError> {
    let source =
        serde_json::to_string(&job.source).map_err(|error| damaged("a document source", error))?;
    let chunking = job
        .chunking
        .as_ref()
        .map(serde_json::to_string)
        .transpose()
        .map_err(|error| damaged("chunking options", error))?;
    connection
        .prepare_cached("DELETE FROM job WHERE document = ?1")
        .map_err(database)?
        .execute([document])
        .map_err(database)?;
    connection
        .prepare_cached(
            "INSERT INTO job (document, source, priority, chunking, metadata)
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )
        .map_err(database)?
        .execute(params![
            document,
            source,
            job.priority,
            chunking,
            documents::metadata_column(&job.metadata)?
        ])
        .map_err(database)?;
    Ok(())
}

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
        if attempts < max_attempts {
            take(connection, id, attempts + 1, lease)?;
            return claimed(connection, id).map(Some);
        }
        let reason = format!(
            "gave up after {attempts} attempts; each time the program ended or took too long while reading it"
        );
        end(connection, id, &DocumentStatus::Failed { reason })?;
    }
    Ok(None)
}

fn take(connection: &Connection, id: i64, attempt: u32, lease: Duration) -> Result<(), StoreError> {
    let document = connection
        .prepare_cached(
            "UPDATE job SET attempts = ?2, leased_until = ?3 WHERE id = ?1 RETURNING document",
        )
        .map_err(database)?
        .query_row(params![id, attempt, clock::after(lease)], |row| row.get(0))
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

fn claimed(connection: &Connection, id: i64) -> Result<ClaimedJob, StoreError> {
    connection
        .prepare_cached(
            "SELECT job.id, job.attempts, document.id, dataset.id, document.name, job.source,
                    document.content, document.bytes, dataset.settings, dataset.model,
                    dataset.dimensions, dataset.document_prefix, dataset.query_prefix,
                    job.priority, job.chunking, job.metadata
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
    let attempt: u32 = row.get(1).map_err(database)?;
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
    Ok(ClaimedJob {
        id: row.get(0).map_err(database)?,
        claim: i64::from(attempt),
        attempt,
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
        .prepare_cached("UPDATE job SET leased_until = ?2 WHERE id = ?1")
        .map_err(database)?
        .execute(params![job.id, clock::after(lease)])
        .map_err(database)?;
    documents::set_status(connection, document, &DocumentStatus::Running { stage })
}

/// Ends a held job as failed.
pub(crate) fn fail(
    connection: &Connection,
    job: &ClaimedJob,
    reason: &str,
) -> Result<(), StoreError> {
    held_document(connection, job)?;
    end(connection, job.id, &DocumentStatus::Failed { reason: reason.to_owned() })
}

/// Takes back the job of a document. Whether there was one.
pub(crate) fn cancel(connection: &Connection, document: &DocumentId) -> Result<bool, StoreError> {
    let job = connection
        .prepare_cached(
            "SELECT job.id FROM job JOIN document ON document.no = job.document
             WHERE document.id = ?1",
        )
        .map_err(database)?
        .query_row([document.as_str()], |row| row.get(0))
        .optional()
        .map_err(database)?;
    match job {
        Some(job) => end(connection, job, &DocumentStatus::Cancelled).map(|()| true),
        None => Ok(false),
    }
}

/// Removes a job whose document is complete.
pub(crate) fn finish(connection: &Connection, job: i64) -> Result<(), StoreError> {
    connection
        .prepare_cached("DELETE FROM job WHERE id = ?1")
        .map_err(database)?
        .execute([job])
        .map_err(database)?;
    Ok(())
}

/// Removes a job and sets its document's status.
fn end(connection: &Connection, job: i64, status: &DocumentStatus) -> Result<(), StoreError> {
    let document = connection
        .prepare_cached("DELETE FROM job WHERE id = ?1 RETURNING document")
        .map_err(database)?
        .query_row([job], |row| row.get(0))
        .map_err(database)?;
    documents::set_status(connection, document, status)
}

/// The document's number, if the claim still holds its job.
pub(crate) fn held_document(connection: &Connection, job: &ClaimedJob) -> Result<i64, StoreError> {
    connection
        .prepare_cached("SELECT document FROM job WHERE id = ?1 AND attempts = ?2")
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

pub(crate) fn release_leases(connection: &Connection) -> Result<(), StoreError> {
    connection
        .prepare_cached("UPDATE job SET leased_until = 0")
        .map_err(database)?
        .execute([])
        .map_err(database)?;
    connection
        .prepare_cached(
            "UPDATE document SET state = 'queued', detail = NULL WHERE state = 'running'",
        )
        .map_err(database)?
        .execute([])
        .map_err(database)?;
    Ok(())
}

/// Jobs that are queued or running.
pub(crate) fn count(connection: &Connection) -> Result<u64, StoreError> {
    connection
        .prepare_cached("SELECT count(*) FROM job")
        .map_err(database)?
        .query_row([], |row| row.get::<_, i64>(0))
        .map(i64::cast_unsigned)
        .map_err(database)
}

//! Ingestion jobs in the database: submitted, listed, taken back, queued again.

use rag_core::{
    ContentHash, DatasetId, DocumentId, DocumentStatus, IngestJob, JobState, Metadata, StoreError,
    Submitted,
};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::datasets::new_id;
use crate::failure::{damaged, database, not_found, occupied};
use crate::{clock, documents};

/// Jobs that are listed at most.
const MOST_LISTED: usize = 10_000;

/// Accepts a file for ingestion.
pub(crate) fn submit(connection: &Connection, job: &IngestJob) -> Result<Submitted, StoreError> {
    let dataset = dataset_number(connection, job)?;
    let existing = existing_document(connection, dataset, &job.name)?;
    match existing {
        Some(known) if known.content == job.content && !known.failed => {
            note_source(connection, known.no, job)?;
            Ok(Submitted::Unchanged(known.id))
        }
        Some(known) => {
            renew_document(connection, known.no, job)?;
            queue(connection, known.no)?;
            Ok(Submitted::Queued(known.id))
        }
        None => {
            let (no, id) = insert_document(connection, dataset, job)?;
            renew_document(connection, no, job)?;
            queue(connection, no)?;
            Ok(Submitted::Queued(id))
        }
    }
}

/// Notes a file as a document, and queues nothing.
pub(crate) fn keep(connection: &Connection, job: &IngestJob) -> Result<DocumentId, StoreError> {
    let dataset = dataset_number(connection, job)?;
    if existing_document(connection, dataset, &job.name)?.is_some() {
        return Err(occupied(format!("the dataset has a document `{}` already", job.name)));
    }
    let (no, id) = insert_document(connection, dataset, job)?;
    renew_document(connection, no, job)?;
    documents::set_status(connection, no, &DocumentStatus::Kept)?;
    Ok(id)
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
            "SELECT no, id, content, state IN ('failed', 'cancelled', 'kept') FROM document
             WHERE dataset = ?1 AND name = ?2",
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
             VALUES (?1, ?2, ?3, ?4, 0, 'queued', 0) RETURNING no",
        )
        .map_err(database)?
        .query_row(params![id.as_str(), dataset, job.name, job.content.0], |row| row.get(0))
        .map_err(database)?;
    Ok((no, id))
}

/// Notes where a document's bytes are, which may have moved.
fn note_source(connection: &Connection, no: i64, job: &IngestJob) -> Result<(), StoreError> {
    connection
        .prepare_cached("UPDATE document SET source = ?2 WHERE no = ?1 AND source IS NOT ?2")
        .map_err(database)?
        .execute(params![no, source_column(job)?])
        .map_err(database)?;
    Ok(())
}

fn source_column(job: &IngestJob) -> Result<String, StoreError> {
    serde_json::to_string(&job.source).map_err(|error| damaged("a document source", error))
}

/// Notes how a document was submitted.
fn renew_document(connection: &Connection, no: i64, job: &IngestJob) -> Result<(), StoreError> {
    let source = source_column(job)?;
    let chunking = job
        .chunking
        .as_ref()
        .map(serde_json::to_string)
        .transpose()
        .map_err(|error| damaged("chunking options", error))?;
    let mut given = given(connection, no)?;
    given.extend(job.metadata.clone());
    connection
        .prepare_cached(
            "UPDATE document SET content = ?2, bytes = ?3, source = ?4, priority = ?5,
                    chunking = ?6, given = ?7
             WHERE no = ?1",
        )
        .map_err(database)?
        .execute(params![
            no,
            job.content.0,
            job.bytes.cast_signed(),
            source,
            job.priority,
            chunking,
            documents::metadata_column(&given)?
        ])
        .map_err(database)?;
    Ok(())
}

/// What the document's owner gave of metadata.
fn given(connection: &Connection, no: i64) -> Result<Metadata, StoreError> {
    let column: String = connection
        .prepare_cached("SELECT given FROM document WHERE no = ?1")
        .map_err(database)?
        .query_row([no], |row| row.get(0))
        .map_err(database)?;
    documents::metadata(&column)
}

/// Queues a job in place of the document's earlier one, whose claim is lost thereby.
fn queue(connection: &Connection, document: i64) -> Result<(), StoreError> {
    connection
        .prepare_cached("DELETE FROM job WHERE document = ?1")
        .map_err(database)?
        .execute([document])
        .map_err(database)?;
    connection
        .prepare_cached(
            "INSERT INTO job (document, priority) SELECT no, priority FROM document WHERE no = ?1",
        )
        .map_err(database)?
        .execute([document])
        .map_err(database)?;
    documents::set_status(connection, document, &DocumentStatus::Queued)
}

/// Which documents are queued again.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Again {
    /// Those that failed or were cancelled.
    Unfinished,
    /// Those without a job.
    Any,
}

/// Queues a document again as it was submitted last. Whether it did.
pub(crate) fn again(
    connection: &Connection,
    id: &DocumentId,
    which: Again,
) -> Result<bool, StoreError> {
    let states = match which {
        Again::Unfinished => "('failed', 'cancelled')",
        Again::Any => "('failed', 'cancelled', 'kept', 'ready')",
    };
    let document: Option<(i64, bool)> = connection
        .prepare_cached(&format!(
            "SELECT no, source IS NULL FROM document WHERE id = ?1 AND state IN {states}"
        ))
        .map_err(database)?
        .query_row([id.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
        .map_err(database)?;
    match document {
        None => Ok(false),
        Some((_, true)) => Err(not_found(format!(
            "it is not known any more where the bytes of {id} are; submit the file again"
        ))),
        Some((no, false)) => queue(connection, no).map(|()| true),
    }
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
pub(crate) fn end(
    connection: &Connection,
    job: i64,
    status: &DocumentStatus,
) -> Result<(), StoreError> {
    let document = connection
        .prepare_cached("DELETE FROM job WHERE id = ?1 RETURNING document")
        .map_err(database)?
        .query_row([job], |row| row.get(0))
        .map_err(database)?;
    documents::set_status(connection, document, status)
}

/// Jobs of a dataset: first those held, then the others in the order in which they are taken.
pub(crate) fn list(
    connection: &Connection,
    dataset: &DatasetId,
    limit: usize,
) -> Result<Vec<JobState>, StoreError> {
    connection
        .prepare_cached(
            "SELECT document.id, document.name, document.bytes, job.priority, job.attempts,
                    job.stage, job.held AND job.leased_until > ?3 AS held, job.leased_until,
                    job.reason
             FROM job JOIN document ON document.no = job.document
             WHERE document.dataset = (SELECT no FROM dataset WHERE id = ?1)
             ORDER BY held DESC, job.priority DESC, job.id LIMIT ?2",
        )
        .map_err(database)?
        .query_map(params![dataset.as_str(), limit.min(MOST_LISTED) as i64, clock::now()], |row| {
            Ok(job_state(row))
        })
        .map_err(database)?
        .map(|row| row.map_err(database)?)
        .collect()
}

fn job_state(row: &Row<'_>) -> Result<JobState, StoreError> {
    let text = |column: usize| row.get::<_, String>(column).map_err(database);
    let stage: Option<String> = row.get(5).map_err(database)?;
    Ok(JobState {
        document: text(0)?.parse().map_err(|error| damaged("a document id", error))?,
        name: text(1)?,
        bytes: row.get::<_, i64>(2).map_err(database)?.cast_unsigned(),
        priority: row.get(3).map_err(database)?,
        attempts: row.get(4).map_err(database)?,
        stage: stage.as_deref().map(documents::stage).transpose()?,
        held: row.get(6).map_err(database)?,
        due_at: row.get(7).map_err(database)?,
        last_reason: row.get(8).map_err(database)?,
    })
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

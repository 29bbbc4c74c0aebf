//! Ingestion jobs in the database: submitted, listed, taken back, queued again.
//!
//! Whoever changes a document and its job locks the document first, so that nobody waits in a circle.

use rag_core::{
    ContentHash, DatasetId, DocumentId, DocumentStatus, IngestJob, JobState, StoreError, Submitted,
};
use tokio_postgres::Row;

use crate::connection::{Connection, column, count, small, storable};
use crate::datasets::new_id;
use crate::documents;
use crate::failure::{damaged, not_found, occupied};

/// Jobs that are listed at most.
const MOST_LISTED: usize = 10_000;

/// Accepts a file for ingestion.
pub(crate) fn submit(database: &mut Connection, job: &IngestJob) -> Result<Submitted, StoreError> {
    let document = locked_document(database, job)?;
    if !document.is_new && document.content == job.content && !document.is_given_up {
        note_source(database, document.no, job)?;
        return Ok(Submitted::Unchanged(document.id));
    }
    renew_document(database, document.no, job)?;
    queue(database, document.no)?;
    Ok(Submitted::Queued(document.id))
}

/// Notes a file as a document, and queues nothing.
pub(crate) fn keep(database: &mut Connection, job: &IngestJob) -> Result<DocumentId, StoreError> {
    let document = locked_document(database, job)?;
    if !document.is_new {
        return Err(occupied(format!("the dataset has a document `{}` already", job.name)));
    }
    renew_document(database, document.no, job)?;
    documents::set_status(database, document.no, &DocumentStatus::Kept)?;
    Ok(document.id)
}

struct LockedDocument {
    no: i64,
    id: DocumentId,
    is_new: bool,
    content: ContentHash,
    /// It failed, was cancelled, or only kept.
    is_given_up: bool,
}

/// The document of a job, made if there is none. It stays as it is until the transaction ends.
fn locked_document(
    database: &mut Connection,
    job: &IngestJob,
) -> Result<LockedDocument, StoreError> {
    let dataset = dataset_number(database, job)?;
    let name = storable(&job.name);
    let id: DocumentId = new_id()?;
    let made = database.execute(
        "INSERT INTO document (id, dataset, name, content, bytes, state, updated_at)
         VALUES ($1, $2, $3, $4, 0, 'queued', 0) ON CONFLICT (dataset, name) DO NOTHING",
        &[&id.as_str(), &dataset, &name, &&job.content.0[..]],
    )?;
    let row = database.first(
        "SELECT no, id, content, state IN ('failed', 'cancelled', 'kept') FROM document
         WHERE dataset = $1 AND name = $2 FOR UPDATE",
        &[&dataset, &name],
    )?;
    let row = row.ok_or_else(|| not_found(format!("`{name}` was deleted meanwhile")))?;
    let id: String = column(&row, 1)?;
    Ok(LockedDocument {
        no: column(&row, 0)?,
        id: id.parse().map_err(|error| damaged("a document id", error))?,
        is_new: made > 0,
        content: documents::content(&row, 2)?,
        is_given_up: column(&row, 3)?,
    })
}

fn dataset_number(database: &mut Connection, job: &IngestJob) -> Result<i64, StoreError> {
    let row = database
        .first("SELECT no FROM dataset WHERE id = $1 FOR KEY SHARE", &[&job.dataset.as_str()])?;
    match row {
        Some(row) => column(&row, 0),
        None => Err(not_found(format!("there is no dataset {}; make it first", job.dataset))),
    }
}

/// Notes where a document's bytes are, which may have moved.
fn note_source(database: &mut Connection, no: i64, job: &IngestJob) -> Result<(), StoreError> {
    let source = source_column(job)?;
    database.execute(
        "UPDATE document SET source = $2 WHERE no = $1 AND source IS DISTINCT FROM $2",
        &[&no, &source],
    )?;
    Ok(())
}

fn source_column(job: &IngestJob) -> Result<String, StoreError> {
    serde_json::to_string(&job.source).map_err(|error| damaged("a document source", error))
}

/// Notes how a document was submitted.
fn renew_document(database: &mut Connection, no: i64, job: &IngestJob) -> Result<(), StoreError> {
    let chunking = job.chunking.as_ref().map(serde_json::to_string).transpose();
    let row = database.one("SELECT given FROM document WHERE no = $1", &[&no])?;
    let mut given = documents::metadata(column(&row, 0)?)?;
    given.extend(job.metadata.clone());
    database.execute(
        "UPDATE document SET content = $2, bytes = $3, source = $4, priority = $5, chunking = $6,
                given = $7
         WHERE no = $1",
        &[
            &no,
            &&job.content.0[..],
            &job.bytes.cast_signed(),
            &source_column(job)?,
            &i16::from(job.priority),
            &chunking.map_err(|error| damaged("chunking options", error))?,
            &documents::metadata_column(&given)?,
        ],
    )?;
    Ok(())
}

/// Queues a job in place of the document's earlier one, whose claim is lost thereby.
fn queue(database: &mut Connection, document: i64) -> Result<(), StoreError> {
    database.execute("DELETE FROM job WHERE document = $1", &[&document])?;
    database.execute(
        "INSERT INTO job (document, priority) SELECT no, priority FROM document WHERE no = $1",
        &[&document],
    )?;
    documents::set_status(database, document, &DocumentStatus::Queued)
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
    database: &mut Connection,
    id: &DocumentId,
    which: Again,
) -> Result<bool, StoreError> {
    let states: &[&str] = match which {
        Again::Unfinished => &["failed", "cancelled"],
        Again::Any => &["failed", "cancelled", "kept", "ready"],
    };
    let row = database.first(
        "SELECT no, source IS NULL FROM document WHERE id = $1 AND state = ANY($2) FOR UPDATE",
        &[&id.as_str(), &states],
    )?;
    let Some(row) = row else { return Ok(false) };
    if column(&row, 1)? {
        return Err(not_found(format!(
            "it is not known any more where the bytes of {id} are; submit the file again"
        )));
    }
    queue(database, column(&row, 0)?).map(|()| true)
}

/// Takes back the job of a document. Whether there was one.
pub(crate) fn cancel(database: &mut Connection, document: &DocumentId) -> Result<bool, StoreError> {
    let row = database
        .first("SELECT no FROM document WHERE id = $1 FOR UPDATE", &[&document.as_str()])?;
    let Some(row) = row else { return Ok(false) };
    let no: i64 = column(&row, 0)?;
    let had_one = database.execute("DELETE FROM job WHERE document = $1", &[&no])? > 0;
    if had_one {
        documents::set_status(database, no, &DocumentStatus::Cancelled)?;
    }
    Ok(had_one)
}

/// Jobs of a dataset: first those held, then the others in the order in which they are taken.
pub(crate) fn list(
    database: &mut Connection,
    dataset: &DatasetId,
    limit: usize,
) -> Result<Vec<JobState>, StoreError> {
    let rows = database.query(
        "SELECT document.id, document.name, document.bytes, job.priority, job.attempts, job.stage,
                job.held AND job.leased_until > colloquy_now() AS is_held, job.leased_until,
                job.reason
         FROM job JOIN document ON document.no = job.document
         WHERE document.dataset = (SELECT no FROM dataset WHERE id = $1)
         ORDER BY is_held DESC, job.priority DESC, job.id LIMIT $2",
        &[&dataset.as_str(), &(limit.min(MOST_LISTED) as i64)],
    )?;
    rows.iter().map(job_state).collect()
}

fn job_state(row: &Row) -> Result<JobState, StoreError> {
    let id: String = column(row, 0)?;
    let stage: Option<&str> = column(row, 5)?;
    Ok(JobState {
        document: id.parse().map_err(|error| damaged("a document id", error))?,
        name: column(row, 1)?,
        bytes: count(row, 2)?,
        priority: priority(row, 3)?,
        attempts: small(row, 4)?,
        stage: stage.map(documents::stage).transpose()?,
        held: column(row, 6)?,
        due_at: column(row, 7)?,
        last_reason: column(row, 8)?,
    })
}

pub(crate) fn priority(row: &Row, at: usize) -> Result<u8, StoreError> {
    u8::try_from(column::<i16>(row, at)?).map_err(|error| damaged("a priority", error))
}

/// Jobs that are queued or running.
pub(crate) fn count_all(database: &mut Connection) -> Result<u64, StoreError> {
    count(&database.one("SELECT count(*) FROM job", &[])?, 0)
}

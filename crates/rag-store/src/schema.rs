//! The database's tables, and how connections to it are opened.

use std::path::Path;
use std::time::Duration;

use rag_core::{StoreError, StoreErrorKind};
use rusqlite::{Connection, OpenFlags};

use crate::failure::database;

/// Each entry brings the database from the version of its index to the next one.
const MIGRATIONS: &[&str] = &[
    "
    -- Counts completed documents; each takes the next number as its version.
    CREATE TABLE counter (sequence INTEGER NOT NULL);
    INSERT INTO counter VALUES (0);

    CREATE TABLE dataset (
        no INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        tenant TEXT NOT NULL,
        name TEXT NOT NULL,
        model TEXT NOT NULL,
        dimensions INTEGER NOT NULL,
        chunking TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        UNIQUE (tenant, name)
    );

    CREATE TABLE document (
        no INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        dataset INTEGER NOT NULL REFERENCES dataset (no) ON DELETE CASCADE,
        name TEXT NOT NULL,
        content BLOB NOT NULL,
        bytes INTEGER NOT NULL,
        title TEXT,
        pages INTEGER NOT NULL DEFAULT 0,
        chunks INTEGER NOT NULL DEFAULT 0,
        state TEXT NOT NULL,
        detail TEXT,
        updated_at INTEGER NOT NULL,
        -- The version that can be found; 0 before the first.
        version INTEGER NOT NULL DEFAULT 0,
        UNIQUE (dataset, name)
    );
    CREATE INDEX document_version ON document (version) WHERE version > 0;

    CREATE TABLE job (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        document INTEGER NOT NULL UNIQUE REFERENCES document (no) ON DELETE CASCADE,
        source TEXT NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0,
        -- Milliseconds since the epoch; a job is nobody's from then on.
        leased_until INTEGER NOT NULL DEFAULT 0
    );

    -- key = version << 24 | position, so that the chunks of a version lie together.
    CREATE TABLE chunk (
        key INTEGER PRIMARY KEY,
        document INTEGER NOT NULL,
        id TEXT NOT NULL,
        ordinal INTEGER NOT NULL,
        text TEXT NOT NULL,
        span_start INTEGER NOT NULL,
        span_end INTEGER NOT NULL,
        headings TEXT NOT NULL,
        places TEXT NOT NULL,
        tokens INTEGER NOT NULL
    );
    CREATE INDEX chunk_id ON chunk (id);

    -- Vectors as little-endian f32, apart from the texts so that reading texts does not read them.
    CREATE TABLE vector (key INTEGER PRIMARY KEY, value BLOB NOT NULL);

    -- Versions that nothing refers to; their chunks are deleted bit by bit.
    CREATE TABLE garbage (version INTEGER PRIMARY KEY);
",
    "
    -- `chunking` is of version 1; the settings hold it since.
    ALTER TABLE dataset ADD COLUMN settings TEXT NOT NULL DEFAULT '{}';
    UPDATE dataset SET settings = json_object('chunking', json(chunking));
    ALTER TABLE dataset ADD COLUMN document_prefix TEXT NOT NULL DEFAULT '';
    ALTER TABLE dataset ADD COLUMN query_prefix TEXT NOT NULL DEFAULT '';
    ALTER TABLE dataset DROP COLUMN chunking;
    ALTER TABLE document ADD COLUMN metadata TEXT NOT NULL DEFAULT '{}';
    ALTER TABLE job ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE job ADD COLUMN chunking TEXT;
    ALTER TABLE job ADD COLUMN metadata TEXT NOT NULL DEFAULT '{}';
    CREATE INDEX job_order ON job (priority DESC, id);
    -- What of a chunk is there seldom: kind, parent, context, keywords, questions, tags.
    ALTER TABLE chunk ADD COLUMN rest TEXT;
    CREATE TABLE artifact (
        kind TEXT NOT NULL,
        hash BLOB NOT NULL,
        value BLOB NOT NULL,
        used_at INTEGER NOT NULL,
        PRIMARY KEY (kind, hash)
    ) WITHOUT ROWID;
    CREATE INDEX artifact_use ON artifact (used_at);
",
    "
    -- How a document was submitted last, so that it can be queued again.
    ALTER TABLE document ADD COLUMN source TEXT;
    ALTER TABLE document ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE document ADD COLUMN chunking TEXT;
    ALTER TABLE document ADD COLUMN given TEXT NOT NULL DEFAULT '{}';
    CREATE INDEX document_dataset ON document (dataset, version);
    UPDATE document SET (source, priority, chunking, given) =
        (SELECT source, priority, chunking, metadata FROM job WHERE job.document = document.no)
        WHERE EXISTS (SELECT 1 FROM job WHERE job.document = document.no);
    ALTER TABLE job DROP COLUMN source;
    ALTER TABLE job DROP COLUMN chunking;
    ALTER TABLE job DROP COLUMN metadata;
    -- Takings, those that did not count as attempts too: tells claims apart.
    ALTER TABLE job ADD COLUMN claims INTEGER NOT NULL DEFAULT 0;
    UPDATE job SET claims = attempts;
    ALTER TABLE job ADD COLUMN held INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE job ADD COLUMN stage TEXT;
    ALTER TABLE job ADD COLUMN reason TEXT;

    -- Counts changes of what is known of the documents that can be found.
    ALTER TABLE counter ADD COLUMN metadata INTEGER NOT NULL DEFAULT 0;

    -- With row ids, since values are large. It is a cache: what was in it is made again.
    DROP TABLE artifact;
    CREATE TABLE artifact (
        no INTEGER PRIMARY KEY,
        kind TEXT NOT NULL,
        hash BLOB NOT NULL,
        value BLOB NOT NULL,
        used_at INTEGER NOT NULL,
        UNIQUE (kind, hash)
    );
    CREATE INDEX artifact_use ON artifact (used_at);
    ALTER TABLE counter ADD COLUMN artifact_bytes INTEGER NOT NULL DEFAULT 0;

    -- The dataset's number in the indexes: another one when it moves to another embedding.
    ALTER TABLE dataset ADD COLUMN index_no INTEGER NOT NULL DEFAULT 0;
    UPDATE dataset SET index_no = no;

    -- Moves to another embedding.
    CREATE TABLE reembedding (
        no INTEGER PRIMARY KEY AUTOINCREMENT,
        dataset INTEGER NOT NULL UNIQUE REFERENCES dataset (no) ON DELETE CASCADE,
        -- The number in the indexes that the dataset will have.
        index_no INTEGER NOT NULL,
        model TEXT NOT NULL,
        dimensions INTEGER NOT NULL,
        document_prefix TEXT NOT NULL,
        query_prefix TEXT NOT NULL
    );
    -- Documents that have all of their new vectors, under a version of their own.
    CREATE TABLE reembedded (
        document INTEGER PRIMARY KEY REFERENCES document (no) ON DELETE CASCADE,
        reembedding INTEGER NOT NULL REFERENCES reembedding (no) ON DELETE CASCADE,
        version INTEGER NOT NULL
    );
    CREATE UNIQUE INDEX reembedded_version ON reembedded (version);
    -- New vectors of documents that do not have all of theirs yet, by the key of the chunk now.
    CREATE TABLE new_vector (key INTEGER PRIMARY KEY, value BLOB NOT NULL);
",
    "
    CREATE TABLE dialog (
        tenant TEXT NOT NULL,
        name TEXT NOT NULL,
        settings TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL,
        PRIMARY KEY (tenant, name)
    );

    CREATE TABLE session (
        no INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        tenant TEXT NOT NULL,
        dialog TEXT NOT NULL,
        title TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL
    );
    CREATE INDEX session_order ON session (tenant, updated_at DESC, id DESC);

    CREATE TABLE turn (
        no INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        session INTEGER NOT NULL REFERENCES session (no) ON DELETE CASCADE,
        parent INTEGER REFERENCES turn (no) ON DELETE CASCADE,
        status TEXT NOT NULL,
        question TEXT NOT NULL,
        answer TEXT NOT NULL,
        feedback TEXT,
        record TEXT NOT NULL,
        asked_at INTEGER NOT NULL,
        ended_at INTEGER
    );
    CREATE INDEX turn_session ON turn (session, no);
    CREATE INDEX turn_parent ON turn (parent);
    CREATE INDEX turn_running ON turn (no) WHERE status = 'running';
",
    "
    -- Tokens of the chunks that can be found.
    ALTER TABLE document ADD COLUMN tokens INTEGER NOT NULL DEFAULT 0;
    UPDATE document SET tokens = (
        SELECT coalesce(sum(chunk.tokens), 0) FROM vector JOIN chunk ON chunk.key = vector.key
        WHERE vector.key BETWEEN version << 24 AND (version + 1 << 24) - 1
    ) WHERE version > 0;
    -- Whether its owner took it out of searches.
    ALTER TABLE document ADD COLUMN disabled INTEGER NOT NULL DEFAULT 0;
    CREATE INDEX document_disabled ON document (dataset, no) WHERE disabled;
",
];

/// Opens the connection that writes, makes or migrates the tables.
pub(crate) fn open_writer(path: &Path, most_bytes: Option<u64>) -> Result<Connection, StoreError> {
    let mut connection = Connection::open(path).map_err(database)?;
    configure(&connection)?;
    if let Some(most_bytes) = most_bytes {
        limit_size(&connection, most_bytes)?;
    }
    connection
        .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0))
        .map_err(database)?;
    connection.pragma_update(None, "foreign_keys", true).map_err(database)?;
    // What a burst left behind does not stay.
    connection
        .pragma_update_and_check(None, "journal_size_limit", 64 << 20, |_| Ok(()))
        .map_err(database)?;
    // Large enough that the background checkpoints come first.
    connection.pragma_update(None, "wal_autocheckpoint", 16_384).map_err(database)?;
    migrate(&mut connection)?;
    Ok(connection)
}

/// Opens a connection that only reads.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(database)?;
    configure(&connection)?;
    Ok(connection)
}

/// Opens a connection that brings the log to the database.
pub(crate) fn open_checkpointer(path: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open(path).map_err(database)?;
    configure(&connection)?;
    Ok(connection)
}

/// The version of the tables, as the database says.
pub(crate) fn version(connection: &Connection) -> Result<usize, StoreError> {
    connection
        .pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))
        .map(|version| usize::try_from(version).unwrap_or(usize::MAX))
        .map_err(database)
}

/// Refuses tables that this program does not know.
pub(crate) fn check_version(version: usize) -> Result<(), StoreError> {
    if version <= MIGRATIONS.len() {
        return Ok(());
    }
    Err(StoreError::new(
        StoreErrorKind::Incompatible,
        "the database was written by a newer version of this program; update it",
    ))
}

fn limit_size(connection: &Connection, most_bytes: u64) -> Result<(), StoreError> {
    let page: u64 = connection
        .pragma_query_value(None, "page_size", |row| row.get::<_, i64>(0))
        .map(|size| size.max(1).cast_unsigned())
        .map_err(database)?;
    let pages = i64::try_from(most_bytes / page).unwrap_or(i64::MAX).min(i64::from(u32::MAX - 1));
    connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).map_err(database)
}

fn configure(connection: &Connection) -> Result<(), StoreError> {
    connection.busy_timeout(Duration::from_secs(10)).map_err(database)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let version = self::version(connection)?;
    check_version(version)?;
    let outstanding = MIGRATIONS.get(version..).unwrap_or_default();
    for (index, migration) in outstanding.iter().enumerate() {
        let transaction = connection.transaction().map_err(database)?;
        transaction.execute_batch(migration).map_err(database)?;
        transaction
            .pragma_update(None, "user_version", (version + index + 1) as i64)
            .map_err(database)?;
        transaction.commit().map_err(database)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn earlier_versions_are_brought_up_to_date() {
        let mut connection = Connection::open_in_memory().expect("a database");
        let earlier = MIGRATIONS.get(..2).expect("two versions");
        for migration in earlier {
            connection.execute_batch(migration).expect("migrated");
        }
        connection
            .execute_batch(
                r#"
                PRAGMA user_version = 2;
                INSERT INTO dataset (id, tenant, name, model, dimensions, created_at)
                    VALUES ('d', 'local', 'shelf', 'test/one', 1, 0);
                INSERT INTO document (id, dataset, name, content, bytes, state, updated_at)
                    VALUES ('a', 1, 'a.md', x'00', 5, 'queued', 0), ('b', 1, 'b.md', x'00', 5, 'failed', 0);
                INSERT INTO job (document, source, attempts, priority, metadata)
                    VALUES (1, '{"type":"file","path":"/a.md"}', 2, 9, '{"x":1}');
                INSERT INTO artifact VALUES ('parsed', x'00', x'00', 0);
                "#,
            )
            .expect("filled");
        migrate(&mut connection).expect("migrated");
        let claimed: (String, i64, String, i64, i64) = connection
            .query_row(
                "SELECT source, document.priority, given, claims, index_no
                 FROM job JOIN document ON document.no = job.document
                    JOIN dataset ON dataset.no = document.dataset",
                [],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)),
            )
            .expect("the job");
        let source = r#"{"type":"file","path":"/a.md"}"#.to_owned();
        assert_eq!(claimed, (source, 9, r#"{"x":1}"#.to_owned(), 2, 1));
        let unknown: bool = connection
            .query_row("SELECT source IS NULL FROM document WHERE id = 'b'", [], |row| row.get(0))
            .expect("the other one");
        assert!(unknown);
    }
}

//! The tables, and how older files become newer ones.

use rusqlite::Connection;

use crate::error::UsageError;

/// Step by step from an empty file to the present form. Released steps never change; `user_version` counts them.
const STEPS: &[&str] = &["
    CREATE TABLE calls (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, -- in the order of writing, never used again
        id BLOB NOT NULL UNIQUE,
        started INTEGER NOT NULL,              -- milliseconds since 1970, UTC
        tenant TEXT NOT NULL,                  -- '' for none, and so for key
        key TEXT NOT NULL,
        priority TEXT NOT NULL,
        route TEXT NOT NULL,
        provider TEXT NOT NULL,
        model TEXT NOT NULL,
        operation TEXT NOT NULL,
        outcome TEXT NOT NULL,
        finish TEXT,
        error TEXT,
        input_tokens INTEGER,
        output_tokens INTEGER,
        cache_read_tokens INTEGER,
        cache_write_tokens INTEGER,
        reasoning_tokens INTEGER,
        audio_input_tokens INTEGER,
        audio_output_tokens INTEGER,
        search_units INTEGER,
        estimated INTEGER NOT NULL,
        cost INTEGER,                          -- billionths of a US dollar, so that sums are exact
        attempts INTEGER NOT NULL,
        events INTEGER NOT NULL,
        queued INTEGER,                        -- microseconds, as all durations
        first_event INTEGER,
        total INTEGER NOT NULL,
        request_id TEXT,
        response_id TEXT,
        response_model TEXT,
        trace TEXT
    ) STRICT;
    CREATE INDEX calls_of_tenant ON calls (tenant);
    CREATE INDEX calls_of_tenant_by_time ON calls (tenant, started);
    CREATE INDEX calls_by_time ON calls (started);
"];

/// Brings the file to the present form.
pub(crate) fn migrate(connection: &mut Connection) -> Result<(), UsageError> {
    let known = STEPS.len() as i64;
    let transaction = connection.transaction().map_err(UsageError::during("migrate"))?;
    let found: i64 = transaction
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(UsageError::during("migrate"))?;
    if found > known {
        return Err(UsageError::TooNew { found, known });
    }
    let missing = STEPS.iter().skip(found.max(0) as usize);
    for step in missing {
        transaction.execute_batch(step).map_err(UsageError::during("migrate"))?;
    }
    transaction
        .pragma_update(None, "user_version", known)
        .and_then(|()| transaction.commit())
        .map_err(UsageError::during("migrate"))
}

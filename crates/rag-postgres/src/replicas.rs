//! The processes that share the database: which of them live, and what dead ones left behind.

use rag_core::{StoreError, TurnStatus};

use crate::connection::Connection;

/// Milliseconds without a sign of life after which a process counts as dead.
const SILENT: i64 = 60_000;
/// Milliseconds after which it is forgotten.
const FORGOTTEN: i64 = 24 * 3_600_000;

/// Tells the others that this process lives.
pub(crate) fn live(database: &mut Connection, replica: &str) -> Result<(), StoreError> {
    database.execute(
        "INSERT INTO replica VALUES ($1, colloquy_now())
         ON CONFLICT (id) DO UPDATE SET seen_at = colloquy_now()",
        &[&replica],
    )?;
    Ok(())
}

/// Tells the others that this process ends.
pub(crate) fn leave(database: &mut Connection, replica: &str) -> Result<(), StoreError> {
    database.execute("DELETE FROM replica WHERE id = $1", &[&replica])?;
    Ok(())
}

/// Forgets processes that died long ago.
pub(crate) fn forget_dead(database: &mut Connection) -> Result<(), StoreError> {
    let sql = "DELETE FROM replica WHERE seen_at < colloquy_now() - $1";
    database.execute(sql, &[&FORGOTTEN])?;
    Ok(())
}

/// Marks the running turns of processes that are dead as interrupted; those of `replica`, too, where it is given. How
/// many.
pub(crate) fn interrupt_turns(
    database: &mut Connection,
    replica: Option<&str>,
) -> Result<u64, StoreError> {
    database.execute(
        "UPDATE turn SET status = $1, ended_at = colloquy_now()
         WHERE status = 'running' AND (replica = $2 OR NOT EXISTS
            (SELECT 1 FROM replica WHERE replica.id = turn.replica
                AND replica.seen_at > colloquy_now() - $3))",
        &[&TurnStatus::Interrupted.as_str(), &replica, &SILENT],
    )
}

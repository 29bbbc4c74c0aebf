//! [`Retention`]: how long records are kept.

use jiff::{SignedDuration, Timestamp};
use rusqlite::Connection;

use crate::error::UsageError;
use crate::store::UsageStore;

/// How long records are kept. Whatever is reached first counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Older records go. Default 90.
    pub days: u32,
    /// The oldest records go when all together take more than this many bytes. Default 4 GiB, which are ten
    /// million records or more.
    pub max_bytes: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Self { days: 90, max_bytes: 4 << 30 }
    }
}

/// Records that go in one transaction, so that writers wait for milliseconds only.
const AT_ONCE: i64 = 5_000;

impl UsageStore {
    /// Lets go of records that need not be kept at the moment `now`, and tells how many these were. Call it from time
    /// to time: hourly, say. Gives the room back to the disk.
    ///
    /// # Errors
    /// [`UsageError::Engine`]; what is gone by then stays gone.
    pub fn prune(&self, now: Timestamp) -> Result<u64, UsageError> {
        let Retention { days, max_bytes } = self.retention();
        let oldest = now.saturating_sub(SignedDuration::from_hours(24 * i64::from(days)));
        let oldest = oldest.map_or(0, Timestamp::as_millisecond);
        let mut gone = 0;
        loop {
            let some = self.write("prune", |connection| {
                let too_old = connection.execute(
                    "DELETE FROM calls WHERE seq IN \
                     (SELECT seq FROM calls WHERE started < ?1 ORDER BY started LIMIT ?2)",
                    (oldest, AT_ONCE),
                )?;
                let too_many = match used_bytes(connection)? > max_bytes {
                    true => connection.execute(
                        "DELETE FROM calls WHERE seq IN (SELECT seq FROM calls ORDER BY seq LIMIT ?1)",
                        [AT_ONCE],
                    )?,
                    false => 0,
                };
                Ok(too_old + too_many)
            })?;
            if some == 0 {
                break;
            }
            gone += some as u64;
        }
        if gone > 0 {
            self.write("prune", |connection| give_back(connection))?;
        }
        Ok(gone)
    }
}

/// Makes the file smaller by its free pages. Passive: readers are not waited for.
fn give_back(connection: &Connection) -> rusqlite::Result<()> {
    for pragma in ["PRAGMA incremental_vacuum", "PRAGMA wal_checkpoint(PASSIVE)"] {
        // Each row is a step of the work.
        let mut statement = connection.prepare(pragma)?;
        let mut rows = statement.query(())?;
        while rows.next()?.is_some() {}
    }
    Ok(())
}

fn used_bytes(connection: &Connection) -> rusqlite::Result<u64> {
    let value = |name: &str| {
        connection.pragma_query_value(None, name, |row| row.get(0).map(i64::unsigned_abs))
    };
    Ok((value("page_count")?.saturating_sub(value("freelist_count")?)) * value("page_size")?)
}

//! [`Page`]: records one by one.

use rusqlite::params_from_iter;
use rusqlite::types::Value;
use serde::Serialize;

use crate::error::UsageError;
use crate::filter::Filter;
use crate::row::{self, StoredCall};
use crate::store::UsageStore;

/// The most records on a page.
pub const MOST_RECORDS: usize = 1_000;

/// Some records, in the order of writing, which is about that of the calls' ends.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Page {
    /// The records.
    pub records: Vec<StoredCall>,
    /// What to begin the next page after; `None` when there is nothing more yet.
    pub next: Option<i64>,
}

impl UsageStore {
    /// The records that `filter` means, from the one after the cursor `after` on, at most `limit` and at most
    /// [`MOST_RECORDS`].
    ///
    /// # Errors
    /// [`UsageError::Engine`].
    pub fn page(
        &self,
        filter: &Filter,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Page, UsageError> {
        let limit = limit.clamp(1, MOST_RECORDS);
        self.read("read", |connection| {
            let (condition, mut values) = filter.sql();
            values.push(Value::Integer(after.unwrap_or(0)));
            // One more than asked for tells whether there is more.
            values.push(Value::Integer(limit as i64 + 1));
            let sql =
                format!("SELECT * FROM calls WHERE {condition} AND seq > ? ORDER BY seq LIMIT ?");
            let mut statement = connection.prepare(&sql)?;
            let rows = statement.query_map(params_from_iter(values), row::read)?;
            let mut records = rows.collect::<Result<Vec<_>, _>>()?;
            let is_more = records.len() > limit;
            records.truncate(limit);
            let next = records.last().filter(|_| is_more).map(|last| last.cursor);
            Ok(Page { records, next })
        })
    }
}

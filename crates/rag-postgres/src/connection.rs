//! [`Connection`]: statements, one after another, for threads that wait.

use std::future::Future;
use std::time::Duration;

use rag_core::StoreError;
use rustc_hash::FxHashMap;
use tokio::runtime::Handle;
use tokio_postgres::types::{FromSql, ToSql};
use tokio_postgres::{Client, Row, Statement};

use crate::driver::wait;
use crate::failure::{database, engine};

/// Statements that a connection keeps prepared.
const MOST_PREPARED: usize = 256;

/// The values of a statement.
pub(crate) type Values<'a> = &'a [&'a (dyn ToSql + Sync)];

/// A connection to the database.
pub(crate) struct Connection {
    client: Client,
    driver: Handle,
    prepared: FxHashMap<String, Statement>,
    /// How long an answer may take.
    patience: Duration,
    /// An answer did not come, so what comes next may be anything.
    is_lost: bool,
}

/// How much a transaction sees and may do.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Begin {
    /// Each statement sees what was committed before it.
    Write,
    /// All statements see one state, and change nothing.
    Snapshot,
}

impl Connection {
    pub(crate) fn new(client: Client, driver: Handle, patience: Duration) -> Self {
        Self { client, driver, prepared: FxHashMap::default(), patience, is_lost: false }
    }

    /// Whether it can still be used.
    pub(crate) fn is_usable(&self) -> bool {
        !self.is_lost && !self.client.is_closed()
    }

    /// The rows that a statement gives.
    pub(crate) fn query(&mut self, sql: &str, values: Values<'_>) -> Result<Vec<Row>, StoreError> {
        let statement = self.prepare(sql)?;
        let answer = self.wait(self.client.query(&statement, values));
        self.noted(answer)
    }

    /// The first row that a statement gives, if it gives one.
    pub(crate) fn first(
        &mut self,
        sql: &str,
        values: Values<'_>,
    ) -> Result<Option<Row>, StoreError> {
        Ok(self.query(sql, values)?.into_iter().next())
    }

    /// The only row that a statement gives.
    pub(crate) fn one(&mut self, sql: &str, values: Values<'_>) -> Result<Row, StoreError> {
        self.first(sql, values)?.ok_or_else(|| engine("PostgreSQL gave no row where there is one"))
    }

    /// How many rows a statement changed.
    pub(crate) fn execute(&mut self, sql: &str, values: Values<'_>) -> Result<u64, StoreError> {
        let statement = self.prepare(sql)?;
        let answer = self.wait(self.client.execute(&statement, values));
        self.noted(answer)
    }

    /// Statements without values.
    pub(crate) fn batch(&mut self, sql: &str) -> Result<(), StoreError> {
        let answer = self.wait(self.client.batch_execute(sql));
        self.noted(answer)
    }

    /// The same, however long it takes.
    pub(crate) fn batch_of_any_length(&mut self, sql: &str) -> Result<(), StoreError> {
        const LONGEST: Duration = Duration::from_secs(24 * 3600);
        let usual = std::mem::replace(&mut self.patience, LONGEST);
        let done = self
            .batch("SET statement_timeout = 0")
            .and_then(|()| self.batch(sql))
            .and_then(|()| self.batch("RESET statement_timeout"));
        self.patience = usual;
        // Who has it next expects the usual bounds.
        self.is_lost |= done.is_err();
        done
    }

    /// Does this in one transaction, of which nothing stays when it fails.
    pub(crate) fn within<T>(
        &mut self,
        begin: Begin,
        work: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.batch(match begin {
            Begin::Write => "BEGIN",
            Begin::Snapshot => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        })?;
        let mut open = OpenTransaction { connection: self, is_over: false };
        let done = work(open.connection)?;
        open.connection.batch("COMMIT")?;
        open.is_over = true;
        Ok(done)
    }

    fn prepare(&mut self, sql: &str) -> Result<Statement, StoreError> {
        if let Some(statement) = self.prepared.get(sql) {
            return Ok(statement.clone());
        }
        let answer = self.wait(self.client.prepare(sql));
        let statement = self.noted(answer)?;
        if self.prepared.len() >= MOST_PREPARED {
            self.prepared.clear();
        }
        self.prepared.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    fn wait<F: Future>(&self, future: F) -> Option<F::Output> {
        wait(&self.driver, self.patience, future)
    }

    fn noted<T>(
        &mut self,
        answer: Option<Result<T, tokio_postgres::Error>>,
    ) -> Result<T, StoreError> {
        match answer {
            Some(answer) => answer.map_err(database),
            None => {
                self.is_lost = true;
                Err(engine("PostgreSQL did not answer in time"))
            }
        }
    }
}

/// Takes back what was done, unless it was committed; also when a thread panics in between.
struct OpenTransaction<'a> {
    connection: &'a mut Connection,
    is_over: bool,
}

impl Drop for OpenTransaction<'_> {
    fn drop(&mut self) {
        if !self.is_over
            && self.connection.is_usable()
            && self.connection.batch("ROLLBACK").is_err()
        {
            self.connection.is_lost = true;
        }
    }
}

/// A column of a row.
pub(crate) fn column<'r, T: FromSql<'r>>(row: &'r Row, at: usize) -> Result<T, StoreError> {
    row.try_get(at).map_err(database)
}

/// A column that counts something.
pub(crate) fn count(row: &Row, at: usize) -> Result<u64, StoreError> {
    Ok(column::<i64>(row, at)?.max(0).cast_unsigned())
}

/// A column that counts something of which there are not many.
pub(crate) fn small(row: &Row, at: usize) -> Result<u32, StoreError> {
    Ok(u32::try_from(count(row, at)?).unwrap_or(u32::MAX))
}

/// A text that PostgreSQL takes: it has no character 0.
pub(crate) fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

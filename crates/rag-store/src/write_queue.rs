//! The one writer of the database, with group commit.
//!
//! Whoever writes puts its work into a queue and then waits for the writer. The first one in line does all the work
//! that is queued in one transaction and one disk write; the others find theirs done. So the price of a disk write is
//! shared by as many as wait for it, and a lone writer pays it alone, at once.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rag_core::StoreError;
use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::failure::{self, database};
use crate::options::Durability;

/// Work of one transaction at most, so that nobody waits long for the work of others.
const MOST_WRITES_PER_COMMIT: usize = 64;

/// Serialises writes; `C` is what a write changes in the derived indexes.
pub(crate) struct WriteQueue<C> {
    waiting: Mutex<Vec<Box<dyn Write<C>>>>,
    writer: Mutex<Writer<C>>,
}

struct Writer<C> {
    connection: Connection,
    synchronous: Durability,
    publish: Box<dyn Fn(Vec<C>) + Send>,
}

impl<C: 'static> WriteQueue<C> {
    /// `publish` is told all changes of each commit, in order, before the writes are acknowledged.
    pub(crate) fn new(
        connection: Connection,
        publish: impl Fn(Vec<C>) + Send + 'static,
    ) -> Result<Self, StoreError> {
        connection.pragma_update(None, "synchronous", "FULL").map_err(database)?;
        let writer =
            Writer { connection, synchronous: Durability::PowerLoss, publish: Box::new(publish) };
        Ok(Self { waiting: Mutex::default(), writer: Mutex::new(writer) })
    }

    /// Does `work` in a transaction; when this returns it is committed as durably as asked, and published. A failed
    /// work leaves nothing behind and does not harm the others in its transaction.
    pub(crate) fn write<T, W>(&self, durability: Durability, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&Connection, &mut Vec<C>) -> Result<T, StoreError> + Send + 'static,
    {
        let slot = Arc::new(Mutex::new(None));
        let queued = Queued { work: Some(work), value: None, durability, slot: slot.clone() };
        lock(&self.waiting).push(Box::new(queued));
        loop {
            let mut writer = lock(&self.writer);
            if let Some(outcome) = lock(&slot).take() {
                return outcome;
            }
            let mut waiting = lock(&self.waiting);
            let next = waiting.len().min(MOST_WRITES_PER_COMMIT);
            let batch: Vec<_> = waiting.drain(..next).collect();
            drop(waiting);
            if batch.is_empty() {
                // Whoever took the work died with it.
                return Err(failure::engine("nothing was written", "the writing thread panicked"));
            }
            writer.run(batch);
        }
    }
}

impl<C> Writer<C> {
    fn run(&mut self, mut batch: Vec<Box<dyn Write<C>>>) {
        let mut changes = Vec::new();
        let committed = self.transact(&mut batch, &mut changes);
        match &committed {
            Ok(()) => (self.publish)(changes),
            Err(error) => tracing::error!(%error, writes = batch.len(), "a write failed"),
        }
        for write in batch {
            write.conclude(committed.as_ref().err());
        }
    }

    fn transact(
        &mut self,
        batch: &mut [Box<dyn Write<C>>],
        changes: &mut Vec<C>,
    ) -> rusqlite::Result<()> {
        self.set_synchronous(batch)?;
        let mut transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for write in batch {
            run_alone(write.as_mut(), &mut transaction, changes)?;
        }
        transaction.commit()
    }

    fn set_synchronous(&mut self, batch: &[Box<dyn Write<C>>]) -> rusqlite::Result<()> {
        let to_disk = batch.iter().any(|write| write.durability() == Durability::PowerLoss);
        let (wanted, name) = match to_disk {
            true => (Durability::PowerLoss, "FULL"),
            false => (Durability::ProcessDeath, "NORMAL"),
        };
        if self.synchronous != wanted {
            self.connection.pragma_update(None, "synchronous", name)?;
            self.synchronous = wanted;
        }
        Ok(())
    }
}

/// Runs a write such that its failure undoes it alone.
fn run_alone<C>(
    write: &mut dyn Write<C>,
    transaction: &mut Transaction<'_>,
    changes: &mut Vec<C>,
) -> rusqlite::Result<()> {
    let before = changes.len();
    let savepoint = transaction.savepoint()?;
    if write.run(&savepoint, changes) {
        savepoint.commit()
    } else {
        changes.truncate(before);
        Ok(())
    }
}

trait Write<C>: Send {
    fn durability(&self) -> Durability;

    /// Whether it succeeded.
    fn run(&mut self, connection: &Connection, changes: &mut Vec<C>) -> bool;

    /// Hands the outcome to whoever waits.
    fn conclude(self: Box<Self>, commit_failure: Option<&rusqlite::Error>);
}

struct Queued<T, W> {
    work: Option<W>,
    value: Option<Result<T, StoreError>>,
    durability: Durability,
    slot: Arc<Mutex<Option<Result<T, StoreError>>>>,
}

impl<C, T, W> Write<C> for Queued<T, W>
where
    T: Send,
    W: FnOnce(&Connection, &mut Vec<C>) -> Result<T, StoreError> + Send,
{
    fn durability(&self) -> Durability {
        self.durability
    }

    fn run(&mut self, connection: &Connection, changes: &mut Vec<C>) -> bool {
        self.value = self.work.take().map(|work| work(connection, changes));
        matches!(self.value, Some(Ok(_)))
    }

    fn conclude(self: Box<Self>, commit_failure: Option<&rusqlite::Error>) {
        let outcome = match (self.value, commit_failure) {
            (Some(Err(error)), _) => Err(error),
            (_, Some(failure)) => Err(failure::not_committed(failure)),
            (Some(Ok(value)), None) => Ok(value),
            (None, None) => Err(failure::engine("nothing was written", "the write was not run")),
        };
        *lock(&self.slot) = Some(outcome);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

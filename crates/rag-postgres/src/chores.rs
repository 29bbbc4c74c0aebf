//! What is done in the background: telling that this process lives, and what one process at a time does for all.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rag_core::StoreError;

use crate::connection::{Connection, column};
use crate::store::Inner;
use crate::{artifacts, garbage, graph, replicas};

/// What the lock is called that one process holds while it does chores.
const LOCK: i64 = 0x636f_6c6c_6368_6f72;

/// Ends the threads of a store when dropped. It does not wait for them: one may be making an index.
pub(crate) struct Chores {
    over: Arc<Over>,
}

#[derive(Default)]
struct Over {
    is_over: Mutex<bool>,
    rung: Condvar,
}

impl Over {
    /// Waits for so long; whether all is over.
    fn wait(&self, time: Duration) -> bool {
        let is_over = self.is_over.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.rung.wait_timeout_while(is_over, time, |is_over| !*is_over);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Chores {
    pub(crate) fn start(inner: &Arc<Inner>) -> std::io::Result<Self> {
        let over = Arc::new(Over::default());
        // Apart, since making an index takes longer than a process may be silent.
        for (name, work, last) in [
            ("postgres-life", live as fn(&Inner) -> _, leave as fn(&Inner) -> _),
            ("postgres-chores", all, nothing),
        ] {
            let (inner, over) = (inner.clone(), over.clone());
            thread::Builder::new().name(name.into()).spawn(move || {
                while !over.wait(inner.options.chores_every) {
                    note(work(&inner));
                }
                note(last(&inner));
            })?;
        }
        Ok(Self { over })
    }
}

impl Drop for Chores {
    fn drop(&mut self) {
        *self.over.is_over.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.over.rung.notify_all();
    }
}

fn note(done: Result<(), StoreError>) {
    if let Err(error) = done {
        tracing::warn!(%error, "a chore over PostgreSQL was not done; it is tried again");
    }
}

fn live(inner: &Inner) -> Result<(), StoreError> {
    inner.pool.read(|database| replicas::live(database, &inner.replica))
}

fn leave(inner: &Inner) -> Result<(), StoreError> {
    inner.pool.read(|database| replicas::leave(database, &inner.replica))
}

fn nothing(_: &Inner) -> Result<(), StoreError> {
    Ok(())
}

/// All that is to be done, unless another process is at it.
pub(crate) fn all(inner: &Inner) -> Result<(), StoreError> {
    let mut database = inner.pool.take()?;
    let row = database.one("SELECT pg_try_advisory_lock($1)", &[&LOCK])?;
    if !column::<bool>(&row, 0)? {
        return Ok(());
    }
    let done = each(&mut database, inner);
    database.query("SELECT pg_advisory_unlock($1)", &[&LOCK])?;
    done
}

fn each(database: &mut Connection, inner: &Inner) -> Result<(), StoreError> {
    replicas::interrupt_turns(database, None)?;
    replicas::forget_dead(database)?;
    artifacts::forget(database, inner.options.artifact_bytes)?;
    while garbage::collect(database)? {}
    graph::keep_up(database, inner.options.exact_chunks)
}

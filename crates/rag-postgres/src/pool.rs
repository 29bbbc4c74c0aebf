//! [`Pool`]: a bounded number of connections, which callers take turns with.

use std::ops::{Deref, DerefMut};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rag_core::StoreError;

use crate::connection::{Begin, Connection};
use crate::connector::Connector;
use crate::failure::{engine, is_disconnected, is_repeatable};
use crate::options::PostgresOptions;

/// How often a transaction is done that meets others.
const MOST_TRIES: u32 = 8;

/// Connections to one database.
pub(crate) struct Pool {
    connector: Connector,
    state: Mutex<State>,
    freed: Condvar,
    most: usize,
    acquire_timeout: Duration,
}

#[derive(Default)]
struct State {
    idle: Vec<Connection>,
    /// Those in use, and those being made.
    taken: usize,
}

impl Pool {
    pub(crate) fn new(options: &PostgresOptions) -> Result<Self, StoreError> {
        Ok(Self {
            connector: Connector::new(options)?,
            state: Mutex::default(),
            freed: Condvar::new(),
            most: options.connections.max(2),
            acquire_timeout: options.acquire_timeout,
        })
    }

    /// Asks something, each statement by itself. Done once more when the connection turns out to be gone: reading twice
    /// changes nothing.
    pub(crate) fn read<T>(
        &self,
        mut ask: impl FnMut(&mut Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut connection = self.take()?;
        match ask(&mut connection) {
            Err(error) if is_disconnected(&error) => {
                drop(connection);
                self.forget_idle();
                ask(&mut *self.take()?)
            }
            answer => answer,
        }
    }

    /// Asks something, all of one state.
    pub(crate) fn read_snapshot<T>(
        &self,
        mut ask: impl FnMut(&mut Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.read(|connection| connection.within(Begin::Snapshot, &mut ask))
    }

    /// Changes something in one transaction: all of it or nothing. Done again when it met another transaction and left
    /// nothing behind.
    pub(crate) fn write<T>(
        &self,
        mut change: impl FnMut(&mut Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let mut connection = self.take_answering()?;
            match connection.within(Begin::Write, &mut change) {
                Err(error) if is_repeatable(&error) && tries < MOST_TRIES => {}
                done => return done,
            }
        }
    }

    /// A connection that answers just now: nothing of a transaction was sent over one that had died unseen.
    fn take_answering(&self) -> Result<Taken<'_>, StoreError> {
        loop {
            let mut connection = self.take()?;
            let was_idle = connection.was_idle;
            match connection.batch("") {
                Err(error) if was_idle && is_disconnected(&error) => self.forget_idle(),
                Err(error) => return Err(error),
                Ok(()) => return Ok(connection),
            }
        }
    }

    /// A connection for the caller alone.
    pub(crate) fn take(&self) -> Result<Taken<'_>, StoreError> {
        let deadline = Instant::now() + self.acquire_timeout;
        let mut state = self.lock();
        loop {
            while let Some(connection) = state.idle.pop() {
                if connection.is_usable() {
                    state.taken += 1;
                    return Ok(Taken { pool: self, connection: Some(connection), was_idle: true });
                }
            }
            if state.taken < self.most {
                state.taken += 1;
                drop(state);
                // Gives its place back when no connection can be made.
                let mut taken = Taken { pool: self, connection: None, was_idle: false };
                taken.connection = Some(self.connector.connect()?);
                return Ok(taken);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(engine(format!(
                    "all {} connections to PostgreSQL are in use; try again, or allow more",
                    self.most
                )));
            }
            let waited = self.freed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Closes the connections that nobody uses: the server they lead to is gone.
    fn forget_idle(&self) {
        self.lock().idle.clear();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection in use; given back when dropped.
pub(crate) struct Taken<'a> {
    pool: &'a Pool,
    connection: Option<Connection>,
    was_idle: bool,
}

impl Deref for Taken<'_> {
    type Target = Connection;

    #[allow(clippy::expect_used)]
    fn deref(&self) -> &Connection {
        self.connection.as_ref().expect("it is there while it is in use")
    }
}

impl DerefMut for Taken<'_> {
    #[allow(clippy::expect_used)]
    fn deref_mut(&mut self) -> &mut Connection {
        self.connection.as_mut().expect("it is there while it is in use")
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let mut state = self.pool.lock();
        state.taken -= 1;
        state.idle.extend(self.connection.take().filter(Connection::is_usable));
        drop(state);
        self.pool.freed.notify_one();
    }
}

//! The thread that writes index files and cleans up behind the writers.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rag_core::StoreError;

use crate::failure;
use crate::options::StoreOptions;

/// How long to wait after a failure before trying again.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// Without writes for so long, memory for writing is let go.
const REST_AFTER: Duration = Duration::from_secs(15);

/// The work itself.
pub(crate) trait Chores: Send + Sync + 'static {
    /// Writes what has gathered in memory.
    fn flush(&self) -> Result<(), StoreError>;

    /// Does a bounded part of what nobody waits for. Whether more is left.
    fn tidy(&self) -> Result<bool, StoreError>;

    /// Lets go of memory that only flushing needs.
    fn rest(&self);
}

/// What writers tell the thread, and it them.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The last write that no flush has seen.
    last_write: Option<Instant>,
    /// The last flush, unless its memory was let go since.
    last_flush: Option<Instant>,
    tail_chunks: usize,
    failure: Option<String>,
    stop: bool,
}

impl Bell {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something was written; so many chunks are in memory now.
    pub(crate) fn written(&self, tail_chunks: usize, options: &StoreOptions) {
        let mut state = self.lock();
        let first = state.last_write.replace(Instant::now()).is_none();
        state.tail_chunks = tail_chunks;
        if first || tail_chunks >= options.tail_chunks {
            self.changed.notify_all();
        }
    }

    /// Waits until memory has room for more chunks.
    ///
    /// # Errors
    /// When it is full and cannot be written to files.
    pub(crate) fn wait_for_room(&self, options: &StoreOptions) -> Result<(), StoreError> {
        let mut state = self.lock();
        while state.tail_chunks >= options.most_tail_chunks && !state.stop {
            if let Some(failure) = &state.failure {
                return Err(failure::engine(
                    "the search index cannot be written; make room on the disk",
                    failure.clone(),
                ));
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    fn flushed(&self, tail_chunks: usize, outcome: &Result<(), StoreError>) {
        let mut state = self.lock();
        let now = Instant::now();
        state.tail_chunks = tail_chunks;
        state.last_flush = Some(now);
        state.failure = outcome.as_ref().err().map(ToString::to_string);
        if state.failure.is_some() {
            state.last_write.get_or_insert(now);
        }
        self.changed.notify_all();
    }
}

/// The running thread; stops and waits for it when dropped.
#[derive(Debug)]
pub(crate) struct Maintenance {
    bell: Arc<Bell>,
    thread: Option<JoinHandle<()>>,
}

impl Maintenance {
    /// `tail_chunks` tells how many chunks are in memory.
    pub(crate) fn start(
        chores: Arc<impl Chores>,
        bell: Arc<Bell>,
        options: StoreOptions,
        tail_chunks: impl Fn() -> usize + Send + 'static,
    ) -> Result<Self, StoreError> {
        let for_thread = bell.clone();
        let thread = thread::Builder::new()
            .name("store-maintenance".into())
            .spawn(move || {
                give_way();
                while let Some(task) = next_task(&for_thread, &options) {
                    run(task, &*chores, &for_thread, &tail_chunks);
                }
            })
            .map_err(|error| failure::engine("cannot start the maintenance thread", error))?;
        Ok(Self { bell, thread: Some(thread) })
    }
}

impl Drop for Maintenance {
    fn drop(&mut self) {
        self.bell.lock().stop = true;
        self.bell.changed.notify_all();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the maintenance thread panicked");
        }
    }
}

/// Lets whoever answers questions go first on the processors. Threads that this one starts, the engine's that write and
/// merge files, do the same. Where the system refuses, all are equal.
fn give_way() {
    #[cfg(target_os = "linux")]
    {
        const NICE: i32 = 5;
        let this_thread = Some(rustix::thread::gettid());
        if let Err(error) = rustix::process::setpriority_process(this_thread, NICE) {
            tracing::debug!(%error, "maintenance runs at the usual priority");
        }
    }
}

enum Task {
    Flush,
    Rest,
}

fn run(task: Task, chores: &impl Chores, bell: &Bell, tail_chunks: &impl Fn() -> usize) {
    match task {
        Task::Rest => chores.rest(),
        Task::Flush => {
            let outcome = chores.flush();
            bell.flushed(tail_chunks(), &outcome);
            if let Err(error) = outcome {
                tracing::error!(error = &error as &dyn std::error::Error, "will be tried again");
            }
            while !bell.lock().stop {
                match chores.tidy() {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(error) => {
                        tracing::warn!(error = &error as &dyn std::error::Error, "cannot tidy up");
                        break;
                    }
                }
            }
        }
    }
}

/// Waits for what is to be done next; `None`: the end.
fn next_task(bell: &Bell, options: &StoreOptions) -> Option<Task> {
    let mut state = bell.lock();
    loop {
        if state.stop {
            return None;
        }
        let wait = match state.due(options) {
            Due::Now(task) => {
                state.begin(&task);
                return Some(task);
            }
            Due::In(wait) => wait,
            Due::Never => {
                state = bell.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
        };
        let waited = bell.changed.wait_timeout(state, wait);
        state = waited.unwrap_or_else(PoisonError::into_inner).0;
    }
}

enum Due {
    Now(Task),
    In(Duration),
    Never,
}

impl State {
    fn due(&self, options: &StoreOptions) -> Due {
        if let Some(last_write) = self.last_write {
            let failed = self.failure.is_some();
            let patience = if failed { RETRY_AFTER } else { options.quiet_time };
            let full = self.tail_chunks >= options.tail_chunks && !failed;
            return match patience.checked_sub(last_write.elapsed()) {
                Some(wait) if !full => Due::In(wait),
                _ => Due::Now(Task::Flush),
            };
        }
        match self.last_flush.map(|last_flush| REST_AFTER.checked_sub(last_flush.elapsed())) {
            Some(Some(wait)) => Due::In(wait),
            Some(None) => Due::Now(Task::Rest),
            None => Due::Never,
        }
    }

    fn begin(&mut self, task: &Task) {
        match task {
            Task::Flush => self.last_write = None,
            Task::Rest => self.last_flush = None,
        }
    }
}

//! [`JobQueue`]: which job of a pool runs next. A mutex and a condition variable; the threads belong to the pool.

use std::collections::BTreeMap;
use std::mem;

use service_guards::Priority;

use crate::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Jobs that wait for a number of threads, and how many run.
///
/// Interactive jobs go before those of a batch, and within a class the oldest goes first. Where there is more than one
/// thread, one of them is never occupied by a batch; and while interactive jobs run, no more batch jobs begin than keep
/// one thread occupied, since they would take turns with them on the processors.
pub(crate) struct JobQueue<J> {
    threads: usize,
    queue: usize,
    state: Mutex<State<J>>,
    /// A job may run, or the queue has closed.
    wanted: Condvar,
}

struct State<J> {
    open: bool,
    next: u64,
    interactive: Line<J>,
    batch: Line<J>,
}

/// The jobs of one class.
struct Line<J> {
    running: usize,
    /// By number: the first is the oldest, and any can be taken out.
    waiting: BTreeMap<u64, J>,
}

impl<J> Default for Line<J> {
    fn default() -> Self {
        Self { running: 0, waiting: BTreeMap::new() }
    }
}

/// Names a job, to take it out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket {
    priority: Priority,
    number: u64,
}

/// Why a job was not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The queue of its class is full.
    Busy,
    /// No job is taken in any more.
    Closed,
}

/// How many jobs of a class there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) queued: usize,
    pub(crate) running: usize,
}

impl<J> JobQueue<J> {
    /// A queue for so many threads, with room for `queue` jobs of each class besides those that a thread is free for.
    pub(crate) fn new(threads: usize, queue: usize) -> Self {
        let state =
            State { open: true, next: 0, interactive: Line::default(), batch: Line::default() };
        Self { threads, queue, state: Mutex::new(state), wanted: Condvar::new() }
    }

    /// Puts a job into the queue.
    pub(crate) fn push(&self, priority: Priority, job: J) -> Result<Ticket, Refused> {
        let mut state = self.lock();
        if !state.open {
            return Err(Refused::Closed);
        }
        let room = self.queue.saturating_add(self.idle(&state, priority));
        if state.line(priority).waiting.len() >= room {
            return Err(Refused::Busy);
        }
        let number = state.next;
        state.next += 1;
        state.line(priority).waiting.insert(number, job);
        let may_run = self.may_run(&state, priority);
        drop(state);
        if may_run {
            self.wanted.notify_one();
        }
        Ok(Ticket { priority, number })
    }

    /// Waits for a job and counts it as running, until [`finished`](Self::finished). `None` when the queue has closed
    /// and nothing is left.
    pub(crate) fn next(&self) -> Option<(Priority, J)> {
        let mut state = self.lock();
        loop {
            if let Some(job) = self.take(&mut state) {
                return Some(job);
            }
            if !state.open {
                return None;
            }
            state = self.wanted.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// A job runs no longer; its thread comes back for another one.
    pub(crate) fn finished(&self, priority: Priority) {
        let mut state = self.lock();
        state.line(priority).running -= 1;
        // Threads that wait may now run batch jobs before this thread comes back.
        let batch_waits = !state.batch.waiting.is_empty() && self.may_run(&state, Priority::Batch);
        let was_last = priority == Priority::Interactive && state.interactive.running == 0;
        drop(state);
        match (batch_waits, was_last) {
            (false, _) => {}
            (true, false) => self.wanted.notify_one(),
            (true, true) => self.wanted.notify_all(),
        }
    }

    /// Takes a job out if it still waits.
    pub(crate) fn remove(&self, ticket: Ticket) -> Option<J> {
        self.lock().line(ticket.priority).waiting.remove(&ticket.number)
    }

    /// Takes no more jobs in. Those that wait are still given out.
    pub(crate) fn close(&self) {
        self.lock().open = false;
        self.wanted.notify_all();
    }

    /// Takes all jobs out that wait.
    pub(crate) fn take_waiting(&self) -> Vec<J> {
        let mut state = self.lock();
        let interactive = mem::take(&mut state.interactive.waiting);
        let batch = mem::take(&mut state.batch.waiting);
        drop(state);
        interactive.into_values().chain(batch.into_values()).collect()
    }

    /// How many jobs of a class there are.
    pub(crate) fn load(&self, priority: Priority) -> Load {
        let mut state = self.lock();
        let line = state.line(priority);
        Load { queued: line.waiting.len(), running: line.running }
    }

    fn take(&self, state: &mut State<J>) -> Option<(Priority, J)> {
        for priority in Priority::ALL {
            if self.may_run(state, priority)
                && let Some((_, job)) = state.line(priority).waiting.pop_first()
            {
                state.line(priority).running += 1;
                return Some((priority, job));
            }
        }
        None
    }

    /// Whether a free thread may take a job of this class. When the queue has closed, no interactive job can come that
    /// a thread should be kept for.
    fn may_run(&self, state: &State<J>, priority: Priority) -> bool {
        priority != Priority::Batch || !state.open || state.batch.running < self.most_batch(state)
    }

    fn most_batch(&self, state: &State<J>) -> usize {
        match state.interactive.running {
            0 => self.threads.saturating_sub(1).max(1),
            _ => 1,
        }
    }

    /// How many threads are free for jobs of this class.
    fn idle(&self, state: &State<J>, priority: Priority) -> usize {
        let running = state.interactive.running + state.batch.running;
        let idle = self.threads.saturating_sub(running);
        match priority {
            Priority::Interactive => idle,
            Priority::Batch => idle
                .saturating_sub(state.interactive.waiting.len())
                .min(self.most_batch(state).saturating_sub(state.batch.running)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<J>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<J> State<J> {
    fn line(&mut self, priority: Priority) -> &mut Line<J> {
        match priority {
            Priority::Interactive => &mut self.interactive,
            Priority::Batch => &mut self.batch,
        }
    }
}

//! [`Admission`]: who is in, who waits, and who is next. A mutex and wakers; no runtime, no task, no clock.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::sync::{Mutex, MutexGuard, PoisonError};
use crate::{Priority, Rejection};

/// How many may be in, and how many may wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// How many places there are; zero counts as one.
    pub(crate) limit: usize,
    /// How many callers of each class may wait.
    pub(crate) queue: usize,
    /// How much of the places batch may take, in percent; at least one place.
    pub(crate) batch_percent: u8,
}

/// A number of places, and a queue in front of them.
///
/// After every change all who may go in are in: where a place is free that a class may take, nobody of it waits.
pub(crate) struct Admission {
    queue: usize,
    batch_percent: u8,
    state: Mutex<State>,
}

struct State {
    open: bool,
    limit: usize,
    batch_limit: usize,
    /// The number of the next caller who has to wait.
    next: u64,
    interactive: Line,
    batch: Line,
}

/// One class of callers.
#[derive(Default)]
struct Line {
    live: usize,
    /// Who waits, oldest first. Who is let in is taken out; who is not found here any more is in.
    waiting: BTreeMap<u64, Option<Waker>>,
}

/// What a caller is told at once.
pub(crate) enum Answer {
    /// To go in.
    Enter(Permit),
    /// To wait.
    Wait(Waiter),
}

impl Admission {
    /// Nobody is in yet.
    pub(crate) fn new(bounds: Bounds) -> Self {
        let Bounds { limit, queue, batch_percent } = bounds;
        let (interactive, batch) = Default::default();
        let mut state = State { open: true, limit: 1, batch_limit: 1, next: 0, interactive, batch };
        state.set_limit(limit, batch_percent);
        Self { queue, batch_percent, state: Mutex::new(state) }
    }

    /// Lets the caller in or gives it a place in the queue, if there is one.
    pub(crate) fn ask(self: &Arc<Self>, priority: Priority) -> Result<Answer, Rejection> {
        let mut state = self.lock();
        if state.enter(priority)? {
            return Ok(Answer::Enter(Permit { admission: self.clone(), priority }));
        }
        if state.line(priority).waiting.len() >= self.queue {
            return Err(state.busy());
        }
        let number = state.next;
        state.next += 1;
        state.line_mut(priority).waiting.insert(number, None);
        Ok(Answer::Wait(Waiter { admission: Some(self.clone()), priority, number }))
    }

    /// Lets the caller in if that needs no waiting.
    pub(crate) fn try_enter(self: &Arc<Self>, priority: Priority) -> Result<Permit, Rejection> {
        let mut state = self.lock();
        if state.enter(priority)? {
            return Ok(Permit { admission: self.clone(), priority });
        }
        Err(state.busy())
    }

    /// Changes the number of places. Who is in stays in.
    pub(crate) fn set_limit(&self, limit: usize) {
        self.change(|state| state.set_limit(limit, self.batch_percent));
    }

    /// Lets nobody in any more; who waits learns of it.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.open = false;
        let State { interactive, batch, .. } = &mut *state;
        let waiting = interactive.waiting.values_mut().chain(batch.waiting.values_mut());
        let wakers: Vec<_> = waiting.filter_map(Option::take).collect();
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// How many places there are.
    pub(crate) fn limit(&self) -> usize {
        self.lock().limit
    }

    /// How many callers of these classes are in.
    pub(crate) fn live(&self, priorities: &[Priority]) -> usize {
        let state = self.lock();
        priorities.iter().map(|priority| state.line(*priority).live).sum()
    }

    /// How many callers of these classes wait.
    pub(crate) fn waiting(&self, priorities: &[Priority]) -> usize {
        let state = self.lock();
        priorities.iter().map(|priority| state.line(*priority).waiting.len()).sum()
    }

    /// Changes something, and lets in who can go in then.
    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        let wakers = state.admit();
        drop(state);
        // Waking may run foreign code, so it happens without the lock.
        wakers.into_iter().for_each(Waker::wake);
    }

    /// A caller who waits goes away. If it has just been let in, its turn goes on to the next.
    fn give_up(&self, priority: Priority, number: u64) {
        let mut state = self.lock();
        let waker = state.line_mut(priority).waiting.remove(&number);
        drop(state);
        if waker.is_none() {
            self.leave(priority);
        }
    }

    fn leave(&self, priority: Priority) {
        self.change(|state| state.line_mut(priority).live -= 1);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn line(&self, priority: Priority) -> &Line {
        match priority {
            Priority::Interactive => &self.interactive,
            Priority::Batch => &self.batch,
        }
    }

    fn line_mut(&mut self, priority: Priority) -> &mut Line {
        match priority {
            Priority::Interactive => &mut self.interactive,
            Priority::Batch => &mut self.batch,
        }
    }

    fn has_place(&self, priority: Priority) -> bool {
        let free = self.interactive.live + self.batch.live < self.limit;
        free && (priority != Priority::Batch || self.batch.live < self.batch_limit)
    }

    /// Takes a place if there is one. Nobody is overtaken: where there is one, nobody waits for it.
    fn enter(&mut self, priority: Priority) -> Result<bool, Rejection> {
        if !self.open {
            return Err(Rejection::Closed);
        }
        let has_place = self.has_place(priority);
        self.line_mut(priority).live += usize::from(has_place);
        Ok(has_place)
    }

    /// Lets in who can go in, the most urgent first; gives who is to be woken.
    fn admit(&mut self) -> Vec<Waker> {
        let mut wakers = Vec::new();
        for priority in Priority::ALL {
            while self.open && self.has_place(priority) {
                let line = self.line_mut(priority);
                let Some((_, waker)) = line.waiting.pop_first() else { break };
                line.live += 1;
                wakers.extend(waker);
            }
        }
        wakers
    }

    fn set_limit(&mut self, limit: usize, batch_percent: u8) {
        self.limit = limit.max(1);
        let share = self.limit as u128 * u128::from(batch_percent.min(100)) / 100;
        // Not more than the limit, so it fits.
        self.batch_limit = usize::try_from(share).unwrap_or(self.limit).max(1);
    }

    fn busy(&self) -> Rejection {
        Rejection::Busy { limit: self.limit }
    }
}

/// The right to be in; given back when dropped.
pub(crate) struct Permit {
    admission: Arc<Admission>,
    priority: Priority,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.admission.leave(self.priority);
    }
}

/// A caller in the queue: a future of its permit. Dropping it leaves the queue.
pub(crate) struct Waiter {
    /// `None` once it is out of the queue.
    admission: Option<Arc<Admission>>,
    priority: Priority,
    number: u64,
}

impl Future for Waiter {
    type Output = Result<Permit, Rejection>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { priority, number, .. } = *self;
        let Some(admission) = self.admission.take() else { return Poll::Pending };
        let mut state = admission.lock();
        let open = state.open;
        let waiting = &mut state.line_mut(priority).waiting;
        let Some(waker) = waiting.get_mut(&number) else {
            drop(state);
            return Poll::Ready(Ok(Permit { admission, priority }));
        };
        if !open {
            let waker = waiting.remove(&number);
            drop(state);
            drop(waker);
            return Poll::Ready(Err(Rejection::Closed));
        }
        let old = waker.replace(cx.waker().clone());
        drop(state);
        // Dropping a waker may run foreign code, so it happens without the lock.
        drop(old);
        self.admission = Some(admission);
        Poll::Pending
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        if let Some(admission) = self.admission.take() {
            admission.give_up(self.priority, self.number);
        }
    }
}

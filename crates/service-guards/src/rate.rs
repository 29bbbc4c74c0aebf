//! [`Rate`]: so much in any minute, and who waits for it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::{Attempt, LeftLine, Line, Misfit, Priority, Rejection, SlidingWindow, Taken};

/// A limit on what is taken in any window of time, with a [`Line`] in front. Clones share it.
///
/// Calls of [`Priority::Batch`] see [`batch_share`] of the limit, so that the rest is always there for interactive ones.
/// The window never holds more than the limit, except by what turns out to have been more than was asked for
/// ([`RateTicket::settle`]).
#[derive(Clone, Debug)]
pub struct Rate {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    limit: u64,
    length: Duration,
    started: Instant,
    window: Mutex<SlidingWindow>,
    line: Line,
}

/// How much of a limit calls of [`Priority::Batch`] see: four fifths, but never less than what one of them needs, since
/// it would wait for ever; a big one goes when all else has left.
pub fn batch_share(limit: u64, amount: u64) -> u64 {
    (limit / 5 * 4 + limit % 5 * 4 / 5).max(amount).min(limit)
}

impl Rate {
    /// At most `limit` in any window of `length`; at most `queue` may wait.
    pub fn new(limit: u64, length: Duration, queue: usize) -> Self {
        let shared = Shared {
            limit,
            length,
            started: Instant::now(),
            window: Mutex::new(SlidingWindow::new(length)),
            line: Line::new(queue),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Takes `amount`, now or as soon as it fits. Dropping the future leaves the queue.
    ///
    /// # Errors
    /// [`Rejection::Rate`] at once when it will not fit within `longest_wait`, and [`Rejection::RateQueue`] when too many
    /// wait.
    pub async fn take(
        &self,
        amount: u64,
        priority: Priority,
        longest_wait: Duration,
    ) -> Result<RateTicket, Rejection> {
        let attempt = || std::future::ready(self.shared.attempt(amount, priority));
        let taken = self.shared.line.pass(priority, longest_wait, attempt).await;
        let Shared { limit, length, .. } = *self.shared;
        match taken {
            Ok(taken) => Ok(RateTicket { taken: Some(taken), shared: self.shared.clone() }),
            Err(LeftLine::Refused { wait, .. }) => {
                Err(Rejection::Rate { limit, window: length, wait })
            }
            Err(LeftLine::TimedOut | LeftLine::Full) => {
                Err(Rejection::RateQueue { limit, window: length })
            }
        }
    }

    /// What the window holds.
    pub fn taken(&self) -> u64 {
        self.shared.with_window(|window, now| window.sum(now))
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.shared.line.waiting()
    }
}

impl Shared {
    fn attempt(&self, amount: u64, priority: Priority) -> Attempt<Taken, ()> {
        let limit = match priority {
            Priority::Interactive => self.limit,
            Priority::Batch => batch_share(self.limit, amount),
        };
        match self.with_window(|window, now| window.take(amount, limit, now)) {
            Ok(taken) => Attempt::Got(taken),
            Err(Misfit::For(wait)) => Attempt::After(wait, ()),
            Err(Misfit::Ever) => Attempt::Never(()),
        }
    }

    fn with_window<T>(&self, act: impl FnOnce(&mut SlidingWindow, Duration) -> T) -> T {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        act(&mut window, self.started.elapsed())
    }
}

/// What was taken of a [`Rate`]. Dropped without being settled, it counts as it was taken.
#[derive(Debug)]
pub struct RateTicket {
    taken: Option<Taken>,
    shared: Arc<Shared>,
}

impl RateTicket {
    /// Replaces what was taken by what was consumed, and lets who waits try again when something came back.
    pub fn settle(mut self, actual: u64) {
        let Some(taken) = self.taken.take() else {
            return;
        };
        let gave_back = actual < taken.amount();
        self.shared.with_window(|window, now| window.settle(taken, actual, now));
        if gave_back {
            self.shared.line.nudge();
        }
    }
}

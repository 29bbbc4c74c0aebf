//! [`Line`]: who waits until something fits, in order.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, sleep, timeout_at};

use crate::Priority;
use crate::clock::after;

/// How an attempt to get what is waited for went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt<T, W> {
    /// It was there.
    Got(T),
    /// Not yet, for the reason given; worth another attempt after this long, or sooner when something comes back.
    After(Duration, W),
    /// No waiting will help.
    Never(W),
}

/// Why somebody left the line with nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeftLine<W> {
    /// The last attempt failed with this reason, and the next one would come after the caller's longest wait, or never.
    Refused {
        /// The reason of the last attempt.
        reason: W,
        /// How long until the next one would have made sense; `None` for never.
        wait: Option<Duration>,
    },
    /// So many wait that the turn did not come within the caller's longest wait.
    TimedOut,
    /// As many as allowed wait already.
    Full,
}

/// A queue in front of something that has to be tried for, such as a rate. Only who stands first tries, so it is first
/// come, first served; interactive callers go before batch. Nothing is granted here: the attempt does that.
///
/// While nobody waits, attempts are made at once and side by side. A caller who leaves (the future is dropped) makes
/// room for the next one. A batch caller waits for as long as interactive ones do, so constant interactive load that
/// has to wait starves it until its longest wait has passed.
#[derive(Debug)]
pub struct Line {
    capacity: usize,
    interactive: Class,
    batch: Class,
    moved: Notify,
}

#[derive(Debug)]
struct Class {
    front: Semaphore,
    waiting: AtomicUsize,
}

impl Class {
    fn new() -> Self {
        Self { front: Semaphore::new(1), waiting: AtomicUsize::new(0) }
    }
}

impl Line {
    /// A line in which `capacity` may stand, both priorities together.
    pub fn new(capacity: usize) -> Self {
        Self { capacity, interactive: Class::new(), batch: Class::new(), moved: Notify::new() }
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        [&self.interactive, &self.batch]
            .map(|class| class.waiting.load(Ordering::Relaxed))
            .iter()
            .sum()
    }

    /// Something came back: who stands first tries again.
    pub fn nudge(&self) {
        self.moved.notify_waiters();
    }

    /// Makes attempts until one succeeds. Gives up at once when it is known that this takes more than `longest_wait`.
    /// Dropping the future leaves the line, and drops the attempt under way.
    ///
    /// # Errors
    /// Why there was nothing to be had.
    pub async fn pass<T, W, F>(
        &self,
        priority: Priority,
        longest_wait: Duration,
        mut attempt: impl FnMut() -> F,
    ) -> Result<T, LeftLine<W>>
    where
        F: Future<Output = Attempt<T, W>>,
    {
        let until = after(Instant::now(), longest_wait);
        if !self.has_to_wait(priority) {
            match attempt().await {
                Attempt::Got(got) => return Ok(got),
                Attempt::Never(reason) => return Err(LeftLine::Refused { reason, wait: None }),
                Attempt::After(wait, reason) if after(Instant::now(), wait) > until => {
                    return Err(LeftLine::Refused { reason, wait: Some(wait) });
                }
                Attempt::After(..) => {}
            }
        }
        let place = self.join(priority).ok_or(LeftLine::Full)?;
        match timeout_at(until, place.turn()).await {
            Ok(_turn) => place.try_until(until, attempt).await,
            Err(_) => Err(LeftLine::TimedOut),
        }
    }

    fn class(&self, priority: Priority) -> &Class {
        match priority {
            Priority::Interactive => &self.interactive,
            Priority::Batch => &self.batch,
        }
    }

    fn somebody_waits(&self, priority: Priority) -> bool {
        self.class(priority).waiting.load(Ordering::Relaxed) > 0
    }

    fn has_to_wait(&self, priority: Priority) -> bool {
        self.somebody_waits(Priority::Interactive) || self.somebody_waits(priority)
    }

    fn join(&self, priority: Priority) -> Option<Place<'_>> {
        // Racing callers may both see room for one; the bound is one of memory, not of fairness.
        let has_room = self.waiting() < self.capacity;
        has_room.then(|| {
            self.class(priority).waiting.fetch_add(1, Ordering::Relaxed);
            Place { line: self, priority }
        })
    }
}

/// A place in the line; left when dropped.
struct Place<'a> {
    line: &'a Line,
    priority: Priority,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let Self { line, priority } = self;
        let before = line.class(*priority).waiting.fetch_sub(1, Ordering::Relaxed);
        if *priority == Priority::Interactive && before == 1 {
            line.nudge();
        }
    }
}

/// The front of a class.
type Turn<'a> = Option<tokio::sync::SemaphorePermit<'a>>;

impl Place<'_> {
    /// Waits until nobody of the same priority stands before.
    async fn turn(&self) -> Turn<'_> {
        // The semaphore is never closed.
        self.line.class(self.priority).front.acquire().await.ok()
    }

    fn has_to_yield(&self) -> bool {
        self.priority == Priority::Batch && self.line.somebody_waits(Priority::Interactive)
    }

    /// Tries from the front of the class, whenever that can help.
    async fn try_until<T, W, F>(
        &self,
        until: Instant,
        mut attempt: impl FnMut() -> F,
    ) -> Result<T, LeftLine<W>>
    where
        F: Future<Output = Attempt<T, W>>,
    {
        loop {
            let mut moved = pin!(self.line.moved.notified());
            // From here on no nudge is missed.
            moved.as_mut().enable();
            if self.has_to_yield() {
                timeout_at(until, moved).await.map_err(|_| LeftLine::TimedOut)?;
                continue;
            }
            match attempt().await {
                Attempt::Got(got) => return Ok(got),
                Attempt::Never(reason) => return Err(LeftLine::Refused { reason, wait: None }),
                Attempt::After(wait, reason) if after(Instant::now(), wait) > until => {
                    return Err(LeftLine::Refused { reason, wait: Some(wait) });
                }
                Attempt::After(wait, _) => {
                    tokio::select! {
                        () = sleep(wait) => {}
                        () = moved => {}
                    }
                }
            }
        }
    }
}

//! [`Activity`]: since when a connection has nothing to do.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Requests under way over one connection. Clones share it.
#[derive(Clone)]
pub(super) struct Activity(Arc<Mutex<State>>);

struct State {
    live: usize,
    /// When the last request ended, or the connection began.
    since: Instant,
}

impl Default for Activity {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(State { live: 0, since: Instant::now() })))
    }
}

impl Activity {
    /// A request has begun; it ends when the value is dropped.
    pub(super) fn begin(&self) -> Busy {
        self.lock().live += 1;
        Busy(self.clone())
    }

    /// Waits until no request was under way for so long, beginning now. While some are, it looks again after each such time.
    pub(super) async fn idle(&self, limit: Duration) {
        let began = Instant::now();
        loop {
            let now = Instant::now();
            let due = {
                let state = self.lock();
                if state.live > 0 { now + limit } else { state.since.max(began) + limit }
            };
            if due <= now {
                return;
            }
            sleep_until(due).await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request under way.
pub(super) struct Busy(Activity);

impl Drop for Busy {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.live -= 1;
        state.since = Instant::now();
    }
}

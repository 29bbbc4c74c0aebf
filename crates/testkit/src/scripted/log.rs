//! [`CallLog`]: what was asked of a scripted model.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

/// The calls of one model so far.
#[derive(Debug)]
pub struct CallLog<Q> {
    calls: Mutex<Vec<(Q, String)>>,
}

impl<Q> Default for CallLog<Q> {
    fn default() -> Self {
        Self { calls: Mutex::new(Vec::new()) }
    }
}

impl<Q: Clone> CallLog<Q> {
    /// Notes a call on the current thread.
    pub(super) fn note(&self, request: Q) {
        let thread = thread::current().name().unwrap_or_default().to_owned();
        self.lock().push((request, thread));
    }

    /// The requests, in the order of their arrival.
    pub fn requests(&self) -> Vec<Q> {
        self.lock().iter().map(|(request, _)| request.clone()).collect()
    }

    /// The names of the threads that the calls came on, in the order of their arrival; empty for threads without one.
    pub fn threads(&self) -> Vec<String> {
        self.lock().iter().map(|(_, thread)| thread.clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Q, String)>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

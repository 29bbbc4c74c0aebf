//! [`Misuse`]: places where a thread must not wait, and how such a place is recognised.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Poll, Waker};

use llm_core::{ErrorKind, ModelError, Operation};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::coop;

/// A synchronous call from a place that must not wait for the async world. Its message says what to do instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Misuse {
    /// This thread drives a single-thread runtime, or a set of local tasks; while it waits, nothing on it goes on.
    #[error(
        "a thread that drives a single-thread runtime cannot wait for a model; await the async model, or move the \
         synchronous code to a `SyncPool` or to `spawn_blocking`"
    )]
    SingleThread,
    /// This thread belongs to a pool for models; the model it would wait for may need this very thread.
    #[error(
        "code that runs as a model must not wait for another model, since both may need the same thread; call the \
         models one after the other from outside, or run the outer one on the callers' pool"
    )]
    ModelThread,
    /// This thread belongs to the pool that it would wait for.
    #[error(
        "a job must not wait for a further job of its own pool, since both may need the same thread; do the work in \
         place, or use another pool"
    )]
    OwnPool,
}

impl Misuse {
    /// The same as a model error.
    pub fn during(self, operation: Operation) -> ModelError {
        ModelError::new(ErrorKind::Misuse, operation, self.to_string())
    }
}

/// What a pool's thread knows of itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct PoolThread {
    /// Which pool it belongs to.
    pub(crate) pool: u64,
    /// Whether that pool runs models.
    pub(crate) models: bool,
}

thread_local! {
    static POOL_THREAD: Cell<Option<PoolThread>> = const { Cell::new(None) };
}

/// Marks this thread as a pool's, for good.
pub(crate) fn mark_thread(mark: PoolThread) {
    POOL_THREAD.set(Some(mark));
}

/// The pool that this thread belongs to.
pub(crate) fn pool_thread() -> Option<PoolThread> {
    POOL_THREAD.get()
}

/// How a thread may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// As it is: a plain thread, a pool's, or one for `spawn_blocking`.
    Thread,
    /// A worker of a multi-thread runtime, whose other tasks have to be moved away first.
    Worker,
}

/// Where this code runs.
///
/// # Errors
/// [`Misuse`], where waiting could stop what is waited for.
pub(crate) fn place() -> Result<Place, Misuse> {
    if pool_thread().is_some_and(|thread| thread.models) {
        return Err(Misuse::ModelThread);
    }
    let Ok(runtime) = Handle::try_current() else {
        return Ok(Place::Thread);
    };
    match runtime.runtime_flavor() {
        RuntimeFlavor::CurrentThread if is_inside_task() => Err(Misuse::SingleThread),
        RuntimeFlavor::CurrentThread => Ok(Place::Thread),
        _ => Ok(Place::Worker),
    }
}

/// Runs `wait`, which may block this thread for long, in the way that the place allows.
///
/// # Errors
/// [`Misuse`] at once, where waiting could stop what is waited for.
pub(crate) fn wait_here<T>(wait: impl FnOnce() -> T) -> Result<T, Misuse> {
    match place()? {
        Place::Thread => Ok(wait()),
        // Panics only inside a `LocalSet` on the main thread, which no question to the runtime tells.
        Place::Worker => catch_unwind(AssertUnwindSafe(|| tokio::task::block_in_place(wait)))
            .map_err(|_| Misuse::SingleThread),
    }
}

/// Whether this thread is polling a task, and not just inside a runtime's context as a `spawn_blocking` thread is.
/// The runtime has no question for that. But it polls tasks with a budget of at most 255 steps, and outside of them there
/// is no limit (nor inside `tokio::task::unconstrained`, which therefore goes unnoticed). The steps taken to find out are
/// given back, last one first.
fn is_inside_task() -> bool {
    let mut context = Context::from_waker(Waker::noop());
    let mut taken = Vec::new();
    let limited = loop {
        match coop::poll_proceed(&mut context) {
            Poll::Pending => break true,
            Poll::Ready(step) => taken.push(step),
        }
        if taken.len() > usize::from(u8::MAX) {
            break false;
        }
    };
    while taken.pop().is_some() {}
    limited
}

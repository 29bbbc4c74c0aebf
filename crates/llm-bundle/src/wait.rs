//! Waiting for a future on a thread without a runtime.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Instant;

/// Wakes a parked thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

/// Parks this thread until the future is done, or until `until` (`None` as the answer). The future must be one that
/// needs no runtime of this thread: a channel's end, or a handle of a task that runs elsewhere.
pub(crate) fn wait<F: Future>(future: F, until: Option<Instant>) -> Option<F::Output> {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return Some(output);
        }
        match until {
            None => std::thread::park(),
            Some(until) => match until.checked_duration_since(Instant::now()) {
                Some(left) if !left.is_zero() => std::thread::park_timeout(left),
                _ => return None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn is_woken_from_another_thread() {
        let (send, receive) = tokio::sync::oneshot::channel();
        let sender = std::thread::spawn(move || send.send(7));
        assert_eq!(wait(receive, None), Some(Ok(7)));
        sender.join().unwrap().unwrap();
    }

    #[test]
    fn gives_up_when_the_time_is_over() {
        let until = Instant::now() + Duration::from_millis(5);
        assert_eq!(wait(std::future::pending::<()>(), Some(until)), None);
        assert!(Instant::now() >= until);
    }
}

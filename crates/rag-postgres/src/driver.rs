//! [`Driver`]: where connections move their bytes, while threads wait for answers.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};

/// One thread that moves the bytes of all connections. Callers wait on threads of their own, whichever these are.
pub(crate) struct Driver {
    runtime: Option<Runtime>,
}

impl Driver {
    pub(crate) fn start() -> std::io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("postgres")
            .enable_io()
            .enable_time()
            .build()?;
        Ok(Self { runtime: Some(runtime) })
    }

    /// Where connections live.
    #[allow(clippy::expect_used)]
    pub(crate) fn handle(&self) -> Handle {
        self.runtime.as_ref().expect("it is there until it is dropped").handle().clone()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Also where blocking is forbidden.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Waits on this thread for what a driver's connections give; `None` after `most`.
pub(crate) fn wait<F: Future>(driver: &Handle, most: Duration, future: F) -> Option<F::Output> {
    let _entered = driver.enter();
    block_on(tokio::time::timeout(most, future)).ok()
}

/// Waits without a runtime of this thread's, so that it does not matter whether it has one.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        thread::park();
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

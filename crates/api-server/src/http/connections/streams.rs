//! Answers over HTTP/2, where a client that stops reading one of them holds up no socket.
//!
//! hyper runs each request of such a connection as a task of its own. [`StreamTasks`] spawns them, and ends one whose client
//! takes nothing of an answer that is there. Ending it resets the stream and drops the answer with all that it holds.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use hyper::rt::Executor;
use tokio::time::{Sleep, sleep};

/// The most that is handed out at once, so that the rest of a large answer waits for its client where it can be dropped.
const PIECE: usize = 32 << 10;

tokio::task_local! {
    /// What the task of a request and the body of its answer have in common.
    static PROGRESS: Arc<Progress>;
}

/// How far an answer is: twice the number of its pieces that were asked for, and one more while there is none yet.
#[derive(Default)]
struct Progress(AtomicU64);

impl Progress {
    fn gave(&self) {
        self.0.store((self.0.load(Ordering::Relaxed) | 1) + 1, Ordering::Relaxed);
    }

    fn has_none(&self) {
        self.0.fetch_or(1, Ordering::Relaxed);
    }

    /// The number of the piece that the client has to take before the next is asked for, if that is what is waited for.
    fn untaken(&self) -> Option<u64> {
        let now = self.0.load(Ordering::Relaxed);
        (now > 0 && now.is_multiple_of(2)).then_some(now)
    }
}

/// Spawns the requests of a connection of HTTP/2.
#[derive(Clone)]
pub(super) struct StreamTasks {
    stall: Duration,
    on_stall: Arc<dyn Fn() + Send + Sync>,
}

impl StreamTasks {
    /// `on_stall` is called when a client takes nothing for longer than `stall`.
    pub(super) fn new(stall: Duration, on_stall: Arc<dyn Fn() + Send + Sync>) -> Self {
        Self { stall, on_stall }
    }
}

impl<F> Executor<F> for StreamTasks
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, request: F) {
        let progress = Arc::<Progress>::default();
        let answering = Answering {
            request: Box::pin(PROGRESS.scope(progress.clone(), request)),
            progress,
            untaken: None,
            tasks: self.clone(),
        };
        tokio::spawn(answering);
    }
}

/// A request under way, until it has ended or its client has stopped reading.
struct Answering<F> {
    request: Pin<Box<F>>,
    progress: Arc<Progress>,
    /// The piece that is waited with, and for how long yet.
    untaken: Option<(u64, Pin<Box<Sleep>>)>,
    tasks: StreamTasks,
}

impl<F: Future<Output = ()>> Future for Answering<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.request.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let Some(piece) = self.progress.untaken() else {
            self.untaken = None;
            return Poll::Pending;
        };
        if self.untaken.as_ref().is_none_or(|(known, _)| *known != piece) {
            self.untaken = Some((piece, Box::pin(sleep(self.tasks.stall))));
        }
        let over = self.untaken.as_mut().is_some_and(|(_, time)| time.as_mut().poll(cx).is_ready());
        if !over {
            return Poll::Pending;
        }
        (self.tasks.on_stall)();
        Poll::Ready(())
    }
}

/// An answer that is handed out in pieces, and tells its task whether it waits for the client or for what is to come.
pub(super) struct Pieces<G> {
    body: Body,
    rest: Bytes,
    progress: Option<Arc<Progress>>,
    _guard: G,
}

impl<G> Pieces<G> {
    /// The body of an answer, which keeps `guard` until it is dropped. Must be made by the task of its request.
    pub(super) fn new(body: Body, guard: G) -> Self {
        let progress = PROGRESS.try_with(Arc::clone).ok();
        Self { body, rest: Bytes::new(), progress, _guard: guard }
    }

    fn next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest.is_empty() {
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(frame) => return Poll::Ready(Some(Ok(frame))),
                },
                other => return other,
            }
        }
        let piece = self.rest.split_to(self.rest.len().min(PIECE));
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }
}

impl<G: Unpin> http_body::Body for Pieces<G> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let next = self.next(cx);
        if let Some(progress) = &self.progress {
            match next {
                Poll::Ready(_) => progress.gave(),
                Poll::Pending => progress.has_none(),
            }
        }
        next
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let left = self.rest.len() as u64;
        let of_body = self.body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(of_body.lower() + left);
        if let Some(upper) = of_body.upper() {
            hint.set_upper(upper + left);
        }
        hint
    }
}

//! [`SyncPool`]: threads of our own for synchronous work, with bounded admission.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use service_guards::Priority;
use tokio::sync::{Notify, oneshot};

use crate::job_queue::{JobQueue, Refused, Ticket};
use crate::misuse::{self, Misuse, PoolThread};
use crate::pool_error::PoolError;
use crate::wait::wait;

/// A pool of named threads that run synchronous jobs. Clones share it.
///
/// - Jobs of [`Priority::Interactive`] go before those of [`Priority::Batch`]; within a class it is first come, first
///   served. Where there is more than one thread, batch jobs never occupy all of them. While interactive jobs run, a
///   batch job begins only when no other one runs: on few processors they would slow them down. It waits for as long
///   as interactive jobs occupy all threads and more of them wait.
/// - A job occupies its thread until it returns, whether or not somebody still waits for it: a pool of two runs two
///   jobs, never more.
/// - A bounded number of jobs of each class waits. A job whose caller leaves while it waits is taken out at once and never runs.
/// - A panic ends its job with [`PoolError::Panicked`]; the thread goes on.
/// - When the last clone is dropped, accepted jobs are finished and the threads end.
///
/// The server has two pools: `callers` for synchronous retrieval and parsing, `models` for local models. Callers may
/// wait for models, never the other way round ([`SyncPoolBuilder::models`]), so there is no cycle to lock up.
///
/// ```
/// use llm_bundle::SyncPool;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let pool = SyncPool::builder().name("callers").threads(2).queue(64).build()?;
/// assert_eq!(pool.run(|| 6 * 7).await?, 42);
/// assert!(pool.run(|| -> u8 { panic!("broken") }).await.is_err());
/// pool.shutdown(std::time::Duration::from_secs(5)).await?;
/// # Ok::<(), llm_bundle::PoolError>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct SyncPool {
    owner: Arc<Owner>,
}

/// What a pool is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolStatus {
    /// How many threads it has.
    pub threads: usize,
    /// Jobs that wait.
    pub queued: usize,
    /// Jobs that run.
    pub running: usize,
    /// Those of the jobs that wait which are [`Priority::Batch`].
    pub batch_queued: usize,
    /// Those of the jobs that run which are [`Priority::Batch`].
    pub batch_running: usize,
    /// Jobs that have ended, panics included.
    pub finished: u64,
    /// Jobs that panicked.
    pub panicked: u64,
    /// Jobs whose caller left before they began.
    pub skipped: u64,
    /// Jobs refused because the queue was full.
    pub refused: u64,
}

/// Sets up a [`SyncPool`].
#[derive(Clone, Debug)]
pub struct SyncPoolBuilder {
    name: String,
    threads: usize,
    queue: usize,
    models: bool,
}

impl Default for SyncPoolBuilder {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Self { name: "sync".into(), threads, queue: 1_024, models: false }
    }
}

impl SyncPoolBuilder {
    /// The name of the pool and, with a number, of its threads. Default `sync`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// How many threads, at least one. Default: as many as the machine runs at once.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads.max(1);
        self
    }

    /// How many jobs of each class may wait. Default 1,024.
    pub fn queue(mut self, queue: usize) -> Self {
        self.queue = queue;
        self
    }

    /// Marks the pool as one for models: jobs on it must not wait for models ([`Misuse::ModelThread`]).
    pub fn models(mut self) -> Self {
        self.models = true;
        self
    }

    /// Starts the threads.
    ///
    /// # Errors
    /// [`PoolError::Threads`] when the system refuses; those already started end.
    pub fn build(self) -> Result<SyncPool, PoolError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let shared = Arc::new(Shared {
            name: self.name.into(),
            mark: PoolThread { pool: NEXT.fetch_add(1, Ordering::Relaxed), models: self.models },
            threads: self.threads,
            queue: self.queue,
            jobs: JobQueue::new(self.threads, self.queue),
            workers: AtomicUsize::new(0),
            ended: Notify::new(),
            gauges: Gauges::default(),
        });
        let owner = Arc::new(Owner { shared: shared.clone() });
        for number in 0..self.threads {
            shared.workers.fetch_add(1, Ordering::SeqCst);
            let worker = shared.clone();
            let started = std::thread::Builder::new()
                .name(format!("{}-{number}", shared.name))
                .spawn(move || worker.work());
            if let Err(source) = started {
                shared.workers.fetch_sub(1, Ordering::SeqCst);
                return Err(PoolError::Threads { pool: shared.name.clone(), source });
            }
        }
        Ok(SyncPool { owner })
    }
}

impl SyncPool {
    /// Starts setting one up.
    pub fn builder() -> SyncPoolBuilder {
        SyncPoolBuilder::default()
    }

    /// Runs interactive `work` on one of the threads, as [`run_as`](Self::run_as).
    ///
    /// # Errors
    /// As [`run_as`](Self::run_as).
    pub async fn run<T, F>(&self, work: F) -> Result<T, PoolError>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        self.run_as(Priority::Interactive, work).await
    }

    /// Runs `work` on one of the threads. Dropping the future takes a waiting job out; a running one goes on, and keeps
    /// its thread until it returns.
    ///
    /// # Errors
    /// [`PoolError::Busy`] at once when the queue is full; [`PoolError::Closed`]; [`PoolError::Panicked`].
    pub async fn run_as<T, F>(&self, priority: Priority, work: F) -> Result<T, PoolError>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        self.submit_as(priority, work)?.await
    }

    /// Puts interactive `work` into the queue, as [`submit_as`](Self::submit_as).
    ///
    /// # Errors
    /// As [`submit_as`](Self::submit_as).
    pub fn submit<T, F>(&self, work: F) -> Result<Job<T>, PoolError>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        self.submit_as(Priority::Interactive, work)
    }

    /// Puts `work` into the queue now, without waiting for it. The [`Job`] is its result; dropping it is leaving.
    ///
    /// # Errors
    /// [`PoolError::Busy`] when the queue is full; [`PoolError::Closed`].
    pub fn submit_as<T, F>(&self, priority: Priority, work: F) -> Result<Job<T>, PoolError>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let (send, result) = oneshot::channel();
        let span = tracing::Span::current();
        let task = move |shared: &Shared| {
            let outcome = catch_unwind(AssertUnwindSafe(|| span.in_scope(work)));
            // Before the result is sent, so that who has it sees the thread as free.
            shared.finished(priority, outcome.is_err());
            let outcome = outcome.map_err(|panic| shared.panicked(&*panic));
            // The caller may have left.
            drop(send.send(outcome));
        };
        let shared = &self.owner.shared;
        let ticket = shared.enqueue(priority, Box::new(task))?;
        Ok(Job { result, ticket: Some(ticket), shared: shared.clone() })
    }

    /// Runs `work` on one of the threads and waits for it: for synchronous callers. On a worker of a multi-thread
    /// runtime the other tasks of that worker are moved away first.
    ///
    /// # Errors
    /// As [`run`](Self::run), and [`PoolError::Misuse`] at once from a place that must not wait.
    pub fn run_blocking<T, F>(&self, work: F) -> Result<T, PoolError>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let shared = &self.owner.shared;
        if misuse::pool_thread().is_some_and(|thread| thread.pool == shared.mark.pool) {
            return Err(Misuse::OwnPool.into());
        }
        let waited = misuse::wait_here(|| wait(self.submit(work)?, None).transpose())?;
        waited?.ok_or_else(|| shared.closed())
    }

    /// What the pool is doing. Cheap: two short locks and a few atomic reads that need not fit together exactly.
    pub fn status(&self) -> PoolStatus {
        let Shared { threads, jobs, gauges, .. } = &*self.owner.shared;
        let (interactive, batch) = (jobs.load(Priority::Interactive), jobs.load(Priority::Batch));
        PoolStatus {
            threads: *threads,
            queued: interactive.queued + batch.queued,
            running: interactive.running + batch.running,
            batch_queued: batch.queued,
            batch_running: batch.running,
            finished: gauges.finished.load(Ordering::Relaxed),
            panicked: gauges.panicked.load(Ordering::Relaxed),
            skipped: gauges.skipped.load(Ordering::Relaxed),
            refused: gauges.refused.load(Ordering::Relaxed),
        }
    }

    /// The pool's name.
    pub fn name(&self) -> &str {
        &self.owner.shared.name
    }

    /// Takes no more jobs and waits until those accepted have ended and the threads with them, or until `limit` is
    /// over. Then jobs that still wait are given up ([`PoolError::Closed`] to their callers). May be called again.
    ///
    /// # Errors
    /// [`PoolError::StillRunning`] when jobs ran longer.
    pub async fn shutdown(&self, limit: Duration) -> Result<(), PoolError> {
        let shared = &self.owner.shared;
        shared.jobs.close();
        if tokio::time::timeout(limit, shared.all_ended()).await.is_ok() {
            return Ok(());
        }
        drop(shared.jobs.take_waiting());
        match self.status().running {
            0 => Ok(()),
            running => Err(PoolError::StillRunning { pool: shared.name.clone(), running, limit }),
        }
    }
}

impl fmt::Debug for SyncPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SyncPool")
            .field("name", &self.name())
            .field("status", &self.status())
            .finish()
    }
}

/// A job in the queue or running. Awaiting it gives its result. Dropping it takes it out of the queue if it has not
/// begun.
#[derive(Debug)]
#[must_use = "dropping a job takes it out of the queue"]
pub struct Job<T> {
    result: oneshot::Receiver<Result<T, PoolError>>,
    /// `None` once the result is there.
    ticket: Option<Ticket>,
    shared: Arc<Shared>,
}

impl<T> Future for Job<T> {
    type Output = Result<T, PoolError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let result = std::task::ready!(Pin::new(&mut self.result).poll(cx));
        self.ticket = None;
        Poll::Ready(result.unwrap_or_else(|_| Err(self.shared.closed())))
    }
}

impl<T> Drop for Job<T> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.shared.skip(ticket);
        }
    }
}

/// What all clones of a pool own together; the threads do not, so that the pool can end.
struct Owner {
    shared: Arc<Shared>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.shared.jobs.close();
    }
}

type Task = Box<dyn FnOnce(&Shared) + Send>;

struct Shared {
    name: Arc<str>,
    mark: PoolThread,
    threads: usize,
    queue: usize,
    jobs: JobQueue<Task>,
    /// How many threads live.
    workers: AtomicUsize,
    /// A thread has ended.
    ended: Notify,
    gauges: Gauges,
}

#[derive(Default)]
struct Gauges {
    finished: AtomicU64,
    panicked: AtomicU64,
    skipped: AtomicU64,
    refused: AtomicU64,
}

impl Shared {
    /// The life of a thread.
    fn work(&self) {
        misuse::mark_thread(self.mark);
        while let Some((_, task)) = self.jobs.next() {
            // The job catches its own panics; this is for a result whose `Drop` panics.
            drop(catch_unwind(AssertUnwindSafe(|| task(self))));
        }
        self.workers.fetch_sub(1, Ordering::SeqCst);
        self.ended.notify_waiters();
    }

    fn enqueue(&self, priority: Priority, task: Task) -> Result<Ticket, PoolError> {
        self.jobs.push(priority, task).map_err(|refused| match refused {
            Refused::Closed => self.closed(),
            Refused::Busy => {
                self.gauges.refused.fetch_add(1, Ordering::Relaxed);
                PoolError::Busy { pool: self.name.clone(), queue: self.queue }
            }
        })
    }

    /// Takes a job out if it still waits; what it holds is dropped with it.
    fn skip(&self, ticket: Ticket) {
        if self.jobs.remove(ticket).is_some() {
            self.gauges.skipped.fetch_add(1, Ordering::Relaxed);
        }
    }

    async fn all_ended(&self) {
        loop {
            let ended = self.ended.notified();
            let mut ended = std::pin::pin!(ended);
            // Listen first, then look, so that no end is missed.
            ended.as_mut().enable();
            if self.workers.load(Ordering::SeqCst) == 0 {
                return;
            }
            ended.await;
        }
    }

    fn finished(&self, priority: Priority, panicked: bool) {
        self.jobs.finished(priority);
        self.gauges.finished.fetch_add(1, Ordering::Relaxed);
        self.gauges.panicked.fetch_add(u64::from(panicked), Ordering::Relaxed);
    }

    fn closed(&self) -> PoolError {
        PoolError::Closed { pool: self.name.clone() }
    }

    fn panicked(&self, panic: &(dyn Any + Send)) -> PoolError {
        let message = match panic.downcast_ref::<String>() {
            Some(message) => message.as_str(),
            None => panic.downcast_ref::<&str>().copied().unwrap_or("no message"),
        };
        PoolError::Panicked { pool: self.name.clone(), message: message.to_owned() }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("name", &self.name).finish_non_exhaustive()
    }
}

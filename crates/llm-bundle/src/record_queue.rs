//! [`RecordQueue`]: records on their way to where they are kept, none of them lost.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use llm_core::{BoxError, ErrorKind, ModelError, Operation};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{self, OwnedPermit};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::overflow::Overflow;
use crate::record::{CallRecord, Place, RecordSink, Reservation};

/// Keeps records.
pub trait RecordWriter: Send + Sync + 'static {
    /// Writes a batch: all of it or, where that is not known, again when asked to; a record has an
    /// [`id`](CallRecord::id) to know it by. Batches come one after the other, in the order in which calls ended. A
    /// batch that fails is given again, after a pause, until it succeeds.
    fn write(&self, batch: Arc<[CallRecord]>) -> BoxFuture<'static, Result<(), BoxError>>;
}

/// The sizes and times of a [`RecordQueue`]. The defaults are safe to deploy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordQueueOptions {
    /// The most live calls and unwritten records together. Default 65,536; a record has about half a KiB.
    pub capacity: usize,
    /// The most records in a batch. Default 1,024.
    pub batch: usize,
    /// How long a record may wait for others to be written with it. Default 50 ms.
    pub linger: Duration,
    /// How long a new call waits for a place before it is refused. Default 5 s.
    pub patience: Duration,
    /// The pause after a batch failed; it doubles with each further failure. Default 100 ms.
    pub first_pause: Duration,
    /// The pause never grows beyond this. Default 2 s: less than `patience`, so that a call that waits profits.
    pub longest_pause: Duration,
}

impl Default for RecordQueueOptions {
    fn default() -> Self {
        Self {
            capacity: 65_536,
            batch: 1_024,
            linger: Duration::from_millis(50),
            patience: Duration::from_secs(5),
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(2),
        }
    }
}

/// A sink that never makes an answer wait and loses no record: a place is kept when a call begins, so that its record
/// always has one when it ends, and a task of its own takes batches of records to a [`RecordWriter`]. Clones are the
/// same queue.
///
/// While the writer fails, records wait. When live calls and unwritten records fill the capacity, calls wait before
/// they begin, and those that find no place within [`patience`](RecordQueueOptions::patience) are refused with
/// [`ErrorKind::Overloaded`]: rather no answer than one that nobody will have paid for. A call that was refused so, or
/// left while it waited, never began. It has a record, too, of which as many as the capacity may wait beside the others;
/// beyond that it is counted only ([`RecordQueueStatus::refused`]).
///
/// A call costs a few atomic operations more, and no allocation beyond one for every 32 records.
///
/// ```
/// use futures::future::BoxFuture;
/// use llm_bundle::{CallRecord, RecordQueue, RecordQueueOptions, RecordWriter, Registry};
/// use llm_core::BoxError;
/// use std::{sync::Arc, time::Duration};
///
/// struct ToLog;
///
/// impl RecordWriter for ToLog {
///     fn write(&self, batch: Arc<[CallRecord]>) -> BoxFuture<'static, Result<(), BoxError>> {
///         Box::pin(async move {
///             for record in &*batch {
///                 println!("{} {} {:?}", record.target, record.ending().as_str(), record.cost);
///             }
///             Ok(())
///         })
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let queue = RecordQueue::start(ToLog, RecordQueueOptions::default());
/// let registry = Registry::builder().records(Arc::new(queue.clone())).build();
/// // … calls …
/// queue.close(Duration::from_secs(10)).await?;
/// # drop(registry);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct RecordQueue {
    shared: Arc<Shared>,
}

struct Shared {
    places: mpsc::Sender<CallRecord>,
    patience: Duration,
    counts: Arc<Counts>,
    overflow: Arc<Overflow>,
    closing: AtomicBool,
    task: Mutex<Option<Task>>,
}

/// The task that writes, and how to end it.
struct Task {
    close: oneshot::Sender<()>,
    handle: JoinHandle<()>,
}

#[derive(Default)]
struct Counts {
    /// Sent, and not written.
    unwritten: AtomicU64,
    /// Those of them that have left the channel.
    writing: AtomicU64,
    written: AtomicU64,
    failures: AtomicU64,
    refused: AtomicU64,
}

/// What a [`RecordQueue`] is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordQueueStatus {
    /// Calls that have a place for their record and are not over.
    pub live: u64,
    /// Records that are not written yet.
    pub unwritten: u64,
    /// Records that were written.
    pub written: u64,
    /// Batches that could not be written, each time counted.
    pub failures: u64,
    /// Calls that never began, since there was no place for their record, and that no record is left of.
    pub refused: u64,
}

/// Records that were not written when the queue had to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{records} usage records could not be written in time, and {calls} calls had not ended")]
pub struct Unwritten {
    /// How many.
    pub records: u64,
    /// How many calls were still alive, and will leave no record.
    pub calls: u64,
}

impl RecordQueue {
    /// Starts the task that writes. Must be called on a runtime. Dropping all clones ends the task once everything is
    /// written; [`close`](Self::close) tells when that is.
    pub fn start(writer: impl RecordWriter, options: RecordQueueOptions) -> Self {
        let (places, records) = mpsc::channel(options.capacity.clamp(1, MOST_PLACES));
        let (close, closed) = oneshot::channel();
        let counts = Arc::new(Counts::default());
        let overflow = Arc::new(Overflow::new(options.capacity));
        let batches =
            Batches { records, overflow: overflow.clone(), closed: Some(closed), options };
        let handle = tokio::spawn(write_all(batches, Arc::new(writer), counts.clone()));
        let shared = Shared {
            places,
            patience: options.patience,
            counts,
            overflow,
            closing: AtomicBool::new(false),
            task: Mutex::new(Some(Task { close, handle })),
        };
        Self { shared: Arc::new(shared) }
    }

    /// What it is at. The numbers are read one after the other, while calls come and go.
    pub fn status(&self) -> RecordQueueStatus {
        let Shared { places, counts, .. } = &*self.shared;
        let writing = counts.writing.load(Ordering::Acquire);
        let unwritten = counts.unwritten.load(Ordering::Acquire);
        let taken = (places.max_capacity() - places.capacity()) as u64;
        RecordQueueStatus {
            // Records that are being written have given their place back.
            live: (taken + writing).saturating_sub(unwritten),
            unwritten: unwritten + self.shared.overflow.len() as u64,
            written: counts.written.load(Ordering::Acquire),
            failures: counts.failures.load(Ordering::Relaxed),
            refused: counts.refused.load(Ordering::Relaxed),
        }
    }

    /// Lets no further call begin, waits until the live ones have ended and everything is written, and ends the task.
    /// Only the first call does;
    /// further ones return at once.
    ///
    /// # Errors
    /// What was left after `patience`: the task is ended all the same.
    pub async fn close(&self, patience: Duration) -> Result<(), Unwritten> {
        self.shared.closing.store(true, Ordering::Release);
        let task = self.shared.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Task { close, mut handle }) = task else {
            return Ok(());
        };
        let _ = close.send(());
        if timeout(patience, &mut handle).await.is_ok() {
            return Ok(());
        }
        let RecordQueueStatus { unwritten, live, .. } = self.status();
        handle.abort();
        let _ = handle.await;
        Err(Unwritten { records: unwritten, calls: live })
    }

    fn permit(&self) -> Result<OwnedPermit<CallRecord>, TrySendError<mpsc::Sender<CallRecord>>> {
        let places = self.shared.places.clone();
        if self.shared.closing.load(Ordering::Acquire) {
            return Err(TrySendError::Closed(places));
        }
        places.try_reserve_owned()
    }
}

/// More than a channel can have is asked for by nobody.
const MOST_PLACES: usize = 1 << 24;

impl RecordSink for RecordQueue {
    fn reserve(&self) -> Reservation {
        match self.permit() {
            Ok(permit) => Reservation::Ready(Place::of(permit)),
            Err(TrySendError::Full(places)) => {
                Reservation::Waiting(Box::pin(place_in_time(places, self.shared.patience)))
            }
            Err(TrySendError::Closed(_)) => {
                Reservation::Waiting(Box::pin(std::future::ready(Err(stopping()))))
            }
        }
    }

    fn record(&self, record: CallRecord, place: Place) {
        let counts = &self.shared.counts;
        let Some(permit) = place.into_permit().or_else(|| self.permit().ok()) else {
            // Nobody reads any more after the end.
            let is_open = !self.shared.closing.load(Ordering::Acquire);
            if !(is_open && self.shared.overflow.push(record)) {
                counts.refused.fetch_add(1, Ordering::Relaxed);
            }
            return;
        };
        counts.unwritten.fetch_add(1, Ordering::AcqRel);
        permit.send(record);
    }
}

async fn place_in_time(
    places: mpsc::Sender<CallRecord>,
    patience: Duration,
) -> Result<Place, ModelError> {
    match timeout(patience, places.reserve_owned()).await {
        Ok(Ok(permit)) => Ok(Place::of(permit)),
        Ok(Err(_)) => Err(stopping()),
        Err(_) => {
            let message = "what calls consume cannot be recorded fast enough; try again later";
            Err(ModelError::new(ErrorKind::Overloaded, Operation::Raw, message))
        }
    }
}

fn stopping() -> ModelError {
    let message = "no further call can begin: the server is stopping";
    ModelError::new(ErrorKind::Overloaded, Operation::Raw, message)
}

/// Takes batches to the writer until there are no more.
async fn write_all(mut batches: Batches, writer: Arc<dyn RecordWriter>, counts: Arc<Counts>) {
    let options = batches.options;
    while let Some(batch) = batches.next(&counts).await {
        let size = batch.len() as u64;
        counts.writing.store(size, Ordering::Release);
        let mut pause = options.first_pause;
        while let Err(error) = write_once(&*writer, batch.clone()).await {
            counts.failures.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(%error, records = size, ?pause, "usage records cannot be written");
            sleep(pause).await;
            pause = pause.saturating_mul(2).min(options.longest_pause);
        }
        counts.written.fetch_add(size, Ordering::AcqRel);
        counts.unwritten.fetch_sub(size, Ordering::AcqRel);
        counts.writing.store(0, Ordering::Release);
    }
}

async fn write_once(writer: &dyn RecordWriter, batch: Arc<[CallRecord]>) -> Result<(), BoxError> {
    // A writer that panics must not take the records with it.
    let written = AssertUnwindSafe(async { writer.write(batch).await }).catch_unwind().await;
    written.unwrap_or_else(|_| Err("the writer panicked".into()))
}

/// The records, in batches.
struct Batches {
    records: mpsc::Receiver<CallRecord>,
    overflow: Arc<Overflow>,
    /// Resolves when no further call may begin; `None` once it has.
    closed: Option<oneshot::Receiver<()>>,
    options: RecordQueueOptions,
}

impl Batches {
    /// Waits for a record, and a little longer for more. `None` when there will be none: all calls are over, and no
    /// further one can begin.
    async fn next(&mut self, counts: &Counts) -> Option<Arc<[CallRecord]>> {
        let most = self.options.batch.max(1);
        let mut batch = self.overflowed(counts);
        while batch.is_empty() {
            match self.closed.as_mut() {
                None => {
                    if self.records.recv_many(&mut batch, most).await == 0 {
                        let last = self.overflowed(counts);
                        return (!last.is_empty()).then(|| last.into());
                    }
                }
                Some(closed) => tokio::select! {
                    biased;
                    // Also when all clones of the queue are dropped.
                    _ = &mut *closed => {
                        self.records.close();
                        self.closed = None;
                    }
                    _ = self.records.recv_many(&mut batch, most) => {}
                },
            }
        }
        if self.closed.is_some() {
            let _ = timeout(self.options.linger, self.fill(&mut batch, most)).await;
        }
        Some(batch.into())
    }

    /// Those that came without a place; from now on they count like the others.
    fn overflowed(&self, counts: &Counts) -> Vec<CallRecord> {
        let records = self.overflow.take(self.options.batch.max(1));
        counts.unwritten.fetch_add(records.len() as u64, Ordering::AcqRel);
        records
    }

    async fn fill(&mut self, batch: &mut Vec<CallRecord>, most: usize) {
        while batch.len() < most {
            let room = most - batch.len();
            if self.records.recv_many(batch, room).await == 0 {
                return;
            }
        }
    }
}

impl fmt::Debug for RecordQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RecordQueue").field(&self.status()).finish()
    }
}

//! Records on their way: none is lost, no answer waits for them, and a writer that fails holds new calls back.

mod models;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_stream::try_stream;
use futures::future::{BoxFuture, join_all};
use futures::{StreamExt, TryStreamExt};
use llm_bundle::{
    BreakerOptions, CallRecord, Ending, GuardOptions, Guarded, RecordQueue, RecordQueueOptions,
    RecordSink, RecordWriter, Reservation,
};
use llm_core::{
    BoxError, ChatEvent, ChatModel, ChatReply, ChatRequest, ErrorKind, FinishReason, ModelError,
    ModelInfo, ModelKind, Operation, Usage,
};
use models::{Counting, Probe, info, places};
use tokio::time::{Instant, timeout};

const SECOND: Duration = Duration::from_secs(1);

/// Keeps what it is given, unless it fails or is stuck.
#[derive(Clone, Default)]
struct Shelf {
    kept: Arc<Mutex<Vec<CallRecord>>>,
    failures: Arc<Mutex<VecDeque<Failure>>>,
    is_broken: Arc<AtomicBool>,
    batches: Arc<AtomicU64>,
}

#[derive(Clone, Copy)]
enum Failure {
    Fails,
    Panics,
}

impl RecordWriter for Shelf {
    fn write(&self, batch: Arc<[CallRecord]>) -> BoxFuture<'static, Result<(), BoxError>> {
        let failure = self.failures.lock().unwrap().pop_front();
        let is_broken = self.is_broken.load(Ordering::SeqCst);
        if let Some(Failure::Panics) = failure {
            panic!("scripted");
        }
        let shelf = self.clone();
        Box::pin(async move {
            tokio::task::yield_now().await;
            if failure.is_some() || is_broken {
                return Err("the disk is full".into());
            }
            shelf.batches.fetch_add(1, Ordering::SeqCst);
            shelf.kept.lock().unwrap().extend(batch.iter().cloned());
            Ok(())
        })
    }
}

impl Shelf {
    fn len(&self) -> usize {
        self.kept.lock().unwrap().len()
    }
}

fn start(capacity: usize) -> (Shelf, RecordQueue) {
    let shelf = Shelf::default();
    let options = RecordQueueOptions { capacity, ..RecordQueueOptions::default() };
    (shelf.clone(), RecordQueue::start(shelf, options))
}

fn guarded(model: impl ChatModel + 'static, queue: &RecordQueue) -> Arc<dyn ChatModel> {
    // Failures are meant to go on, so nobody is left alone because of them.
    let breaker = BreakerOptions::ignoring_failures();
    let in_flight = places(100_000, 0);
    let options = GuardOptions { in_flight, breaker, ..GuardOptions::default() };
    let model: Arc<dyn ChatModel> = Arc::new(model);
    Arc::new(Guarded::new(model, &options, Arc::new(queue.clone())))
}

fn counting(queue: &RecordQueue) -> Arc<dyn ChatModel> {
    guarded(Counting::new(1, &Probe::default()), queue)
}

async fn call(model: &Arc<dyn ChatModel>) -> Result<u64, ErrorKind> {
    let reply = model.chat(ChatRequest::default().streamed()).await;
    let reply = reply.map_err(|error| error.kind())?;
    reply.try_fold(0, async |n, _| Ok(n + 1)).await.map_err(|error| error.kind())
}

#[tokio::test(start_paused = true)]
async fn records_arrive_in_batches_in_the_order_of_their_calls_ends() {
    let (shelf, queue) = start(4_096);
    let model = counting(&queue);
    for _ in 0..3_000 {
        assert_eq!(call(&model).await, Ok(3));
    }
    assert_eq!(queue.status().live, 0);
    queue.close(SECOND).await.unwrap();
    let status = queue.status();
    assert_eq!((status.written, status.unwritten, status.refused), (3_000, 0, 0));
    assert!(shelf.batches.load(Ordering::SeqCst) < 30, "{:?}", shelf.batches);
    let kept = shelf.kept.lock().unwrap();
    let ids: HashSet<_> = kept.iter().map(|record| record.id).collect();
    assert_eq!(ids.len(), 3_000);
    assert!(kept.is_sorted_by_key(|record| record.id));
}

#[tokio::test(start_paused = true)]
async fn a_record_is_written_soon_even_when_it_is_alone() {
    let (shelf, queue) = start(10);
    call(&counting(&queue)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert_eq!(shelf.len(), 1);
    queue.close(SECOND).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_writer_that_fails_or_panics_is_asked_again() {
    let (shelf, queue) = start(10);
    *shelf.failures.lock().unwrap() = [Failure::Fails, Failure::Panics, Failure::Fails].into();
    call(&counting(&queue)).await.unwrap();
    let began = Instant::now();
    queue.close(10 * SECOND).await.unwrap();
    assert_eq!((shelf.len(), queue.status().failures), (1, 3));
    // 100, 200 and 400 ms.
    assert!(began.elapsed() >= Duration::from_millis(700));
}

#[tokio::test(start_paused = true)]
async fn new_calls_wait_while_nothing_can_be_written_and_live_ones_end() {
    let (shelf, queue) = start(4);
    shelf.is_broken.store(true, Ordering::SeqCst);
    let model = counting(&queue);
    // What is being written has left the queue, so there is room for one batch more.
    assert_eq!(call(&model).await, Ok(3));
    tokio::time::sleep(SECOND).await;
    let live = join_all((0..4).map(|_| model.chat(ChatRequest::default())));
    let live = live.await.into_iter().map(Result::unwrap).collect::<Vec<_>>();
    assert_eq!((queue.status().live, queue.status().unwritten), (4, 1));

    // Whoever comes now waits, and is told after five seconds; nobody was asked.
    let began = Instant::now();
    let mut refused = Box::pin(call(&model));
    assert!(timeout(4 * SECOND, &mut refused).await.is_err());
    assert_eq!(refused.await, Err(ErrorKind::Overloaded));
    assert_eq!((began.elapsed(), queue.status().refused), (5 * SECOND, 0));

    // Whoever is under way goes on to the end, and the places are only free once records are written.
    let streams = live.into_iter().map(|reply| reply.try_fold(0, async |n, _| Ok(n + 1)));
    assert!(join_all(streams).await.into_iter().all(|events| events.unwrap() == 3));
    assert_eq!((queue.status().live, queue.status().unwritten), (0, 6));
    let waiting = tokio::spawn(async move { call(&model).await });
    tokio::time::sleep(SECOND).await;
    shelf.is_broken.store(false, Ordering::SeqCst);
    assert_eq!(waiting.await.unwrap(), Ok(3), "the writer recovered while it waited");
    queue.close(60 * SECOND).await.unwrap();
    assert_eq!(shelf.len(), 7);
}

#[tokio::test(start_paused = true)]
async fn whoever_leaves_while_waiting_for_a_place_has_a_record_too_within_bounds() {
    let (shelf, queue) = start(1);
    let model = counting(&queue);
    let live = model.chat(ChatRequest::default()).await.unwrap();
    for refused in [0, 1] {
        assert!(timeout(SECOND, call(&model)).await.is_err());
        assert_eq!((queue.status().unwritten, queue.status().refused), (1, refused));
    }
    drop(live);
    assert_eq!(call(&model).await, Ok(3));
    queue.close(SECOND).await.unwrap();
    assert_eq!(shelf.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_no_longer_than_its_deadline() {
    let (_, queue) = start(1);
    let _place = queue.reserve();
    let options = GuardOptions { deadline: 2 * SECOND, ..GuardOptions::default() };
    let model: Arc<dyn ChatModel> = Arc::new(Counting::new(1, &Probe::default()));
    let model: Arc<dyn ChatModel> =
        Arc::new(Guarded::new(model, &options, Arc::new(queue.clone())));
    let began = Instant::now();
    assert_eq!(call(&model).await, Err(ErrorKind::Timeout));
    assert_eq!(began.elapsed(), 2 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn closing_waits_for_live_calls_and_lets_no_further_one_begin() {
    let (shelf, queue) = start(10);
    let model = guarded(Counting { pause: SECOND, ..Counting::new(3, &Probe::default()) }, &queue);
    let live = model.chat(ChatRequest::default().streamed()).await.unwrap();
    let reader = tokio::spawn(async move { live.map(drop).collect::<Vec<_>>().await.len() });
    let closing = tokio::spawn({
        let queue = queue.clone();
        async move { queue.close(60 * SECOND).await }
    });
    tokio::task::yield_now().await;
    assert_eq!(call(&model).await, Err(ErrorKind::Overloaded));
    assert!(!closing.is_finished());
    assert_eq!(reader.await.unwrap(), 5);
    closing.await.unwrap().unwrap();
    assert_eq!(shelf.kept.lock().unwrap()[0].ending(), Ending::Completed);
    assert_eq!(shelf.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn closing_tells_what_it_had_to_leave() {
    let (shelf, queue) = start(10);
    shelf.is_broken.store(true, Ordering::SeqCst);
    let model = counting(&queue);
    for _ in 0..3 {
        call(&model).await.unwrap();
    }
    let _live = model.chat(ChatRequest::default()).await.unwrap();
    let left = queue.close(30 * SECOND).await.unwrap_err();
    assert_eq!((left.records, left.calls), (3, 1));
}

#[tokio::test]
async fn a_place_costs_nothing_while_there_is_one() {
    let (_, queue) = start(2);
    let first = queue.reserve();
    assert!(matches!(first, Reservation::Ready(_)));
    let second = queue.reserve();
    assert!(matches!(queue.reserve(), Reservation::Waiting(_)));
    drop((first, second));
    assert!(matches!(queue.reserve(), Reservation::Ready(_)));
    queue.close(SECOND).await.unwrap();
}

/// An upstream that counts by itself what it will charge for. Each answer is a number of words; some fail, some hang.
struct Upstream {
    info: ModelInfo,
    charged: Arc<Mutex<HashMap<u64, u64>>>,
    calls: AtomicU64,
}

impl ChatModel for Upstream {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn chat(&self, _: ChatRequest) -> BoxFuture<'static, Result<ChatReply, ModelError>> {
        let number = self.calls.fetch_add(1, Ordering::SeqCst);
        let charged = self.charged.clone();
        let failure = move || ModelError::new(ErrorKind::Connection, Operation::Chat, "scripted");
        Box::pin(async move {
            if number % 7 == 3 {
                return Err(failure());
            }
            if number % 5 == 1 {
                tokio::task::yield_now().await;
            }
            Ok(ChatReply::new(try_stream!({
                for word in 0..number % 4 {
                    // The provider tells after every word what it has charged for so far.
                    charged.lock().unwrap().insert(number, word + 1);
                    yield ChatEvent::Usage(Usage {
                        input_tokens: Some(0),
                        output_tokens: Some(word + 1),
                        ..Usage::default()
                    });
                    tokio::task::yield_now().await;
                }
                if number % 11 == 5 {
                    Err(failure())?;
                }
                yield ChatEvent::finished(FinishReason::Stop);
            })))
        })
    }
}

/// Makes one call and leaves it after so many polls.
async fn leave_after(model: Arc<dyn ChatModel>, polls: u64) {
    let mut call = Box::pin(call(&model));
    for _ in 0..polls {
        if futures::poll!(&mut call).is_ready() {
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_is_one_record_and_the_totals_are_the_upstreams() {
    const CALLS: u64 = 4_000;
    let (shelf, queue) = start(512);
    let charged = Arc::<Mutex<HashMap<u64, u64>>>::default();
    let upstream = Upstream {
        info: info("test/upstream", ModelKind::Chat),
        charged: charged.clone(),
        calls: AtomicU64::new(0),
    };
    let model = guarded(upstream, &queue);
    // A shuffled number of polls for each, from leaving at once to waiting for the end.
    let calls = futures::stream::iter(0..CALLS)
        .map(|n| tokio::spawn(leave_after(model.clone(), 1 + n * 7_919 % 13)))
        .buffer_unordered(200);
    calls.for_each(async |joined| joined.unwrap()).await;
    queue.close(30 * SECOND).await.unwrap();

    let kept = shelf.kept.lock().unwrap();
    assert_eq!(kept.len() as u64 + queue.status().refused, CALLS);
    assert_eq!(queue.status().refused, 0);
    let told: u64 = kept.iter().filter_map(|record| record.usage.output_tokens).sum();
    let charged: u64 = charged.lock().unwrap().values().sum();
    assert_eq!(told, charged);
    let attempts: u64 = kept.iter().map(|record| u64::from(record.attempts)).sum();
    assert!(attempts > CALLS / 2);
    for ending in [Ending::Completed, Ending::Failed, Ending::Cancelled] {
        assert!(kept.iter().any(|record| record.ending() == ending), "{ending:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_in_the_middle_loses_nothing() {
    let (shelf, queue) = start(1_000);
    let model = guarded(Counting { pause: SECOND, ..Counting::new(50, &Probe::default()) }, &queue);
    let calls: Vec<_> = (0..500)
        .map(|_| {
            tokio::spawn({
                let model = model.clone();
                async move { call(&model).await }
            })
        })
        .collect();
    tokio::time::sleep(10 * SECOND).await;
    let closing = queue.close(5 * SECOND);
    // The server cuts what runs.
    calls.iter().for_each(|call| call.abort());
    join_all(calls).await;
    closing.await.unwrap();
    let kept = shelf.kept.lock().unwrap();
    assert_eq!(kept.len(), 500);
    assert!(kept.iter().all(|record| record.ending() == Ending::Cancelled));
}

#[test]
fn a_queue_needs_no_close_to_be_dropped() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let shelf = runtime.block_on(async {
        let (shelf, queue) = start(10);
        call(&counting(&queue)).await.unwrap();
        drop(queue);
        let written = async {
            while shelf.len() == 0 {
                tokio::task::yield_now().await;
            }
        };
        timeout(10 * SECOND, written).await.unwrap();
        shelf
    });
    assert_eq!(shelf.len(), 1);
}

//! Synchronous callers of async models, from every kind of place.

mod models;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use llm_bundle::{Adapted, Blocking, BlockingOptions, SyncPool};
use llm_core::{
    ChatEvent, ChatModel, ChatRequest, EmbeddingModel, EmbeddingRequest, ErrorKind, ModelError,
    SyncChatModel, SyncEmbeddingModel,
};
use models::{AsyncLengths, Counting, Lengths, Probe};
use tokio::runtime::{Builder, Runtime};

fn home() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn single_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn lengths(home: &Runtime) -> Blocking<dyn EmbeddingModel> {
    let model: Arc<dyn EmbeddingModel> = Arc::new(AsyncLengths::new(&Probe::default()));
    Blocking::new(model, home.handle().clone())
}

fn embed(model: &dyn SyncEmbeddingModel) -> Result<f32, ErrorKind> {
    let response = model.embed(&EmbeddingRequest::query("four")).map_err(|e| e.kind())?;
    Ok(response.vectors[0][0])
}

#[test]
fn from_a_plain_thread() {
    let home = home();
    assert_eq!(embed(&lengths(&home)), Ok(4.0));
}

#[test]
fn from_a_plain_thread_with_a_home_of_one_thread_that_is_driven_elsewhere() {
    let (home, stop) = (single_thread(), Arc::new(tokio::sync::Notify::new()));
    let model = lengths(&home);
    let stopped = stop.clone();
    let driver = std::thread::spawn(move || home.block_on(stopped.notified()));
    assert_eq!(embed(&model), Ok(4.0));
    stop.notify_one();
    driver.join().unwrap();
}

#[test]
fn from_a_thread_of_a_pool_for_callers() {
    let home = home();
    let model = lengths(&home);
    let callers = SyncPool::builder().name("callers").threads(1).build().unwrap();
    assert_eq!(callers.run_blocking(move || embed(&model)).unwrap(), Ok(4.0));
}

#[test]
fn from_a_thread_of_a_pool_for_models_is_misuse() {
    let home = home();
    let probe = Probe::default();
    let model: Arc<dyn EmbeddingModel> = Arc::new(AsyncLengths::new(&probe));
    let model = Blocking::new(model, home.handle().clone());
    let models = SyncPool::builder().name("models").threads(1).models().build().unwrap();
    let seen = models.run_blocking(move || embed(&model)).unwrap();
    assert_eq!((seen, probe.calls()), (Err(ErrorKind::Misuse), 0));
}

#[test]
fn from_spawn_blocking() {
    for other in [home(), single_thread()] {
        let home = home();
        let model = lengths(&home);
        let seen = other.block_on(async move {
            tokio::task::spawn_blocking(move || embed(&model)).await.unwrap()
        });
        assert_eq!(seen, Ok(4.0));
    }
}

#[test]
fn from_spawn_blocking_of_a_home_of_one_thread() {
    let home = single_thread();
    let model = lengths(&home);
    let seen = home
        .block_on(async move { tokio::task::spawn_blocking(move || embed(&model)).await.unwrap() });
    assert_eq!(seen, Ok(4.0));
}

#[test]
fn from_a_worker_of_a_multi_thread_runtime() {
    // One worker, which is the very one that has to do the call.
    let home = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let model = Arc::new(lengths(&home));
    let in_task = model.clone();
    let seen = home.block_on(async { tokio::spawn(async move { embed(&*in_task) }).await });
    assert_eq!(seen.unwrap(), Ok(4.0));
    assert_eq!(home.block_on(async { embed(&*model) }), Ok(4.0));
}

#[test]
fn from_inside_a_single_thread_runtime_is_misuse_at_once() {
    let home = home();
    let probe = Probe::default();
    let model: Arc<dyn EmbeddingModel> = Arc::new(AsyncLengths::new(&probe));
    let model = Arc::new(Blocking::new(model, home.handle().clone()));
    let runtime = single_thread();

    let error = runtime
        .block_on(async { SyncEmbeddingModel::embed(&*model, &EmbeddingRequest::query("four")) })
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misuse);
    assert!(error.message().contains("await the async model"), "{error}");

    let in_task = model.clone();
    let seen = runtime.block_on(async { tokio::spawn(async move { embed(&*in_task) }).await });
    assert_eq!(seen.unwrap(), Err(ErrorKind::Misuse));
    let local = tokio::task::LocalSet::new();
    assert_eq!(local.block_on(&runtime, async { embed(&*model) }), Err(ErrorKind::Misuse));
    assert_eq!(probe.calls(), 0);
}

#[test]
fn finding_out_where_it_is_leaves_the_tasks_budget_alone() {
    let home = home();
    let model = lengths(&home);
    single_thread().block_on(async {
        assert_eq!(embed(&model), Err(ErrorKind::Misuse));
        assert!(tokio::task::coop::has_budget_remaining());
        // Something ready is still ready.
        let (send, mut receive) = tokio::sync::mpsc::channel(1);
        send.try_send(7).unwrap();
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert_eq!(receive.poll_recv(&mut context), std::task::Poll::Ready(Some(7)));
    });
}

#[test]
fn from_local_tasks_on_the_main_thread_is_misuse() {
    let home = home();
    let model = lengths(&home);
    let local = tokio::task::LocalSet::new();
    assert_eq!(local.block_on(&home, async { embed(&model) }), Err(ErrorKind::Misuse));
}

#[test]
fn from_sixty_four_threads_at_once() {
    let home = home();
    let model = lengths(&home);
    std::thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| {
                for _ in 0..20 {
                    assert_eq!(embed(&model), Ok(4.0));
                }
            });
        }
    });
}

#[test]
fn callers_home_models_do_not_lock_up_with_one_thread_each() {
    let home = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let callers = SyncPool::builder().name("callers").threads(1).queue(1_000).build().unwrap();
    let models =
        SyncPool::builder().name("models").threads(1).queue(1_000).models().build().unwrap();
    let probe = Probe::default();
    let local = Lengths { off_runtime: true, ..Lengths::new(&probe) };
    let model: Arc<dyn EmbeddingModel> = Arc::new(Adapted::new(Arc::new(local), models));
    let model = Arc::new(Blocking::new(model, home.handle().clone()));
    let done = Arc::new(AtomicUsize::new(0));

    let calls: Vec<_> = (0..64)
        .map(|_| {
            let (callers, model, done) = (callers.clone(), model.clone(), done.clone());
            home.spawn(async move {
                for _ in 0..10 {
                    let model = model.clone();
                    // Synchronous retrieval that embeds twice.
                    let job = callers.run(move || [embed(&*model), embed(&*model)]);
                    assert_eq!(job.await.unwrap(), [Ok(4.0), Ok(4.0)]);
                    done.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    let all = futures::future::join_all(calls);
    home.block_on(async { tokio::time::timeout(Duration::from_secs(60), all).await })
        .expect("locked up")
        .into_iter()
        .for_each(Result::unwrap);
    assert_eq!((done.load(Ordering::SeqCst), probe.calls()), (640, 1_280));
    assert_eq!(probe.most_live(), 1);
}

#[test]
fn a_stream_is_an_iterator() {
    let home = home();
    let model = counting(&home, Counting::new(3, &Probe::default()));
    let events: Vec<_> = model.chat_stream(ChatRequest::default()).unwrap().collect();
    let events: Vec<ChatEvent> = events.into_iter().map(Result::unwrap).collect();
    assert_eq!(events[..3], ["0 ", "1 ", "2 "].map(ChatEvent::text));
    assert_eq!(events.len(), 5);
}

fn counting(home: &Runtime, model: Counting) -> Blocking<dyn ChatModel> {
    let model: Arc<dyn ChatModel> = Arc::new(model);
    Blocking::new(model, home.handle().clone())
}

#[test]
fn an_iterator_dropped_half_way_cancels_upstream() {
    let (home, probe) = (home(), Probe::default());
    let model = counting(&home, Counting::new(u64::MAX, &probe));
    let mut events = model.chat_stream(ChatRequest::default()).unwrap();
    assert_eq!(events.by_ref().take(100).count(), 100);
    assert_eq!(probe.live(), 1);
    drop(events);
    probe.wait_until(|probe| probe.live() == 0);

    // A silent stream as well: nothing will come that could notice the absence.
    let silent = Counting { pause: Duration::from_secs(3_600), ..Counting::new(1, &probe) };
    let model = counting(&home, silent);
    let caller = std::thread::spawn(move || {
        let options = BlockingOptions { deadline: Duration::from_millis(10), ..Default::default() };
        let model = Blocking::with_options(model.inner().clone(), home.handle().clone(), options);
        let error = model.chat_stream(ChatRequest::default()).unwrap_err();
        (error.kind(), home)
    });
    assert_eq!(caller.join().unwrap().0, ErrorKind::Timeout);
    probe.wait_until(|probe| probe.live() == 0);
}

#[test]
fn a_slow_iterator_bounds_what_is_read_ahead() {
    let (home, probe) = (home(), Probe::default());
    let model: Arc<dyn ChatModel> = Arc::new(Counting::new(u64::MAX, &probe));
    let options = BlockingOptions { events_ahead: 4, ..BlockingOptions::default() };
    let model = Blocking::with_options(model, home.handle().clone(), options);
    let mut events = model.chat_stream(ChatRequest::default()).unwrap();
    for number in 0..50 {
        assert_eq!(events.next().unwrap().unwrap(), ChatEvent::text(format!("{number} ")));
    }
}

#[test]
fn errors_come_once_and_where_they_belong() {
    let home = home();
    let refused = Counting::new(3, &Probe::default());
    refused.refusals.lock().unwrap().push_back(ErrorKind::Quota);
    let model = counting(&home, refused);
    let error = model.chat_stream(ChatRequest::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Quota);

    let broken =
        Counting { fails: Some(ErrorKind::Upstream), ..Counting::new(2, &Probe::default()) };
    let mut events = counting(&home, broken).chat_stream(ChatRequest::default()).unwrap();
    let seen: Vec<_> =
        events.by_ref().map(|event| event.map(drop).map_err(|error| error.kind())).collect();
    assert_eq!(seen, [Ok(()), Ok(()), Err(ErrorKind::Upstream)]);
    assert!(events.next().is_none());
}

#[test]
fn a_sink_that_breaks_cancels_upstream() {
    let (home, probe) = (home(), Probe::default());
    let model = counting(&home, Counting::new(u64::MAX, &probe));
    let mut taken = 0;
    SyncChatModel::chat(&model, &ChatRequest::default(), &mut |_| {
        taken += 1;
        if taken == 10 {
            std::ops::ControlFlow::Break(())
        } else {
            std::ops::ControlFlow::Continue(())
        }
    })
    .unwrap();
    assert_eq!(taken, 10);
    probe.wait_until(|probe| probe.live() == 0);
}

#[test]
fn a_call_that_takes_too_long_is_cancelled() {
    struct Silent(Probe, llm_core::ModelInfo);
    impl EmbeddingModel for Silent {
        fn info(&self) -> &llm_core::ModelInfo {
            &self.1
        }
        fn embed(
            &self,
            _: EmbeddingRequest,
        ) -> futures::future::BoxFuture<'static, Result<llm_core::EmbeddingResponse, ModelError>>
        {
            let alive = self.0.begin();
            Box::pin(async move {
                let _alive = alive;
                std::future::pending().await
            })
        }
    }
    let (home, probe) = (home(), Probe::default());
    let info = models::info("test/silent", llm_core::ModelKind::Embedding);
    let options = BlockingOptions { deadline: Duration::from_millis(20), ..Default::default() };
    let silent = Arc::new(Silent(probe.clone(), info));
    let model = Blocking::with_options(silent, home.handle().clone(), options);
    let start = Instant::now();
    assert_eq!(embed(&model), Err(ErrorKind::Timeout));
    assert!(start.elapsed() >= options.deadline);
    // On a busy machine the time is up before the call is made.
    probe.wait_until(|probe| probe.calls() <= 1 && probe.live() == 0);
}

#[test]
fn a_panic_or_the_end_of_the_home_runtime_is_an_error() {
    struct Panics(llm_core::ModelInfo);
    impl EmbeddingModel for Panics {
        fn info(&self) -> &llm_core::ModelInfo {
            &self.0
        }
        fn embed(
            &self,
            _: EmbeddingRequest,
        ) -> futures::future::BoxFuture<'static, Result<llm_core::EmbeddingResponse, ModelError>>
        {
            panic!("scripted")
        }
    }
    let home = home();
    let info = models::info("test/panics", llm_core::ModelKind::Embedding);
    let model = Blocking::new(Arc::new(Panics(info)), home.handle().clone());
    assert_eq!(embed(&model), Err(ErrorKind::Internal));

    let model = lengths(&home);
    home.shutdown_background();
    assert_eq!(embed(&model), Err(ErrorKind::Cancelled));
}

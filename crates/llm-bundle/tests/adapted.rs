//! Synchronous models as async ones.

mod models;

use std::sync::Arc;
use std::sync::mpsc;

use futures::{StreamExt, TryStreamExt};
use llm_bundle::{Adapted, SyncPool};
use llm_core::{
    ChatModel, ChatRequest, ChatResponse, EmbeddingModel, EmbeddingRequest, ErrorKind, Execution,
};
use models::{Lengths, Probe, SyncCounting, SyncEnd};

fn pool(queue: usize) -> SyncPool {
    SyncPool::builder().name("models").threads(1).queue(queue).models().build().unwrap()
}

fn counting(until: u64, end: SyncEnd, probe: &Probe) -> Adapted<SyncCounting> {
    Adapted::new(Arc::new(SyncCounting::new(until, end, probe)), pool(10))
}

#[tokio::test]
async fn answers_like_the_model_itself_off_the_runtime() {
    let lengths = Lengths { off_runtime: true, ..Lengths::new(&Probe::default()) };
    let model = Adapted::new(Arc::new(lengths), pool(10));
    let response = model.embed(EmbeddingRequest::query("four")).await.unwrap();
    assert_eq!(response.vectors[0][0], 4.0);
    assert_eq!(EmbeddingModel::info(&model).execution, Execution::Sync);
}

#[tokio::test]
async fn a_chat_streams_and_folds() {
    let model = counting(1_000, SyncEnd::Finishes, &Probe::default());
    let reply = model.chat(ChatRequest::default()).await.unwrap();
    let response = ChatResponse::collect(reply).await.unwrap();
    assert!(response.text().starts_with("0 1 2 ") && response.text().ends_with("998 999 "));
}

#[tokio::test]
async fn errors_and_panics_are_the_head_or_the_last_item() {
    for (until, end, kind) in [
        (0, SyncEnd::Fails, ErrorKind::Upstream),
        (0, SyncEnd::Panics, ErrorKind::Internal),
        (0, SyncEnd::SaysNothingMore, ErrorKind::Malformed),
        (2, SyncEnd::Fails, ErrorKind::Upstream),
        (2, SyncEnd::Panics, ErrorKind::Internal),
    ] {
        let model = counting(until, end, &Probe::default());
        match model.chat(ChatRequest::default()).await {
            Err(error) => assert_eq!((until, error.kind()), (0, kind)),
            Ok(reply) => {
                let items: Vec<_> = reply.collect().await;
                assert_eq!(items.len() as u64, until + 1);
                assert_eq!(items.last().unwrap().as_ref().unwrap_err().kind(), kind);
            }
        }
    }
}

#[tokio::test]
async fn a_chat_whose_caller_left_is_told_to_stop() {
    let probe = Probe::default();
    let model = counting(u64::MAX, SyncEnd::Finishes, &probe);
    let mut reply = model.chat(ChatRequest::default()).await.unwrap();
    reply.try_next().await.unwrap();
    assert_eq!(probe.live(), 1);
    drop(reply);
    tokio::task::spawn_blocking({
        let probe = probe.clone();
        move || probe.wait_until(|probe| probe.live() == 0)
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_call_that_waits_and_is_dropped_never_runs() {
    let (pool, probe) = (pool(10), Probe::default());
    let (release, wait) = mpsc::channel::<()>();
    let blocker = pool.submit(move || wait.recv().is_err()).unwrap();
    let model = Adapted::new(Arc::new(Lengths::new(&probe)), pool.clone());
    let mut call = model.embed(EmbeddingRequest::query("x"));
    assert!(futures::poll!(&mut call).is_pending());
    drop(call);
    drop(release);
    assert!(blocker.await.unwrap());
    pool.run(|| ()).await.unwrap();
    assert_eq!((probe.calls(), pool.status().skipped), (0, 1));
}

#[tokio::test]
async fn a_full_pool_is_overloaded() {
    let (pool, probe) = (pool(0), Probe::default());
    let (_release, wait) = mpsc::channel::<()>();
    let (started, has_started) = mpsc::channel();
    let _blocker = pool
        .submit(move || {
            started.send(()).unwrap();
            assert!(wait.recv().is_err());
        })
        .unwrap();
    has_started.recv().unwrap();
    let model = Adapted::new(Arc::new(Lengths::new(&probe)), pool);
    let error = model.embed(EmbeddingRequest::query("x")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Overloaded);
}

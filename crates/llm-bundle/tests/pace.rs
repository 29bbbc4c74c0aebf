//! The pace of a target: who is sent, who is refused for how long, and how its limit of live calls moves.

mod models;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use llm_bundle::{Asked, CallContext, Pace, PaceLayer, PaceOptions, Paces, Priority};
use llm_core::{
    ChatModel, ChatRequest, ErrorKind, Message, ModelError, ModelName, Operation, RateLimit,
    RateLimits, Retry, RetryHint,
};
use models::{Counting, Probe};
use tower::{Layer, Service, service_fn};

const SECOND: Duration = Duration::from_secs(1);

fn limits(remaining: u64, limit: u64) -> RateLimits {
    let reset = Some(SECOND * 30);
    let requests =
        RateLimit { limit: Some(limit), remaining: Some(remaining), reset, ..Default::default() };
    RateLimits { requests, ..RateLimits::default() }
}

async fn ask(pace: &Pace, priority: Priority) -> Result<(), ModelError> {
    let model = Counting::new(2, &Probe::default());
    let call = service_fn(move |asked: Asked<ChatRequest>| model.chat(asked.request));
    let mut service = PaceLayer::<dyn ChatModel>::new(pace.clone()).layer(call);
    let request = ChatRequest::new(vec![Message::user("well?")]);
    let context = CallContext { priority, ..CallContext::default() };
    let mut reply = service.call(Asked::new(request, context)).await?;
    while let Some(event) = reply.next().await {
        event?;
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn refusals_say_how_long_and_ingestion_is_refused_first() {
    let pace = Pace::new(PaceOptions::default());
    ask(&pace, Priority::Batch).await.unwrap();
    pace.told(&limits(3, 10));
    ask(&pace, Priority::Batch).await.unwrap();
    let error = ask(&pace, Priority::Batch).await.unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::RateLimit, Operation::Chat));
    assert_eq!(error.retry(), Retry::After(SECOND * 30));
    for _ in 0..2 {
        ask(&pace, Priority::Interactive).await.unwrap();
    }
    tokio::time::advance(SECOND * 10).await;
    let error = ask(&pace, Priority::Interactive).await.unwrap_err();
    assert_eq!(error.retry(), Retry::After(SECOND * 20));
    assert_eq!(error.message(), "the provider's limit is used up for another 20.0s");
    let status = pace.status();
    assert_eq!((status.requests_left, status.resting), (Some(0), Some(SECOND * 20)));
    tokio::time::advance(SECOND * 20).await;
    ask(&pace, Priority::Batch).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_refused_call_s_own_hint_stops_the_others() {
    let pace = Pace::new(PaceOptions::default());
    let mut attempt = pace.begin(Priority::Interactive, 0).unwrap();
    let error = ModelError::new(ErrorKind::RateLimit, Operation::Chat, "later");
    attempt.failed(&error.with_retry(Retry::After(SECOND * 5)));
    drop(attempt);
    assert_eq!(pace.wait(Priority::Interactive), Some(SECOND * 5));
    tokio::time::advance(SECOND * 5).await;
    assert_eq!(pace.wait(Priority::Interactive), None);
}

#[test]
fn the_limit_of_live_calls_halves_under_load_and_comes_back() {
    let told = Arc::new(AtomicUsize::new(0));
    let options = PaceOptions { in_flight: 8, ..PaceOptions::default() };
    let steered = told.clone();
    let pace = Pace::steering(options, move |limit| steered.store(limit, Ordering::SeqCst));
    let begin = || pace.begin(Priority::Interactive, 0).unwrap();
    let overloaded = ModelError::new(ErrorKind::Overloaded, Operation::Chat, "busy");
    let other = ModelError::new(ErrorKind::InvalidRequest, Operation::Chat, "no");

    let mut at_once = [begin(), begin(), begin()];
    begin().failed(&other);
    drop(begin());
    assert_eq!(told.load(Ordering::SeqCst), 0, "no sign of load");
    at_once.iter_mut().for_each(|attempt| attempt.failed(&overloaded));
    assert_eq!(told.load(Ordering::SeqCst), 4, "one sign");
    begin().failed(&overloaded);
    begin().failed(&overloaded);
    begin().failed(&overloaded);
    assert_eq!((told.load(Ordering::SeqCst), pace.status().in_flight_limit), (1, 1));
    for _ in 0..100 {
        begin().succeeded();
    }
    assert_eq!(told.load(Ordering::SeqCst), 8);
}

#[tokio::test(start_paused = true)]
async fn paces_are_found_by_the_model_s_name_and_not_kept() {
    let (paces, pace) = (Paces::default(), Pace::new(PaceOptions::default()));
    let name: ModelName = "openai/gpt-5".parse().unwrap();
    paces.add(name.clone(), 1, &pace);
    paces.of_key(0).seen("openai", "gpt-5", &limits(0, 5));
    let sink = paces.of_key(1);
    sink.seen("openai", "gpt-4", &limits(0, 5));
    assert_eq!(pace.status().requests_left, None);
    sink.seen("openai", "gpt-5", &limits(1, 5));
    assert_eq!(pace.status().requests_left, Some(1));
    drop(pace);
    assert!(paces.get(name, 1).is_none());
    sink.seen("openai", "gpt-5", &limits(1, 5));
}

#[tokio::test(start_paused = true)]
async fn answers_count_when_they_begin_and_failures_whenever() {
    let pace = Pace::new(PaceOptions { in_flight: 4, ..PaceOptions::default() });
    let overloaded = ModelError::new(ErrorKind::Overloaded, Operation::Chat, "busy");
    let mut attempt = pace.begin(Priority::Interactive, 0).unwrap();
    attempt.succeeded();
    attempt.failed(&overloaded);
    assert_eq!(pace.status().in_flight_limit, 2, "in the middle of an answer");
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    let pace =
        Pace::steering(PaceOptions { in_flight: 2, ..PaceOptions::default() }, move |limit| {
            log.lock().unwrap().push(limit);
        });
    pace.begin(Priority::Interactive, 0).unwrap().failed(&overloaded);
    ask(&pace, Priority::Interactive).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), [1, 2]);
}

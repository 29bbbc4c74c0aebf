//! Retries: before the first event only, on a typed hint, within a budget.

mod script;

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use service_guards::{
    AttemptLimits, AttemptLimitsLayer, InFlight, InFlightLayer, RetryBudget, RetryLayer,
    RetryOptions,
};
use tokio::time::Instant;
use tower::{Layer, ServiceExt};

use script::{Failure, Probe, Script, ScriptError, scripted, service};

fn layer() -> RetryLayer<RetryOptions, u32> {
    RetryLayer::new(RetryOptions::default(), Arc::new(RetryBudget::default()))
}

/// How many calls are made for these scripts, and whether the caller gets all of the last answer.
async fn check(scripts: Vec<Script>, calls: usize, answer: Result<usize, Failure>) {
    let probe = Probe::default();
    let described = format!("{scripts:?}");
    let service = layer().layer(scripted(scripts, &probe));
    let seen = match service.oneshot(()).await {
        Ok(reply) => Ok(reply.filter(|event| std::future::ready(event.is_ok())).count().await),
        Err(ScriptError::Failed(failure)) => Err(failure),
        Err(other) => panic!("{other:?}"),
    };
    assert_eq!((probe.calls(), seen), (calls, answer), "{described}");
    assert!(probe.most_live() <= 1, "an attempt ends before the next one begins");
}

#[tokio::test(start_paused = true)]
async fn tries_again_while_nothing_was_handed_out() {
    use Failure::{After, No, Now};
    let good = || Script::events(3);
    let refuse = Script::refusal;
    let broken_first = |failure| Script::events(0).failing(failure);
    check(vec![good()], 1, Ok(3)).await;
    check(vec![Script::events(0)], 1, Ok(0)).await;
    check(vec![refuse(Now), good()], 2, Ok(3)).await;
    check(vec![refuse(Now), refuse(After(3)), good()], 3, Ok(3)).await;
    check(vec![broken_first(Now), good()], 2, Ok(3)).await;
    check(vec![refuse(Now)], 3, Err(Now)).await;
    check(vec![refuse(No), good()], 1, Err(No)).await;
    check(vec![broken_first(No), good()], 1, Err(No)).await;
    check(vec![refuse(Now), refuse(No), good()], 2, Err(No)).await;
    check(vec![refuse(After(3_600)), good()], 1, Err(After(3_600))).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_retried_after_the_first_event() {
    let probe = Probe::default();
    let scripts = [Script::events(1).failing(Failure::Now), Script::events(9)];
    let reply = layer().layer(scripted(scripts, &probe)).oneshot(()).await.unwrap();
    let seen: Vec<_> = reply.collect().await;
    assert_eq!(seen, [Ok(0), Err(ScriptError::Failed(Failure::Now))]);
    assert_eq!(probe.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn waits_as_long_as_asked() {
    let probe = Probe::default();
    let scripts = [Script::refusal(Failure::After(20)), Script::events(1)];
    let start = Instant::now();
    layer().layer(scripted(scripts, &probe)).oneshot(()).await.unwrap();
    assert!(start.elapsed() >= Duration::from_secs(20));
    assert!(start.elapsed() <= Duration::from_secs(21));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_is_silent_at_first_is_tried_again() {
    let probe = Probe::default();
    let scripts = [Script::events(0).hanging(), Script::events(2)];
    let limits = AttemptLimits { first_event: Duration::from_secs(5), idle: Duration::MAX };
    let service = layer().layer(AttemptLimitsLayer::new(limits).layer(scripted(scripts, &probe)));
    assert_eq!(service.oneshot(()).await.unwrap().count().await, 2);
    assert_eq!((probe.calls(), probe.live()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn extra_load_on_a_dead_service_stays_within_a_fifth() {
    let probe = Probe::default();
    let service = layer().layer(service(Script::refusal(Failure::Now), &probe));
    let start = Instant::now();
    let calls = 2_000;
    for _ in 0..calls {
        assert!(service.clone().oneshot(()).await.is_err());
    }
    // The stock at the start, and what comes back of it with time.
    let stock = 10 + start.elapsed().as_secs() as usize / 10 + 1;
    let extra = probe.calls() - calls;
    assert!((calls / 5..=calls / 5 + stock).contains(&extra), "{extra}");
}

#[tokio::test(start_paused = true)]
async fn a_call_dropped_in_its_pause_is_not_tried_again() {
    let (probe, limit) = (Probe::default(), InFlight::new(1, 0));
    let scripts = [Script::refusal(Failure::After(30)), Script::events(1)];
    let service = InFlightLayer::new(limit.clone()).layer(layer().layer(scripted(scripts, &probe)));
    let call = tokio::time::timeout(Duration::from_secs(10), service.oneshot(()));
    assert!(call.await.is_err());
    tokio::time::advance(Duration::from_secs(3_600)).await;
    assert_eq!((probe.calls(), limit.live()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn an_event_that_does_not_commit_does_not_stop_a_retry() {
    let answer = || Script::events(3);
    for (first, calls, events) in [
        // Broken after the notice of its acceptance, and after its answer had begun.
        (Script::events(1).failing(Failure::Now), 2, 3),
        (Script::events(2).failing(Failure::Now), 1, 2),
    ] {
        let probe = Probe::default();
        let service = layer().until(|event| *event > 0).layer(scripted([first, answer()], &probe));
        let reply = service.oneshot(()).await.unwrap();
        let seen = reply.filter(|event| std::future::ready(event.is_ok())).count().await;
        assert_eq!((probe.calls(), seen), (calls, events));
    }
}

#[tokio::test(start_paused = true)]
async fn options_may_depend_on_the_request() {
    let probe = Probe::default();
    let impatient = |(): &()| RetryOptions { retries: 0, ..RetryOptions::default() };
    let layer = RetryLayer::<_, u32>::new(impatient, Arc::new(RetryBudget::default()));
    let service = layer.layer(service(Script::refusal(Failure::Now), &probe));
    assert!(service.oneshot(()).await.is_err());
    assert_eq!(probe.calls(), 1);
}

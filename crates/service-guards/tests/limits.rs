//! Deadlines and limits of silence, over heads and streams.

mod script;

use std::time::Duration;

use futures::StreamExt;
use service_guards::{AttemptLimits, AttemptLimitsLayer, DeadlineLayer, Rejection};
use tokio::time::{Instant, sleep};
use tower::{Layer, ServiceExt};

use script::{Probe, Script, ScriptError, Scripted, service};

const SECOND: Duration = Duration::from_secs(1);

/// What a caller sees: events, how it ended, and when (in seconds).
#[derive(Debug, PartialEq)]
struct Seen {
    events: usize,
    end: Option<ScriptError>,
    seconds: u64,
}

fn seen(events: usize, end: Option<Rejection>, seconds: u64) -> Seen {
    Seen { events, end: end.map(ScriptError::Rejected), seconds }
}

/// Reads to the end, with a pause before each event.
async fn consume<S>(service: S, pause: Duration) -> Seen
where
    S: tower::Service<(), Response = service_guards::Reply<u32, ScriptError>, Error = ScriptError>,
{
    let start = Instant::now();
    let mut events = 0;
    let mut end = None;
    match service.oneshot(()).await {
        Err(error) => end = Some(error),
        Ok(mut reply) => loop {
            sleep(pause).await;
            match reply.next().await {
                Some(Ok(_)) => events += 1,
                Some(Err(error)) => {
                    end = Some(error);
                    assert!(reply.next().await.is_none(), "an error ends it");
                    break;
                }
                None => break,
            }
        },
    }
    Seen { events, end, seconds: start.elapsed().as_secs() }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_covers_head_and_stream() {
    let limit = 10 * SECOND;
    let hit = || Some(Rejection::Deadline { limit });
    for (script, expected) in [
        (Script::events(9).each_after(SECOND), seen(9, None, 9)),
        (Script::events(99).each_after(SECOND), seen(9, hit(), 10)),
        (Script::events(1).head_after(60 * SECOND), seen(0, hit(), 10)),
        (Script::events(99).head_after(8 * SECOND).each_after(SECOND), seen(1, hit(), 10)),
        (Script::events(3).hanging(), seen(3, hit(), 10)),
    ] {
        let probe = Probe::default();
        let service = DeadlineLayer::new(limit).layer(service(script.clone(), &probe));
        assert_eq!(consume(service, Duration::ZERO).await, expected, "{script:?}");
        assert_eq!(probe.live(), 0, "the call is dropped");
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_also_ends_what_is_always_ready() {
    let service = DeadlineLayer::new(3 * SECOND).layer(endless());
    let seen = consume(service, SECOND / 2).await;
    assert_eq!(seen.end, Some(Rejection::Deadline { limit: 3 * SECOND }.into()));
    assert!((5..=6).contains(&seen.events), "{seen:?}");
}

fn endless() -> Scripted {
    service(Script::events(u32::MAX), &Probe::default())
}

#[tokio::test(start_paused = true)]
async fn silence_is_limited_before_the_first_event_and_between_events() {
    let limits = AttemptLimits { first_event: 10 * SECOND, idle: 3 * SECOND };
    let first = || Some(Rejection::FirstEvent { limit: limits.first_event });
    let idle = || Some(Rejection::Idle { limit: limits.idle });
    for (script, expected) in [
        // Longer than both limits in all, but never silent.
        (Script::events(30).each_after(2 * SECOND), seen(30, None, 60)),
        (Script::events(1).head_after(60 * SECOND), seen(0, first(), 10)),
        // The head does not count as an answer.
        (Script::events(1).head_after(6 * SECOND).each_after(6 * SECOND), seen(0, first(), 10)),
        (Script::events(2).head_after(6 * SECOND).each_after(2 * SECOND), seen(2, None, 10)),
        // The first event may take longer than a later one.
        (Script::events(2).each_after(4 * SECOND), seen(1, idle(), 7)),
        (Script::events(5).each_after(SECOND).hanging(), seen(5, idle(), 8)),
        (Script::events(0).hanging(), seen(0, first(), 10)),
    ] {
        let probe = Probe::default();
        let service = AttemptLimitsLayer::new(limits).layer(service(script.clone(), &probe));
        assert_eq!(consume(service, Duration::ZERO).await, expected, "{script:?}");
        assert_eq!(probe.live(), 0, "the call is dropped");
    }
}

#[tokio::test(start_paused = true)]
async fn a_longer_idle_limit_is_not_cut_by_the_first_ones_timer() {
    let limits = AttemptLimits { first_event: 2 * SECOND, idle: 10 * SECOND };
    let script = Script::events(3).each_after(SECOND).hanging();
    let service = AttemptLimitsLayer::new(limits).layer(service(script, &Probe::default()));
    let idle = Rejection::Idle { limit: limits.idle };
    assert_eq!(consume(service, Duration::ZERO).await, seen(3, Some(idle), 13));
}

#[tokio::test(start_paused = true)]
async fn a_slow_caller_is_not_taken_for_a_silent_provider() {
    let limits = AttemptLimits { first_event: SECOND, idle: SECOND };
    let script = Script::events(4).each_after(SECOND / 2);
    let service = AttemptLimitsLayer::new(limits).layer(service(script, &Probe::default()));
    assert_eq!(consume(service, 60 * SECOND).await.end, None);
}

#[tokio::test(start_paused = true)]
async fn limits_can_depend_on_the_request() {
    let by_request = |(): &()| AttemptLimits { first_event: 5 * SECOND, idle: SECOND };
    let service = AttemptLimitsLayer::new(by_request)
        .layer(service(Script::events(0).hanging(), &Probe::default()));
    let first = Rejection::FirstEvent { limit: 5 * SECOND };
    assert_eq!(consume(service, Duration::ZERO).await, seen(0, Some(first), 5));
}

#[tokio::test(start_paused = true)]
async fn limits_beyond_the_clock_mean_no_limit() {
    let never = Duration::MAX;
    let limits = AttemptLimits { first_event: never, idle: never };
    let script = Script::events(3).head_after(SECOND).each_after(86_400 * SECOND);
    let inner = AttemptLimitsLayer::new(limits).layer(service(script, &Probe::default()));
    let seen = consume(DeadlineLayer::new(never).layer(inner), Duration::ZERO).await;
    assert_eq!((seen.events, seen.end), (3, None));
}

//! A meter reports each call once, however it ends.

mod script;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use proptest::prelude::*;
use service_guards::{Deadline, DeadlineLayer, MeterLayer, Observer, Outcome, Summary};
use tower::{Layer, Service, ServiceExt};

use script::{Failure, Probe, Script, ScriptError, Scripted, service};

const SECOND: Duration = Duration::from_secs(1);

/// What a meter reported: the summary, the last item, and whether there was an error.
type Reports = Arc<Mutex<Vec<(Summary, Option<u32>, bool)>>>;

struct Watch {
    reports: Reports,
    last: Option<u32>,
    failed: bool,
    whole_after: u32,
}

impl Observer<u32, ScriptError> for Watch {
    fn item(&mut self, item: &u32) {
        self.last = Some(*item);
    }

    fn failed(&mut self, error: ScriptError) -> ScriptError {
        self.failed = true;
        error
    }

    fn is_whole(&self) -> bool {
        self.last.is_some_and(|last| last + 1 >= self.whole_after)
    }

    fn ended(self, summary: Summary) {
        self.reports.lock().unwrap().push((summary, self.last, self.failed));
    }
}

/// A metered call with a deadline of ten seconds; its answer counts as whole after so many events.
fn metered(
    script: Script,
    whole_after: u32,
) -> (
    Reports,
    impl Service<(), Response = service_guards::Reply<u32, ScriptError>, Error = ScriptError> + Clone,
) {
    let reports = Reports::default();
    let copy = reports.clone();
    let observe =
        move |(): &()| Watch { reports: copy.clone(), last: None, failed: false, whole_after };
    let limited: Deadline<Scripted> =
        DeadlineLayer::new(10 * SECOND).layer(service(script, &Probe::default()));
    (reports, MeterLayer::new(observe).layer(limited))
}

/// Reads at most `take` events of a scripted call, then drops it; tells what was reported.
async fn report(script: Script, take: usize, whole_after: u32) -> (Summary, Option<u32>, bool) {
    let (reports, service) = metered(script, whole_after);
    if let Ok(mut reply) = service.oneshot(()).await {
        for _ in 0..take {
            if !matches!(reply.next().await, Some(Ok(_))) {
                break;
            }
        }
    }
    let reports = reports.lock().unwrap();
    assert_eq!(reports.len(), 1, "exactly once");
    reports[0]
}

#[tokio::test(start_paused = true)]
async fn each_way_to_end_is_told_apart() {
    use Outcome::{Cancelled, Completed, Failed};
    let events = |n| Script::events(n).each_after(SECOND);
    let many = u32::MAX;
    for (script, take, whole_after, outcome, items, seconds) in [
        (events(3), 9, many, Completed, 3, 3),
        (events(3), 2, many, Cancelled, 2, 2),
        (events(3), 3, many, Cancelled, 3, 3),
        (events(3), 3, 3, Completed, 3, 3),
        (events(3), 0, many, Cancelled, 0, 0),
        (events(3).failing(Failure::No), 9, many, Failed, 3, 3),
        (events(3).failing(Failure::No), 9, 3, Failed, 3, 3),
        (Script::refusal(Failure::No), 9, many, Failed, 0, 0),
        (events(3).hanging(), 9, many, Failed, 3, 10),
    ] {
        let described = format!("{script:?} take {take}");
        let (summary, last, failed) = report(script, take, whole_after).await;
        assert_eq!(summary.outcome, outcome, "{described}");
        assert_eq!((summary.items, summary.total.as_secs()), (items, seconds), "{described}");
        assert_eq!(summary.first_event, (items > 0).then_some(SECOND), "{described}");
        assert_eq!(last, (items as u32).checked_sub(1), "{described}");
        assert_eq!(failed, outcome == Failed, "{described}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_dropped_before_its_head_is_metered() {
    let (reports, service) = metered(Script::events(1).head_after(5 * SECOND), u32::MAX);
    // Never polled at all.
    drop(service.clone().call(()));
    // Dropped while waiting for the head.
    assert!(tokio::time::timeout(2 * SECOND, service.clone().oneshot(())).await.is_err());
    let reports = reports.lock().unwrap();
    let seen: Vec<_> = reports.iter().map(|(s, ..)| (s.outcome, s.total.as_secs())).collect();
    assert_eq!(seen, [(Outcome::Cancelled, 0), (Outcome::Cancelled, 2)]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_inside_the_call_is_metered() {
    let reports = Reports::default();
    let copy = reports.clone();
    let observe = move |(): &()| Watch {
        reports: copy.clone(),
        last: None,
        failed: false,
        whole_after: u32::MAX,
    };
    let panics = tower::service_fn(|(): ()| async {
        Ok(service_guards::Reply::<u32, ScriptError>::new(futures::stream::poll_fn(|_| {
            panic!("scripted")
        })))
    });
    let service = MeterLayer::new(observe).layer(panics);
    let call = tokio::spawn(async move {
        let reply = service.oneshot(()).await.unwrap();
        reply.count().await
    });
    assert!(call.await.unwrap_err().is_panic());
    assert_eq!(reports.lock().unwrap()[0].0.outcome, Outcome::Cancelled);
}

proptest! {
    #[test]
    fn reports_are_calls(
        calls in proptest::collection::vec((0_u32..5, 0_usize..6, 0_u8..4, any::<bool>()), 1..20),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            for (events, take, end, slow) in calls {
                let script = match end {
                    0 => Script::refusal(Failure::No),
                    1 => Script::events(events).failing(Failure::No),
                    2 => Script::events(events).hanging(),
                    _ => Script::events(events),
                };
                let script = if slow { script.each_after(3 * SECOND) } else { script };
                let (summary, ..) = report(script, take, u32::MAX).await;
                assert!(summary.items <= events.into());
            }
        });
    }
}

/// Wants a second before the call goes in; then lets it, or not.
struct Slow {
    reports: Reports,
    refuses: bool,
}

impl Observer<u32, ScriptError> for Slow {
    fn prepare(&mut self) -> Option<BoxFuture<'_, Result<(), ScriptError>>> {
        Some(Box::pin(async {
            tokio::time::sleep(SECOND).await;
            if self.refuses { Err(ScriptError::Failed(Failure::No)) } else { Ok(()) }
        }))
    }

    fn ended(self, summary: Summary) {
        self.reports.lock().unwrap().push((summary, None, false));
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_goes_in_when_what_its_observer_wants_is_there() {
    for (refuses, patience, outcome, calls) in [
        (false, 9, Outcome::Completed, 1),
        (true, 9, Outcome::Failed, 0),
        // Left while it waited.
        (false, 0, Outcome::Cancelled, 0),
    ] {
        let (reports, probe) = (Reports::default(), Probe::default());
        let copy = reports.clone();
        let observe = move |(): &()| Slow { reports: copy.clone(), refuses };
        let service = MeterLayer::new(observe).layer(service(Script::events(2), &probe));
        let asked = tokio::time::timeout(patience * SECOND, service.oneshot(())).await;
        if let Ok(Ok(reply)) = asked {
            assert_eq!(reply.count().await, 2);
        }
        let reports = reports.lock().unwrap();
        let summaries: Vec<_> = reports.iter().map(|(summary, ..)| summary).collect();
        assert_eq!(summaries.len(), 1, "exactly once");
        assert_eq!((summaries[0].outcome, probe.calls()), (outcome, calls));
        assert_eq!(summaries[0].total, if patience > 0 { SECOND } else { Duration::ZERO });
    }
}

//! A service that fails is left alone, and found again when it works.

mod script;

use std::time::Duration;

use futures::StreamExt;
use futures::future::join_all;
use proptest::prelude::*;
use service_guards::{
    AttemptLimits, AttemptLimitsLayer, Breaker, BreakerLayer, BreakerOptions, BreakerStatus, Pass,
    Rejection, RestCause, Verdict,
};
use tokio::time::{Instant, advance, sleep};
use tower::{Layer, ServiceBuilder, ServiceExt};

use script::{Failure, Probe, Script, ScriptError, Scripted, scripted, service};

const SECOND: Duration = Duration::from_secs(1);
const INTERVAL: Duration = Duration::from_secs(5);

fn breaker() -> Breaker {
    Breaker::new(BreakerOptions::default())
}

fn failing() -> Script {
    Script::refusal(Failure::Now)
}

fn resting(left: Duration, cause: RestCause) -> ScriptError {
    ScriptError::Rejected(Rejection::Resting { left, cause })
}

/// Calls until the end of the answer: how many events there were, or the error.
async fn call<S>(service: &S) -> Result<usize, ScriptError>
where
    S: tower::Service<(), Response = service_guards::Reply<u32, ScriptError>, Error = ScriptError>
        + Clone,
{
    let reply = service.clone().oneshot(()).await?;
    let items: Vec<_> = reply.collect().await;
    items.into_iter().map(|item| item.map(|_| 1)).sum()
}

fn behind(breaker: &Breaker, service: Scripted) -> service_guards::BreakerService<Scripted, u32> {
    BreakerLayer::new(breaker.clone()).layer(service)
}

/// So many failures in a row open it.
fn open(breaker: &Breaker) {
    for _ in 0..BreakerOptions::default().failures_in_a_row {
        breaker.pass().unwrap().failed(Verdict::Failing);
    }
    assert!(breaker.is_resting());
}

#[tokio::test(start_paused = true)]
async fn opens_after_failures_in_a_row_and_probes_with_single_calls() {
    let (breaker, probe) = (breaker(), Probe::default());
    let scripts = std::iter::repeat_n(failing(), 7)
        .chain([Script::events(1).head_after(2 * SECOND), Script::events(3)]);
    let service = behind(&breaker, scripted(scripts, &probe));
    for _ in 0..5 {
        assert_eq!(breaker.status(), BreakerStatus::Closed);
        assert_eq!(call(&service).await, Err(ScriptError::Failed(Failure::Now)));
    }
    let refused = Err(resting(INTERVAL, RestCause::Failures));
    assert_eq!(call(&service).await, refused);
    assert_eq!(probe.calls(), 5, "the service is not asked");

    // Two probes fail.
    for calls in [6, 7] {
        sleep(INTERVAL).await;
        assert_eq!((breaker.status(), breaker.is_resting()), (BreakerStatus::HalfOpen, false));
        assert_eq!(call(&service).await, Err(ScriptError::Failed(Failure::Now)));
        assert_eq!(call(&service).await, refused);
        assert_eq!(probe.calls(), calls);
    }
    // The third is answered after a while; until then the others are refused.
    sleep(INTERVAL).await;
    let calls: Vec<_> = join_all([call(&service), call(&service), call(&service)]).await;
    assert_eq!(calls, [Ok(1), refused.clone(), refused]);
    assert_eq!(breaker.status(), BreakerStatus::Closed);
    assert_eq!(call(&service).await, Ok(3));
}

#[tokio::test(start_paused = true)]
async fn what_opens_it() {
    let (fine, bad) = (Script::events(1), failing());
    let broken = Script::events(2).failing(Failure::Now);
    let (fault, silent) = (Script::refusal(Failure::No), Script::events(1).hanging());
    let cases: [(&str, Vec<&Script>, bool); 9] = [
        ("four in a row", vec![&bad; 4], false),
        ("five in a row", vec![&bad; 5], true),
        ("a success between them", vec![&bad, &bad, &bad, &bad, &fine, &bad], false),
        ("a caller's fault between them", vec![&bad, &bad, &bad, &bad, &fault, &bad], false),
        ("only callers' faults", vec![&fault; 50], false),
        ("half of few", [&fine, &bad].repeat(24), false),
        ("half of many", [&fine, &bad].repeat(25), true),
        ("streams that break", [&fine, &broken].repeat(25), true),
        ("streams that fall silent", [&fine, &silent].repeat(25), true),
    ];
    for (name, scripts, opens) in cases {
        let calls = scripts.len();
        let limits = AttemptLimits { first_event: SECOND / 10, idle: SECOND / 10 };
        let breaker = breaker();
        let service = ServiceBuilder::new()
            .layer(BreakerLayer::new(breaker.clone()))
            .layer(AttemptLimitsLayer::new(limits))
            .service(scripted(scripts.into_iter().cloned(), &Probe::default()));
        for _ in 0..calls {
            let _ = call(&service).await;
        }
        assert_eq!(breaker.is_resting(), opens, "{name}");
    }
}

/// A hundred calls in a second.
#[tokio::test(start_paused = true)]
async fn a_busy_service_that_fails_now_and_then_is_not_taken_for_dead() {
    let breaker = breaker();
    let mut random = 7_u32;
    let mut call = |percent: u32| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let mut pass = breaker.pass().ok()?;
        match random >> 16 {
            number if number % 100 < percent => pass.failed(Verdict::Failing),
            _ => pass.began(),
        }
        Some(())
    };
    for number in 0..20_000 {
        // A quiet beginning: among few calls, some failures in a row are reason enough.
        let percent = if number < 200 { 0 } else { 30 };
        assert!(call(percent).is_some(), "call {number}");
        advance(SECOND / 100).await;
    }
    // When it is dead, that is seen within a second.
    let mut calls = 0;
    while call(100).is_some() {
        calls += 1;
        advance(SECOND / 100).await;
    }
    assert!((5..100).contains(&calls), "{calls}");
}

#[tokio::test(start_paused = true)]
async fn a_notice_is_not_an_answer() {
    let breaker = breaker();
    let script = Script::events(2).failing(Failure::Now);
    let service = BreakerLayer::new(breaker.clone())
        .until(|event| *event > 1)
        .layer(service(script, &Probe::default()));
    for _ in 0..5 {
        assert!(!breaker.is_resting());
        assert_eq!(call(&service).await, Err(ScriptError::Failed(Failure::Now)));
    }
    assert!(breaker.is_resting());
}

#[tokio::test(start_paused = true)]
async fn old_failures_are_forgotten() {
    let breaker = breaker();
    for _ in 0..100 {
        breaker.pass().unwrap().began();
        breaker.pass().unwrap().failed(Verdict::Failing);
        // Never fifty within ten seconds.
        sleep(SECOND / 2).await;
        assert_eq!(breaker.status(), BreakerStatus::Closed);
    }
}

#[tokio::test(start_paused = true)]
async fn a_rest_that_was_asked_for_ends_by_itself() {
    let (breaker, probe) = (breaker(), Probe::default());
    let scripts = [Script::refusal(Failure::After(7)), Script::events(1).head_after(SECOND)];
    let service = behind(&breaker, scripted(scripts, &probe));
    assert_eq!(call(&service).await, Err(ScriptError::Failed(Failure::After(7))));
    sleep(2 * SECOND).await;
    assert_eq!(call(&service).await, Err(resting(5 * SECOND, RestCause::Asked)));
    let open = BreakerStatus::Open { left: 5 * SECOND, cause: RestCause::Asked };
    assert_eq!(breaker.status(), open);
    sleep(5 * SECOND).await;
    let calls = join_all((0..50).map(|_| call(&service))).await;
    assert_eq!(calls, vec![Ok(1); 50], "all at once, without a probe");
}

#[tokio::test(start_paused = true)]
async fn rests_are_bounded_and_the_longer_one_holds() {
    let breaker = breaker();
    breaker.rest(10 * SECOND);
    breaker.rest(SECOND);
    sleep(9 * SECOND).await;
    assert!(breaker.is_resting());
    breaker.rest(Duration::MAX);
    sleep(BreakerOptions::default().longest_rest).await;
    // Earlier than asked for, so one call has to try.
    assert_eq!(breaker.status(), BreakerStatus::HalfOpen);
    let mut first = breaker.pass().unwrap();
    assert!(breaker.pass().is_err());
    first.began();
    assert!(breaker.pass().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_rest_of_unknown_length_is_a_cooldown_with_probes() {
    let breaker = breaker();
    for _ in 0..3 {
        breaker.pass().unwrap().failed(Verdict::Resting(None));
        sleep(59 * SECOND).await;
        assert!(breaker.is_resting());
        sleep(SECOND).await;
        assert_eq!(breaker.status(), BreakerStatus::HalfOpen);
    }
    // The probe is told how long: it is no outage any more.
    breaker.pass().unwrap().failed(Verdict::Resting(Some(SECOND)));
    sleep(SECOND).await;
    assert_eq!(breaker.status(), BreakerStatus::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_dropped_leaves_its_turn_to_the_next() {
    let (breaker, probe) = (breaker(), Probe::default());
    let slow = Script::events(1).head_after(SECOND);
    let service = behind(&breaker, service(slow, &probe));
    open(&breaker);
    sleep(INTERVAL).await;
    for _ in 0..3 {
        let mut call = Box::pin(call(&service));
        assert!(futures::poll!(call.as_mut()).is_pending());
        assert!(breaker.is_resting(), "a probe is under way");
        drop(call);
        assert!(!breaker.is_resting());
    }
    assert_eq!(call(&service).await, Ok(1));
    assert_eq!(breaker.status(), BreakerStatus::Closed);
}

#[tokio::test(start_paused = true)]
async fn calls_given_up_count_when_they_were_waited_for_too_long() {
    for (wait, opens) in [(59, false), (60, true)] {
        let breaker = breaker();
        let service = behind(&breaker, service(Script::events(0).hanging(), &Probe::default()));
        let limit = Duration::from_secs(wait);
        let given_up = (0..5).map(|_| tokio::time::timeout(limit, call(&service)));
        assert!(join_all(given_up).await.iter().all(Result::is_err));
        assert_eq!(breaker.is_resting(), opens, "{wait} s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_hangs_does_not_stop_the_next() {
    let breaker = breaker();
    open(&breaker);
    sleep(INTERVAL).await;
    let hangs = breaker.pass().unwrap();
    assert!(breaker.pass().is_err());
    sleep(INTERVAL).await;
    let mut next = breaker.pass().unwrap();
    next.began();
    assert_eq!(breaker.status(), BreakerStatus::Closed);
    hangs.failed(Verdict::Failing);
    drop(next);
    assert_eq!(breaker.status(), BreakerStatus::Closed, "what began before does not count");
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_breaks_after_its_first_event_is_an_ordinary_failure() {
    let breaker = breaker();
    open(&breaker);
    sleep(INTERVAL).await;
    let mut first = breaker.pass().unwrap();
    first.began();
    let others = [(); 4].map(|()| breaker.pass().unwrap());
    first.failed(Verdict::Failing);
    for (number, other) in others.into_iter().enumerate() {
        assert!(!breaker.is_resting(), "{number}");
        other.failed(Verdict::Failing);
    }
    assert!(breaker.is_resting());
}

/// What may happen to a breaker.
#[derive(Clone, Copy, Debug)]
enum Step {
    Wait(u64),
    Call,
    /// One of the calls under way begins to be answered.
    Began(usize),
    /// One of them fails.
    Failed(usize, Verdict),
    /// One of them is dropped.
    Dropped(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let verdict = prop_oneof![
        6 => Just(Verdict::Failing),
        1 => Just(Verdict::Fine),
        1 => Just(Verdict::Nothing),
        1 => Just(Verdict::Resting(None)),
        1 => (0_u64..400).prop_map(|seconds| Verdict::Resting(Some(Duration::from_secs(seconds)))),
    ];
    prop_oneof![
        2 => (0_u64..7_000).prop_map(Step::Wait),
        6 => Just(Step::Call),
        1 => any::<usize>().prop_map(Step::Began),
        5 => (any::<usize>(), verdict).prop_map(|(which, verdict)| Step::Failed(which, verdict)),
        1 => any::<usize>().prop_map(Step::Dropped),
    ]
}

/// A breaker, the calls under way, and what a watcher saw.
struct Watched {
    breaker: Breaker,
    calls: Vec<Pass>,
    /// When the last probe passed that has not been dropped since.
    probe: Option<Instant>,
}

impl Watched {
    async fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Wait(millis) => advance(Duration::from_millis(millis)).await,
            Step::Call => self.call()?,
            Step::Began(which) if !self.calls.is_empty() => {
                let which = which % self.calls.len();
                self.calls[which].began();
            }
            Step::Failed(which, verdict) if !self.calls.is_empty() => {
                let which = which % self.calls.len();
                self.calls.swap_remove(which).failed(verdict);
                // It may have been the probe, and said nothing.
                self.probe = self.probe.filter(|_| verdict != Verdict::Nothing);
            }
            Step::Dropped(which) if !self.calls.is_empty() => {
                let which = which % self.calls.len();
                drop(self.calls.swap_remove(which));
                self.probe = None;
            }
            Step::Began(_) | Step::Failed(..) | Step::Dropped(_) => {}
        }
        Ok(())
    }

    fn call(&mut self) -> Result<(), TestCaseError> {
        let (status, rests) = (self.breaker.status(), self.breaker.is_resting());
        let passed = self.breaker.pass();
        prop_assert_eq!(passed.is_err(), rests);
        match (&passed, status) {
            (Ok(_), BreakerStatus::Closed) => self.probe = None,
            (Ok(_), BreakerStatus::HalfOpen) => {
                let last = self.probe.replace(Instant::now());
                let since = last.map(|last| last.elapsed());
                prop_assert!(since.is_none_or(|since| since >= INTERVAL), "{:?}", since);
                prop_assert!(self.breaker.is_resting(), "only one");
            }
            (Err(Rejection::Resting { left, .. }), status) => {
                prop_assert!(*left > Duration::ZERO && *left <= 300 * SECOND);
                prop_assert!(status != BreakerStatus::Closed);
            }
            (passed, status) => prop_assert!(false, "{passed:?} while {status:?}"),
        }
        self.calls.extend(passed);
        Ok(())
    }
}

fn paused<T>(test: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().unwrap().block_on(test)
}

proptest! {
    /// While a service is not known to work, it is asked once in an interval at most; and whatever has happened, it is
    /// asked again when the longest rest is over, and all calls pass once it has answered.
    #[test]
    fn probes_are_rare_and_no_rest_is_for_ever(steps in prop::collection::vec(step(), 1..200)) {
        paused(async {
            let mut watched = Watched { breaker: breaker(), calls: Vec::new(), probe: None };
            for step in steps {
                watched.step(step).await?;
            }
            advance(BreakerOptions::default().longest_rest).await;
            let mut pass = watched.breaker.pass().expect("asked again");
            pass.began();
            prop_assert_eq!(watched.breaker.status(), BreakerStatus::Closed);
            Ok(())
        })?;
    }

    /// A service that recovers from an outage answers a caller within one interval, even if calls hang.
    #[test]
    fn a_recovery_is_found_within_one_interval(
        outage in 0_u64..60_000,
        each in 100_u64..900,
        hangs in prop::collection::vec(prop::bool::ANY, 1..8),
    ) {
        paused(async {
            let breaker = breaker();
            open(&breaker);
            let mut hanging = Vec::new();
            let mut hangs = hangs.into_iter().cycle();
            let end = Instant::now() + Duration::from_millis(outage);
            while Instant::now() < end {
                if let Ok(pass) = breaker.pass() {
                    if hangs.next() == Some(true) {
                        hanging.push(pass);
                    } else {
                        pass.failed(Verdict::Failing);
                    }
                }
                advance(Duration::from_millis(each)).await;
            }
            let recovered = Instant::now();
            while breaker.pass().map(|mut pass| pass.began()).is_err() {
                advance(Duration::from_millis(20)).await;
            }
            // A caller comes every 20 ms.
            prop_assert!(recovered.elapsed() <= INTERVAL + Duration::from_millis(20));
            Ok(())
        })?;
    }
}

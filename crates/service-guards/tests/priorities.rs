//! Who comes in first where places are short, and who is left room.

mod script;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake};
use std::time::Duration;

use futures::future::{BoxFuture, join_all};
use futures::{FutureExt, StreamExt};
use proptest::prelude::*;
use service_guards::Priority::{self, Batch, Interactive};
use service_guards::{InFlight, InFlightLayer, InFlightOptions, Permit, Rejection};
use tokio::time::{Instant, sleep};
use tower::{Layer, ServiceExt};

use script::{Probe, Script, service};

const SECOND: Duration = Duration::from_secs(1);

fn options(limit: usize, queue: usize) -> InFlightOptions {
    InFlightOptions { limit, queue, ..InFlightOptions::default() }
}

#[tokio::test(start_paused = true)]
async fn interactive_calls_go_first_and_each_class_in_order() {
    let limit = InFlight::new(1, 10);
    let held = limit.enter().await.unwrap();
    let calls = [(Batch, 4), (Interactive, 1), (Batch, 5), (Interactive, 2), (Interactive, 3)];
    let mut order: futures::stream::FuturesUnordered<_> = calls
        .map(|(priority, number)| {
            let limit = limit.clone();
            async move {
                let _permit = limit.enter_as(priority).await.unwrap();
                sleep(SECOND).await;
                number
            }
        })
        .into_iter()
        .collect();
    assert!(order.next().now_or_never().is_none());
    assert_eq!((limit.waiting(), limit.waiting_as(Batch)), (5, 2));
    drop(held);
    assert_eq!(order.collect::<Vec<_>>().await, [1, 2, 3, 4, 5]);
}

#[tokio::test(start_paused = true)]
async fn batch_leaves_places_free() {
    for (places, batch_percent, expected) in
        [(10, 80, 8), (256, 80, 204), (4, 80, 3), (2, 80, 1), (1, 80, 1), (10, 0, 1), (10, 255, 10)]
    {
        let limit = InFlight::with(InFlightOptions { batch_percent, ..options(places, 0) });
        let entered = join_all((0..places).map(|_| limit.enter_as(Batch))).await;
        let permits: Vec<_> = entered.into_iter().flatten().collect();
        assert_eq!(permits.len(), expected, "{batch_percent} % of {places}");
        assert_eq!(limit.live_as(Batch), expected);
        let rest: Vec<_> = std::iter::from_fn(|| limit.try_enter().ok()).collect();
        assert_eq!(rest.len(), places - expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_of_any_size_does_not_hold_up_a_chat() {
    let (limit, probe) = (InFlight::new(10, 1_000), Probe::default());
    let script = Script::events(1).each_after(SECOND);
    let service = InFlightLayer::new(limit.clone())
        .by(|(): &()| Batch)
        .layer(service(script.clone(), &probe));
    let batch = (0..400).map(|_| {
        let reply = service.clone().oneshot(());
        async { reply.await.unwrap().count().await }
    });
    let batch = tokio::spawn(join_all(batch));
    sleep(SECOND / 2).await;
    for _ in 0..20 {
        let start = Instant::now();
        let permit = limit.enter().await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO);
        sleep(SECOND).await;
        drop(permit);
    }
    // 400 calls of a second, eight at a time.
    let start = Instant::now();
    assert_eq!(batch.await.unwrap().len(), 400);
    assert_eq!(start.elapsed().as_secs(), 50 - 20 - 1);
    assert_eq!(probe.most_live(), 8);
}

#[tokio::test(start_paused = true)]
async fn a_queue_full_of_batch_is_no_obstacle() {
    let limit = InFlight::new(1, 1);
    let held = limit.enter_as(Batch).await.unwrap();
    let mut waits = Box::pin(limit.enter_as(Batch));
    assert!(waits.as_mut().now_or_never().is_none());
    assert_eq!(limit.enter_as(Batch).await.unwrap_err(), Rejection::Busy { limit: 1 });
    let mut chat = Box::pin(limit.enter());
    assert!(chat.as_mut().now_or_never().is_none());
    drop(held);
    assert!(waits.as_mut().now_or_never().is_none());
    assert!(chat.now_or_never().unwrap().is_ok(), "goes first");
    assert!(waits.now_or_never().unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn waiting_has_an_end() {
    let longest_wait = Some(3 * SECOND);
    let limit = InFlight::with(InFlightOptions { longest_wait, ..options(1, 5) });
    let held = limit.enter().await.unwrap();
    let start = Instant::now();
    let timeout = Rejection::QueueTimeout { limit: 3 * SECOND };
    assert_eq!(limit.enter().await.unwrap_err(), timeout);
    assert_eq!((start.elapsed(), limit.waiting()), (3 * SECOND, 0));

    let mut waits = Box::pin(limit.enter_as(Batch));
    assert!(waits.as_mut().now_or_never().is_none());
    sleep(2 * SECOND).await;
    drop(held);
    assert!(waits.await.is_ok());
    assert_eq!(limit.live(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_limit_can_move() {
    let limit = InFlight::new(1, 10);
    let first = limit.enter().await.unwrap();
    let mut waiting = [(); 3].map(|()| Box::pin(limit.enter()));
    assert!(waiting.iter_mut().all(|waits| waits.now_or_never().is_none()));
    limit.set_limit(3);
    let entered: Vec<_> =
        waiting.iter_mut().filter_map(|waits| waits.now_or_never()?.ok()).collect();
    assert_eq!((entered.len(), limit.live(), limit.waiting()), (2, 3, 1));

    // Fewer places than calls: they drain first.
    limit.set_limit(0);
    assert_eq!((limit.limit(), limit.live()), (1, 3));
    drop(entered);
    let [.., mut last] = waiting;
    assert!(last.as_mut().now_or_never().is_none());
    drop(first);
    assert!(last.await.is_ok());
}

/// What happens to a limit.
#[derive(Clone, Copy, Debug)]
enum Step {
    Enter(Priority),
    /// One of those inside leaves.
    Leave(usize),
    /// One of those who wait, or have been let in without noticing, gives up.
    GiveUp(usize),
    SetLimit(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop::bool::ANY.prop_map(|batch| Step::Enter(if batch { Batch } else { Interactive })),
        3 => any::<usize>().prop_map(Step::Leave),
        2 => any::<usize>().prop_map(Step::GiveUp),
        1 => (1_usize..6).prop_map(Step::SetLimit),
    ]
}

/// A caller who waits: polled only when woken.
struct Caller {
    number: usize,
    priority: Priority,
    future: BoxFuture<'static, Result<Permit, Rejection>>,
    woken: Arc<Woken>,
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// The rules again, in the simplest form: who is inside, and who waits, by number of arrival.
#[derive(Default)]
struct Rules {
    limit: usize,
    inside: Vec<(usize, Priority)>,
    waiting: Vec<(usize, Priority)>,
}

impl Rules {
    fn has_place(&self, priority: Priority) -> bool {
        let batch = self.inside.iter().filter(|(_, priority)| *priority == Batch).count();
        self.inside.len() < self.limit
            && (priority == Interactive || batch < (self.limit * 8 / 10).max(1))
    }

    fn admit(&mut self) {
        for priority in [Interactive, Batch] {
            while let Some(next) = self.waiting.iter().position(|(_, class)| *class == priority)
                && self.has_place(priority)
            {
                let caller = self.waiting.remove(next);
                self.inside.push(caller);
            }
        }
    }

    fn remove(&mut self, number: usize) {
        self.inside.retain(|(caller, _)| *caller != number);
        self.waiting.retain(|(caller, _)| *caller != number);
    }
}

proptest! {
    /// Whatever happens in whatever order, exactly those are inside who ought to be, and all of them were woken.
    #[test]
    fn admits_as_the_rules_say(limit in 1_usize..6, steps in prop::collection::vec(step(), 1..80)) {
        let in_flight = InFlight::new(limit, usize::MAX);
        let mut rules = Rules { limit, ..Rules::default() };
        let (mut waiting, mut inside) = (Vec::<Caller>::new(), Vec::<(usize, Permit)>::new());
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Enter(priority) => {
                    let limit = in_flight.clone();
                    let future = async move { limit.enter_as(priority).await }.boxed();
                    let woken = Arc::new(Woken(AtomicBool::new(true)));
                    waiting.push(Caller { number, priority, future, woken });
                    rules.waiting.push((number, priority));
                    // Asks, and so has its place in the order.
                    poll_woken(&mut waiting, &mut inside)?;
                }
                Step::Leave(which) if !inside.is_empty() => {
                    let (number, permit) = inside.swap_remove(which % inside.len());
                    rules.remove(number);
                    drop(permit);
                }
                // Before it is polled, so it may have been let in by now.
                Step::GiveUp(which) if !waiting.is_empty() => {
                    let caller = waiting.swap_remove(which % waiting.len());
                    rules.remove(caller.number);
                    drop(caller);
                }
                Step::SetLimit(limit) => {
                    rules.limit = limit;
                    in_flight.set_limit(limit);
                }
                Step::Leave(_) | Step::GiveUp(_) => {}
            }
            rules.admit();
            let batch = |callers: &[(usize, Priority)]| {
                callers.iter().filter(|(_, priority)| *priority == Batch).count()
            };
            prop_assert_eq!(in_flight.live(), rules.inside.len());
            prop_assert_eq!(in_flight.live_as(Batch), batch(&rules.inside));
            prop_assert_eq!(in_flight.waiting_as(Batch), batch(&rules.waiting));
            // Sometimes nobody looks, so that the next step meets callers who do not know yet.
            if number % 3 != 0 {
                poll_woken(&mut waiting, &mut inside)?;
                let mut expected: Vec<_> = rules.inside.iter().map(|(number, _)| *number).collect();
                let mut actual: Vec<_> = inside.iter().map(|(number, _)| *number).collect();
                expected.sort_unstable();
                actual.sort_unstable();
                prop_assert_eq!(actual, expected);
            }
        }
        drop((waiting, inside));
        prop_assert_eq!((in_flight.live(), in_flight.waiting()), (0, 0));
    }
}

fn poll_woken(
    waiting: &mut Vec<Caller>,
    inside: &mut Vec<(usize, Permit)>,
) -> Result<(), TestCaseError> {
    let mut still = Vec::new();
    for mut caller in waiting.drain(..) {
        let polled = match caller.woken.0.swap(false, Ordering::SeqCst) {
            true => {
                let waker = caller.woken.clone().into();
                Pin::new(&mut caller.future).poll(&mut Context::from_waker(&waker))
            }
            false => Poll::Pending,
        };
        match polled {
            Poll::Pending => still.push(caller),
            Poll::Ready(Ok(permit)) => inside.push((caller.number, permit)),
            Poll::Ready(Err(error)) => prop_assert!(false, "{:?}: {error}", caller.priority),
        }
    }
    *waiting = still;
    Ok(())
}

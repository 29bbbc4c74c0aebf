//! A limit of live calls counts streams, not heads.

mod script;

use std::time::Duration;

use futures::StreamExt;
use futures::future::join_all;
use service_guards::{InFlight, InFlightLayer, Rejection};
use tokio::time::timeout;
use tower::{Layer, ServiceExt};

use script::{Failure, Probe, Script, service};

/// Long enough to see that nothing happens; costs nothing, since time is paused.
const A_WHILE: Duration = Duration::from_secs(3_600);

#[tokio::test(start_paused = true)]
async fn a_limit_of_two_is_two_live_streams() {
    let (limit, probe) = (InFlight::new(2, 100), Probe::default());
    let script = Script::events(5).each_after(Duration::from_secs(1));
    let service = InFlightLayer::new(limit.clone()).layer(service(script, &probe));
    let calls = (0..16).map(|_| async {
        let reply = service.clone().oneshot(()).await.unwrap();
        reply.count().await
    });
    assert_eq!(join_all(calls).await, [5; 16]);
    assert_eq!(probe.most_live(), 2);
    assert_eq!((limit.live(), limit.waiting()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_nobody_reads_keeps_its_place_and_gives_it_back_when_dropped() {
    let (limit, probe) = (InFlight::new(1, 1), Probe::default());
    let service = InFlightLayer::new(limit.clone()).layer(service(Script::events(1), &probe));
    let held = service.clone().oneshot(()).await.unwrap();

    let next = service.clone().oneshot(());
    tokio::pin!(next);
    assert!(timeout(A_WHILE, next.as_mut()).await.is_err());
    drop(held);
    assert!(timeout(A_WHILE, next).await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_turns_away_at_once() {
    let limit = InFlight::new(1, 2);
    let _live = limit.enter().await.unwrap();
    let waiting = [tokio::spawn(enter(&limit)), tokio::spawn(enter(&limit))];
    tokio::task::yield_now().await;
    assert_eq!(limit.waiting(), 2);
    assert_eq!(limit.enter().await.unwrap_err(), Rejection::Busy { limit: 1 });

    // Who waits is turned away when the limit closes.
    limit.close();
    for waiting in waiting {
        assert_eq!(waiting.await.unwrap().unwrap_err(), Rejection::Closed);
    }
    assert_eq!(limit.enter().await.unwrap_err(), Rejection::Closed);
}

#[tokio::test(start_paused = true)]
async fn dropping_a_waiting_call_frees_its_place_and_keeps_the_order() {
    let limit = InFlight::new(1, 2);
    let live = limit.enter().await.unwrap();
    let order = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let queue_up = |name: &'static str| {
        let (entering, order) = (enter(&limit), order.clone());
        tokio::spawn(async move {
            let permit = entering.await;
            order.lock().unwrap().push(name);
            permit
        })
    };
    let gives_up = queue_up("gives up");
    tokio::task::yield_now().await;
    let second = queue_up("second");
    tokio::task::yield_now().await;
    gives_up.abort();
    assert!(gives_up.await.unwrap_err().is_cancelled());
    assert_eq!(limit.waiting(), 1);
    let third = queue_up("third");
    tokio::task::yield_now().await;
    assert_eq!(limit.waiting(), 2);

    drop(live);
    drop(second.await.unwrap().unwrap());
    drop(third.await.unwrap().unwrap());
    assert_eq!(*order.lock().unwrap(), ["second", "third"]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_call_gives_its_place_back() {
    let (limit, probe) = (InFlight::new(1, 0), Probe::default());
    for script in [Script::refusal(Failure::No), Script::events(2).failing(Failure::No)] {
        let service = InFlightLayer::new(limit.clone()).layer(service(script, &probe));
        if let Ok(mut reply) = service.oneshot(()).await {
            assert_eq!(limit.live(), 1);
            while let Some(Ok(_)) = reply.next().await {}
            assert_eq!(limit.live(), 0, "the error was the end, though the reply is still there");
        }
        assert_eq!(limit.live(), 0);
    }
}

fn enter(
    limit: &InFlight,
) -> impl Future<Output = Result<service_guards::Permit, Rejection>> + use<> {
    let limit = limit.clone();
    async move { limit.enter().await }
}

//! Limits in a real Redis: as every store must count, among replicas, and while Redis is gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::future::join_all;
use llm_bundle::quota::{Charge, Consumed, LimitStore, Measure, Scope};
use llm_redis::{RedisConnection, RedisLimits, RedisLimitsOptions, RedisOptions, Unavailable};
use testkit::RedisServer;

/// More than a loaded machine takes.
const PATIENT: Duration = Duration::from_secs(10);

fn connection(server: &RedisServer, timeout: Duration) -> RedisConnection {
    let rest = Duration::from_millis(20);
    let options = RedisOptions { timeout, rest, ..RedisOptions::new(server.url()) };
    RedisConnection::open(&options).unwrap()
}

fn replica(server: &RedisServer, options: RedisLimitsOptions) -> RedisLimits {
    RedisLimits::new(connection(server, PATIENT), &options)
}

fn charge(measure: Measure, amount: u64, limit: u64) -> [Charge; 1] {
    [Charge { scope: Scope::tenant("acme"), measure, amount, limit }]
}

async fn used(store: &RedisLimits, measure: Measure) -> u64 {
    store.flush().await;
    store.read(&[(Scope::tenant("acme"), measure)]).await[0]
}

/// Waits until it is so; fails after ten seconds.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !is_so().await {
        assert!(started.elapsed() < PATIENT, "not so after ten seconds: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_counts_as_every_store_must() {
    let Some(server) = RedisServer::start() else { return };
    let stores = AtomicUsize::new(0);
    testkit::limit_suite::run(&|| {
        let prefix = format!("test {}", stores.fetch_add(1, Ordering::Relaxed));
        let options = RedisOptions { prefix, timeout: PATIENT, ..RedisOptions::new(server.url()) };
        let connection = RedisConnection::open(&options).unwrap();
        Arc::new(RedisLimits::new(connection, &RedisLimitsOptions::default()))
    })
    .await;
}

/// When something was taken: between these two moments.
type Admitted = (Instant, Instant);

/// Asks as fast as it can for a while.
async fn hammer(store: RedisLimits, limit: u64, end: Instant) -> Vec<Admitted> {
    let mut admitted = Vec::new();
    while Instant::now() < end {
        let asked = Instant::now();
        let reserved = store.reserve(&charge(Measure::Requests, 1, limit)).await;
        match reserved {
            Ok(reservation) => {
                admitted.push((asked, Instant::now()));
                reservation.settle(&Consumed { requests: 1, attempts: 1, ..Consumed::default() });
            }
            Err(refusal) => {
                let wait = refusal.wait.expect("it fits soon");
                tokio::time::sleep(wait.min(Duration::from_millis(3))).await;
            }
        }
    }
    admitted
}

/// The most that were surely taken within one window.
fn most_in(window: Duration, admitted: &[Admitted]) -> usize {
    let inside = |from: &Admitted| {
        let surely = |one: &&Admitted| one.0 >= from.1 && one.1.duration_since(from.0) < window;
        // The first one itself, and those that came after it.
        1 + admitted.iter().filter(surely).count()
    };
    admitted.iter().map(inside).max().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_replicas_never_admit_more_than_the_limit() {
    const LIMIT: u64 = 40;
    let Some(server) = RedisServer::start() else { return };
    let window = Duration::from_millis(300);
    let end = Instant::now() + window * 5;
    let replicas = (0..3).map(|_| {
        let options = RedisLimitsOptions { replicas: 3, window, ..RedisLimitsOptions::default() };
        hammer(replica(&server, options), LIMIT, end)
    });
    let admitted: Vec<_> = join_all(replicas).await.concat();
    let most = most_in(window, &admitted);
    assert!(most <= LIMIT as usize, "{most} within one window");
    assert!(admitted.len() > 2 * LIMIT as usize, "{} in five windows", admitted.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_each_replica_keeps_to_its_share() {
    const LIMIT: u64 = 30;
    let Some(mut server) = RedisServer::start() else { return };
    let options = RedisLimitsOptions { replicas: 3, ..RedisLimitsOptions::default() };
    let replicas: Vec<_> = (0..3).map(|_| replica(&server, options.clone())).collect();
    let one = charge(Measure::Requests, 1, LIMIT);
    let take_all = async || {
        let all = (0..50).flat_map(|_| &replicas).map(|replica| replica.reserve(&one));
        join_all(all).await.into_iter().filter(Result::is_ok).count()
    };
    assert_eq!(take_all().await, 30, "together");
    assert!(replicas.iter().all(|replica| replica.is_shared()));

    server.kill();
    let each = replicas.iter().map(|replica| async {
        until("it counts for itself", async || {
            let _ = replica.reserve(&charge(Measure::Requests, 0, LIMIT)).await;
            !replica.is_shared()
        })
        .await;
    });
    join_all(each).await;
    assert_eq!(take_all().await, 30, "ten each: once more the limit, no more");
    assert_eq!(take_all().await, 0);

    server.restart();
    let each = replicas.iter().map(|replica| {
        until("it is asked again", async || {
            let _ = replica.reserve(&charge(Measure::Requests, 0, LIMIT)).await;
            replica.is_shared()
        })
    });
    join_all(each).await;
    assert_eq!(take_all().await, 30, "a new server begins anew");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_delays_a_call_by_the_timeout_and_gives_back_what_it_took() {
    let Some(server) = RedisServer::start() else { return };
    let timeout = Duration::from_millis(200);
    let connection = connection(&server, timeout);
    let store = RedisLimits::new(connection.clone(), &RedisLimitsOptions::default());
    until("it answers", async || used(&store, Measure::Tokens).await == 0 && store.is_shared())
        .await;

    server.freeze();
    let started = Instant::now();
    let taken = store.reserve(&charge(Measure::Tokens, 7, 10)).await;
    let waited = started.elapsed();
    assert!(taken.is_ok() && !store.is_shared());
    assert!((timeout..timeout * 10).contains(&waited), "{waited:?}");

    server.wake();
    until("it answers again", async || {
        let _ = connection.connect().await;
        store.is_shared()
    })
    .await;
    until("what nobody heard of came back", async || used(&store, Measure::Tokens).await == 0)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_places_of_a_replica_that_died_come_back() {
    let Some(server) = RedisServer::start() else { return };
    let lease = Duration::from_millis(300);
    let options = RedisLimitsOptions { lease, ..RedisLimitsOptions::default() };
    let (dead, living) = (replica(&server, options.clone()), replica(&server, options));
    let one = charge(Measure::Concurrent, 1, 1);
    std::mem::forget(dead.reserve(&one).await.unwrap());
    assert!(living.reserve(&one).await.is_err());
    until("the place is free", async || living.reserve(&one).await.is_ok()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_never_was_there_is_no_hindrance() {
    let nowhere = RedisOptions::new("redis+unix:///nowhere/redis.sock");
    let connection = RedisConnection::open(&nowhere).unwrap();
    assert_eq!(connection.connect().await, Err(Unavailable));
    let store = RedisLimits::new(connection, &RedisLimitsOptions::default());
    let one = charge(Measure::Tokens, 1, 1);
    let _taken = store.reserve(&one).await.expect("counted here");
    assert!(store.reserve(&one).await.is_err());
    assert!(!store.is_shared());
}

#[tokio::test]
async fn an_address_with_a_password_is_never_shown() {
    let wrong = RedisOptions::new("redis://user:hush@[");
    assert!(!format!("{wrong:?}").contains("hush"));
    let error = RedisConnection::open(&wrong).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("hush"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_can_be_encrypted() {
    use tokio::io::AsyncReadExt;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let options = RedisOptions::new(format!("rediss://localhost:{port}"));
    let connection = RedisConnection::open(&options).unwrap();
    let accept = async {
        let (mut peer, _) = listener.accept().await.unwrap();
        let mut first = [0; 3];
        peer.read_exact(&mut first).await.unwrap();
        first
    };
    let (first, answered) = tokio::join!(accept, connection.connect());
    assert_eq!(first[..2], [22, 3], "the beginning of a TLS handshake");
    assert_eq!(answered, Err(Unavailable), "the peer hung up");
}

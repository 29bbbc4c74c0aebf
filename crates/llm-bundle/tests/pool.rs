//! A pool of threads for synchronous work, as its callers see it.

mod models;

use std::sync::mpsc;
use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;

use llm_bundle::{Misuse, PoolError, Priority, SyncPool};
use models::Probe;

const LIMIT: Duration = Duration::from_secs(10);

fn pool(threads: usize, queue: usize) -> SyncPool {
    SyncPool::builder().name("test").threads(threads).queue(queue).build().unwrap()
}

/// A job that runs until the sender is dropped.
fn blocker(pool: &SyncPool, probe: &Probe) -> (mpsc::Sender<()>, llm_bundle::Job<()>) {
    let (release, wait) = mpsc::channel::<()>();
    let (started, has_started) = mpsc::channel();
    let probe = probe.clone();
    let job = pool.submit(move || {
        let _alive = probe.begin();
        started.send(()).unwrap();
        assert!(wait.recv().is_err());
    });
    has_started.recv_timeout(LIMIT).unwrap();
    (release, job.unwrap())
}

#[tokio::test]
async fn never_runs_more_jobs_than_threads_even_if_their_callers_leave() {
    let (pool, probe) = (pool(2, 100), Probe::default());
    let (first, job) = blocker(&pool, &probe);
    let (second, other) = blocker(&pool, &probe);
    drop((job, other));
    let waiting: Vec<_> = (0..20)
        .map(|_| {
            let probe = probe.clone();
            pool.submit(move || drop(probe.begin())).unwrap()
        })
        .collect();
    let status = pool.status();
    assert_eq!((status.running, status.queued, probe.live()), (2, 20, 2));

    drop((first, second));
    for job in waiting {
        job.await.unwrap();
    }
    pool.shutdown(LIMIT).await.unwrap();
    assert_eq!((probe.most_live(), pool.status().finished), (2, 22));
}

#[tokio::test]
async fn first_come_first_served() {
    let (pool, probe, order) = (pool(1, 100), Probe::default(), Arc::new(Mutex::new(Vec::new())));
    let (release, _job) = blocker(&pool, &probe);
    let jobs: Vec<_> = (0..50)
        .map(|number| {
            let order = order.clone();
            pool.submit(move || order.lock().unwrap().push(number)).unwrap()
        })
        .collect();
    drop(release);
    for job in jobs {
        job.await.unwrap();
    }
    assert_eq!(*order.lock().unwrap(), (0..50).collect::<Vec<_>>());
}

#[tokio::test]
async fn interactive_jobs_go_before_those_of_a_batch() {
    use Priority::{Batch, Interactive};
    let (pool, probe, order) = (pool(1, 100), Probe::default(), Arc::new(Mutex::new(Vec::new())));
    let (release, _job) = blocker(&pool, &probe);
    let jobs: Vec<_> = [(Batch, 3), (Interactive, 1), (Batch, 4), (Interactive, 2)]
        .map(|(priority, number)| {
            let order = order.clone();
            pool.submit_as(priority, move || order.lock().unwrap().push(number)).unwrap()
        })
        .into();
    assert_eq!((pool.status().queued, pool.status().batch_queued), (4, 2));
    drop(release);
    for job in jobs {
        job.await.unwrap();
    }
    assert_eq!(*order.lock().unwrap(), [1, 2, 3, 4]);
}

#[tokio::test]
async fn a_batch_leaves_a_thread_and_the_queue_to_others() {
    let (pool, probe) = (pool(3, 1), Probe::default());
    let (release, wait) = mpsc::channel::<()>();
    let wait = Arc::new(Mutex::new(wait));
    let long = || {
        let (wait, alive) = (wait.clone(), probe.clone());
        move || {
            let _alive = alive.begin();
            assert!(wait.lock().unwrap_or_else(|broken| broken.into_inner()).recv().is_err());
        }
    };
    let batch = [(); 3].map(|()| pool.submit_as(Priority::Batch, long()).unwrap());
    assert!(matches!(
        pool.run_as(Priority::Batch, || ()).await,
        Err(PoolError::Busy { queue: 1, .. })
    ));
    // The third thread serves whom somebody waits for.
    for number in 0..50 {
        assert_eq!(pool.run(move || number).await.unwrap(), number);
    }
    let status = pool.status();
    assert!(status.batch_running <= 2 && status.running <= 2, "{status:?}");
    drop(release);
    for job in batch {
        job.await.unwrap();
    }
    assert_eq!(probe.most_live(), 2);
}

#[tokio::test]
async fn while_somebody_waits_a_batch_has_one_thread() {
    let pool = pool(4, 8);
    let (question, asked) = blocker(&pool, &Probe::default());
    let (started, has_started) = mpsc::channel();
    let meeting = Arc::new(Barrier::new(3));
    let batch = [(); 3].map(|()| {
        let (started, meeting) = (started.clone(), meeting.clone());
        let job = move || {
            started.send(()).unwrap();
            meeting.wait();
        };
        pool.submit_as(Priority::Batch, job).unwrap()
    });
    has_started.recv_timeout(LIMIT).unwrap();
    for number in 0..50 {
        assert_eq!(pool.run(move || number).await.unwrap(), number);
    }
    let status = pool.status();
    assert_eq!((status.batch_running, status.batch_queued), (1, 2), "{status:?}");

    // Then it has all threads but one, or these three would never meet.
    drop(question);
    asked.await.unwrap();
    for job in batch {
        tokio::time::timeout(LIMIT, job).await.expect("all three run at once").unwrap();
    }
}

#[tokio::test]
async fn a_full_queue_refuses_and_a_caller_who_leaves_makes_room() {
    let (pool, probe) = (pool(1, 2), Probe::default());
    let (release, _job) = blocker(&pool, &probe);
    let held = Arc::new(());
    let copy = held.clone();
    let leaves = pool.submit(move || panic!("never runs: {copy:?}")).unwrap();
    let stays = pool.submit(|| 7).unwrap();
    assert!(matches!(pool.run(|| ()).await, Err(PoolError::Busy { queue: 2, .. })));

    drop(leaves);
    assert_eq!(Arc::strong_count(&held), 1, "what a job holds goes with it, at once");
    assert_eq!(pool.status().queued, 1);
    let late = pool.submit(|| 8).unwrap();
    drop(release);
    assert_eq!((stays.await.unwrap(), late.await.unwrap()), (7, 8));
    let status = pool.status();
    assert_eq!((status.skipped, status.refused, status.panicked), (1, 1, 0));
}

#[tokio::test]
async fn a_queue_of_none_still_uses_idle_threads() {
    let (pool, probe) = (pool(2, 0), Probe::default());
    assert_eq!(pool.run(|| 1).await.unwrap(), 1);
    let (_first, _job) = blocker(&pool, &probe);
    let (_second, _other) = blocker(&pool, &probe);
    assert!(matches!(pool.run(|| ()).await, Err(PoolError::Busy { .. })));
}

#[tokio::test]
async fn a_panic_is_an_error_and_the_thread_goes_on() {
    struct PanicsOnDrop;
    impl Drop for PanicsOnDrop {
        fn drop(&mut self) {
            panic!("in drop");
        }
    }
    let pool = pool(1, 10);
    match pool.run(|| -> () { panic!("number {}", 7) }).await {
        Err(PoolError::Panicked { message, .. }) => assert_eq!(message, "number 7"),
        other => panic!("{other:?}"),
    }
    // The caller leaves while the job runs, so its result is dropped on the thread.
    let (release, wait) = mpsc::channel::<()>();
    let (started, has_started) = mpsc::channel();
    let job = pool.submit(move || {
        started.send(()).unwrap();
        assert!(wait.recv().is_err());
        PanicsOnDrop
    });
    has_started.recv_timeout(LIMIT).unwrap();
    drop(job);
    drop(release);
    assert_eq!(pool.run(|| 1).await.unwrap(), 1);
    let status = pool.status();
    assert_eq!((status.running, status.panicked), (0, 1));
}

#[tokio::test]
async fn shutting_down_finishes_what_was_accepted() {
    let (pool, probe) = (pool(1, 10), Probe::default());
    let (release, running) = blocker(&pool, &probe);
    let queued = pool.submit(|| 7).unwrap();
    let shutting = tokio::spawn({
        let pool = pool.clone();
        async move { pool.shutdown(LIMIT).await }
    });
    while pool.submit(|| ()).is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(matches!(pool.run(|| ()).await, Err(PoolError::Closed { .. })));
    drop(release);
    running.await.unwrap();
    assert_eq!(queued.await.unwrap(), 7);
    shutting.await.unwrap().unwrap();
    // Once more does no harm.
    pool.shutdown(LIMIT).await.unwrap();
}

#[tokio::test]
async fn shutting_down_does_not_wait_for_ever() {
    let (pool, probe) = (pool(1, 10), Probe::default());
    let (_release, _running) = blocker(&pool, &probe);
    let queued = pool.submit(|| 7).unwrap();
    let limit = Duration::from_millis(5);
    match pool.shutdown(limit).await {
        Err(PoolError::StillRunning { running, .. }) => assert_eq!(running, 1),
        other => panic!("{other:?}"),
    }
    assert!(matches!(queued.await, Err(PoolError::Closed { .. })));
}

#[tokio::test]
async fn jobs_accepted_before_the_last_handle_went_are_finished() {
    let (pool, probe) = (pool(1, 10), Probe::default());
    let (release, _running) = blocker(&pool, &probe);
    let queued = pool.submit(|| 7).unwrap();
    drop(pool);
    drop(release);
    assert_eq!(queued.await.unwrap(), 7);
}

#[test]
fn synchronous_callers_wait_in_place() {
    let pool = pool(2, 1_000);
    let threads: Vec<_> = (0..64)
        .map(|number| {
            let pool = pool.clone();
            std::thread::spawn(move || pool.run_blocking(move || number * 2).unwrap())
        })
        .collect();
    for (number, thread) in threads.into_iter().enumerate() {
        assert_eq!(thread.join().unwrap(), number * 2);
    }
}

#[test]
fn a_job_that_would_wait_for_its_own_pool_is_told_so() {
    let one = pool(1, 10);
    let same = one.clone();
    let inner = one.run_blocking(move || same.run_blocking(|| ())).unwrap();
    assert!(matches!(inner, Err(PoolError::Misuse(Misuse::OwnPool))));

    let other = pool(1, 10);
    let inner = one.run_blocking(move || other.run_blocking(|| 7).unwrap()).unwrap();
    assert_eq!(inner, 7);
}

#[tokio::test]
async fn a_synchronous_caller_inside_a_single_thread_runtime_is_told_so() {
    let pool = pool(1, 10);
    assert!(matches!(pool.run_blocking(|| ()), Err(PoolError::Misuse(Misuse::SingleThread))));
}

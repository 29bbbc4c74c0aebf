//! No order in which threads come and go loses a wake-up or lets too many in. The file under test is compiled here a
//! second time, on locks whose owner is chosen by a scheduler that tries many orders ([`shuttle`]).
//!
//! `SCHEDULES` says how many orders each test tries; `cargo xtask interleavings` tries more than `cargo test` does.

#[allow(dead_code)]
#[path = "../src/admission.rs"]
mod admission;

mod sync {
    pub(crate) use shuttle::sync::{Mutex, MutexGuard, PoisonError};
}

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use admission::{Admission, Answer, Bounds, Permit};
use service_guards::{Priority, Rejection};
use shuttle::{future, thread};

use Priority::{Batch, Interactive};

fn check(test: impl Fn() + Send + Sync + 'static) {
    let schedules = std::env::var("SCHEDULES").map_or(300, |number| number.parse().unwrap());
    let test = Arc::new(test);
    let again = test.clone();
    shuttle::check_random(move || again(), schedules);
    // Few changes of thread, at every place: finds other faults than chance does.
    shuttle::check_pct(move || test(), schedules, 3);
}

fn admission(limit: usize) -> Arc<Admission> {
    Arc::new(Admission::new(Bounds { limit, queue: 16, batch_percent: 80 }))
}

async fn enter(admission: &Arc<Admission>, priority: Priority) -> Result<Permit, Rejection> {
    match admission.ask(priority)? {
        Answer::Enter(permit) => Ok(permit),
        Answer::Wait(waiter) => waiter.await,
    }
}

/// Asks, looks once, and goes away: with a place, without one, or with one that it has not noticed yet.
fn enter_and_give_up(admission: &Arc<Admission>, priority: Priority) {
    if let Ok(Answer::Wait(mut waiter)) = admission.ask(priority) {
        future::block_on(std::future::poll_fn(|cx| {
            let _ = std::pin::Pin::new(&mut waiter).poll(cx);
            Poll::Ready(())
        }));
        thread::yield_now();
    }
}

/// Counts who is in.
#[derive(Default)]
struct Inside {
    now: AtomicUsize,
    batch: AtomicUsize,
}

impl Inside {
    /// Is in for a while.
    fn stay(&self, priority: Priority, limit: usize, batch_limit: usize) {
        let batch = usize::from(priority == Batch);
        assert!(self.now.fetch_add(1, Ordering::SeqCst) < limit, "too many are in");
        assert!(
            self.batch.fetch_add(batch, Ordering::SeqCst) + batch <= batch_limit,
            "too much batch"
        );
        thread::yield_now();
        self.batch.fetch_sub(batch, Ordering::SeqCst);
        self.now.fetch_sub(1, Ordering::SeqCst);
    }
}

/// All who wait come in: the scheduler reports a deadlock where a wake-up is lost.
#[test]
fn everybody_comes_in_and_never_too_many_at_once() {
    for (limit, batch_limit) in [(1, 1), (2, 1)] {
        check(move || {
            let (admission, inside) = (admission(limit), Arc::new(Inside::default()));
            let callers = [Interactive, Batch, Batch, Interactive].map(|priority| {
                let (admission, inside) = (admission.clone(), inside.clone());
                thread::spawn(move || {
                    let permit = future::block_on(enter(&admission, priority)).unwrap();
                    inside.stay(priority, limit, batch_limit);
                    drop(permit);
                })
            });
            callers.into_iter().for_each(|caller| caller.join().unwrap());
            assert_empty(&admission);
        });
    }
}

#[test]
fn who_gives_up_passes_its_turn_on() {
    check(|| {
        let admission = admission(1);
        let mut callers = Vec::new();
        for priority in [Interactive, Batch] {
            let leaving = admission.clone();
            callers.push(thread::spawn(move || enter_and_give_up(&leaving, priority)));
            let staying = admission.clone();
            callers.push(thread::spawn(move || {
                drop(future::block_on(enter(&staying, priority)).unwrap());
            }));
        }
        callers.into_iter().for_each(|caller| caller.join().unwrap());
        assert_empty(&admission);
    });
}

/// As above, with tasks that are aborted at any place.
#[test]
fn an_aborted_task_passes_its_turn_on() {
    check(|| {
        future::block_on(async {
            let admission = admission(1);
            let held = enter(&admission, Interactive).await.unwrap();
            let spawn = |priority| {
                let admission = admission.clone();
                future::spawn(async move { drop(enter(&admission, priority).await.unwrap()) })
            };
            let (aborted, stays) = (spawn(Interactive), [spawn(Interactive), spawn(Batch)]);
            let abort = thread::spawn(move || {
                aborted.abort();
                aborted
            });
            drop(held);
            for stays in stays {
                stays.await.unwrap();
            }
            let _ = abort.join().unwrap().await;
            assert_empty(&admission);
        });
    });
}

#[test]
fn a_limit_that_moves_strands_nobody() {
    check(|| {
        let admission = admission(2);
        let callers = [Batch, Interactive, Batch].map(|priority| {
            let admission = admission.clone();
            thread::spawn(move || drop(future::block_on(enter(&admission, priority)).unwrap()))
        });
        admission.set_limit(1);
        admission.set_limit(3);
        callers.into_iter().for_each(|caller| caller.join().unwrap());
        assert_empty(&admission);
    });
}

#[test]
fn closing_ends_every_wait() {
    check(|| {
        let admission = admission(1);
        let held = future::block_on(enter(&admission, Interactive)).unwrap();
        let callers = [Interactive, Batch].map(|priority| {
            let admission = admission.clone();
            thread::spawn(move || {
                let entered = future::block_on(enter(&admission, priority));
                assert_eq!(entered.err(), Some(Rejection::Closed));
            })
        });
        let closing = admission.clone();
        let close = thread::spawn(move || closing.close());
        callers.into_iter().for_each(|caller| caller.join().unwrap());
        close.join().unwrap();
        drop(held);
        assert_empty(&admission);
    });
}

fn assert_empty(admission: &Admission) {
    assert_eq!((admission.live(&Priority::ALL), admission.waiting(&Priority::ALL)), (0, 0));
}

//! No order in which threads come and go loses a job or a wake-up of the pool's queue. The file under test is compiled
//! here a second time, on locks whose owner is chosen by a scheduler that tries many orders ([`shuttle`]).
//!
//! `SCHEDULES` says how many orders each test tries; `cargo xtask interleavings` tries more than `cargo test` does.

#[allow(dead_code)]
#[path = "../src/job_queue.rs"]
mod job_queue;

mod sync {
    pub(crate) use shuttle::sync::{Condvar, Mutex, MutexGuard, PoisonError};
}

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use job_queue::{JobQueue, Load, Refused};
use service_guards::Priority::{self, Batch, Interactive};
use shuttle::sync::mpsc::{Receiver, Sender, channel};
use shuttle::thread::{self, JoinHandle};

fn check(test: impl Fn() + Send + Sync + 'static) {
    let schedules = std::env::var("SCHEDULES").map_or(300, |number| number.parse().unwrap());
    let test = Arc::new(test);
    let again = test.clone();
    shuttle::check_random(move || again(), schedules);
    // Few changes of thread, at every place: finds other faults than chance does.
    shuttle::check_pct(move || test(), schedules, 3);
}

/// A pool in small: threads that do the jobs of a queue, and tell of each.
struct Pool {
    queue: Arc<JobQueue<()>>,
    done: Receiver<Priority>,
    workers: Vec<JoinHandle<()>>,
}

impl Pool {
    fn new(threads: usize) -> Self {
        let queue = Arc::new(JobQueue::new(threads, 16));
        let (tell, done) = channel();
        let worker = |_| {
            let (queue, tell) = (queue.clone(), tell.clone());
            thread::spawn(move || work(&queue, &tell))
        };
        let workers = (0..threads).map(worker).collect();
        Self { queue, done, workers }
    }

    /// How many jobs were done that nobody has heard of, when the threads have ended.
    fn end(self) -> usize {
        self.queue.close();
        self.workers.into_iter().for_each(|worker| worker.join().unwrap());
        assert_eq!(Priority::ALL.map(|priority| self.queue.load(priority)), [Load::default(); 2]);
        assert_eq!(self.queue.push(Interactive, ()).err(), Some(Refused::Closed));
        self.done.iter().count()
    }
}

fn work(queue: &JobQueue<()>, tell: &Sender<Priority>) {
    while let Some((priority, ())) = queue.next() {
        thread::yield_now();
        queue.finished(priority);
        tell.send(priority).unwrap();
    }
}

/// The scheduler reports a deadlock where a wake-up is lost.
#[test]
fn every_job_is_done_once_and_the_threads_end() {
    for threads in [1, 2, 3] {
        check(move || {
            let pool = Pool::new(threads);
            let callers = [[Batch, Interactive], [Batch, Batch]].map(|jobs| {
                let queue = pool.queue.clone();
                thread::spawn(move || {
                    for priority in jobs {
                        queue.push(priority, ()).unwrap();
                    }
                })
            });
            callers.into_iter().for_each(|caller| caller.join().unwrap());
            assert_eq!(pool.end(), 4);
        });
    }
}

/// No further job and no end of the pool is needed to get them done.
#[test]
fn no_job_waits_for_the_next_one() {
    for threads in [1, 2, 3] {
        check(move || {
            let pool = Pool::new(threads);
            let jobs = [Batch, Batch, Interactive, Batch];
            for priority in jobs {
                pool.queue.push(priority, ()).unwrap();
            }
            for _ in jobs {
                pool.done.recv().unwrap();
            }
            assert_eq!(pool.end(), 0);
        });
    }
}

#[test]
fn a_job_is_done_or_taken_out_never_both() {
    check(|| {
        let pool = Pool::new(1);
        let tickets =
            [Batch, Interactive, Batch].map(|priority| pool.queue.push(priority, ()).unwrap());
        let queue = pool.queue.clone();
        let leaving = thread::spawn(move || {
            tickets.into_iter().filter(|ticket| queue.remove(*ticket).is_some()).count()
        });
        let taken_out = leaving.join().unwrap();
        assert_eq!(pool.end() + taken_out, 3);
    });
}

#[test]
fn batch_leaves_a_thread_free() {
    check(|| {
        let queue = Arc::new(JobQueue::new(2, 16));
        let most = Arc::new(AtomicUsize::new(0));
        for _ in 0..3 {
            queue.push(Batch, ()).unwrap();
        }
        // Two threads that look for jobs; one of them is woken by the interactive job only.
        let workers = [(); 2].map(|()| {
            let (queue, most) = (queue.clone(), most.clone());
            thread::spawn(move || {
                let mut order = Vec::new();
                while let Some((priority, ())) = queue.next() {
                    most.fetch_max(queue.load(Batch).running, Ordering::SeqCst);
                    order.push(priority);
                    queue.finished(priority);
                    if priority == Interactive {
                        // As long as it is open, batch has one thread at most.
                        assert!(most.load(Ordering::SeqCst) <= 1);
                        queue.close();
                    }
                }
                order
            })
        });
        queue.push(Interactive, ()).unwrap();
        let done: Vec<_> = workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect();
        assert_eq!(done.len(), 4);
    });
}

/// A thread is done with a batch job and not back yet: the next one goes to another thread.
#[test]
fn a_thread_that_is_slow_to_come_back_holds_nobody_up() {
    check(|| {
        let queue = Arc::new(JobQueue::new(2, 16));
        for _ in 0..2 {
            queue.push(Batch, ()).unwrap();
        }
        let slow = queue.next().unwrap();
        let others = queue.clone();
        let other = thread::spawn(move || others.next().map(|(priority, ())| priority));
        queue.finished(slow.0);
        assert_eq!(other.join().unwrap(), Some(Batch));
    });
}

/// No interactive job can come any more that a thread should be kept for.
#[test]
fn what_is_left_at_the_end_occupies_all_threads() {
    check(|| {
        let queue = Arc::new(JobQueue::new(2, 16));
        for _ in 0..2 {
            queue.push(Batch, ()).unwrap();
        }
        queue.close();
        let threads = [(); 2].map(|()| {
            let queue = queue.clone();
            thread::spawn(move || queue.next().is_some())
        });
        assert_eq!(threads.map(|thread| thread.join().unwrap()), [true, true]);
    });
}

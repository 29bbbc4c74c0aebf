//! Who stands in a line before a rate, in which order, and for how long.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::join_all;
use service_guards::{
    Attempt, LeftLine, Line, Misfit, Priority, SlidingWindow, Taken, batch_share,
};
use tokio::time::{Instant, advance, timeout};

use Priority::{Batch, Interactive};

const MINUTE: Duration = Duration::from_secs(60);
/// What a window of a minute takes to forget.
const FORGOTTEN: Duration = Duration::from_secs(61);

/// So much in any minute, with a line in front.
struct Rate {
    limit: u64,
    started: Instant,
    window: Mutex<SlidingWindow>,
    line: Line,
}

impl Rate {
    fn new(limit: u64, queue: usize) -> Self {
        let window = Mutex::new(SlidingWindow::new(MINUTE));
        Self { limit, started: Instant::now(), window, line: Line::new(queue) }
    }

    async fn take(
        &self,
        amount: u64,
        priority: Priority,
        longest_wait: Duration,
    ) -> Result<Taken, LeftLine<()>> {
        let limit = match priority {
            Interactive => self.limit,
            Batch => batch_share(self.limit, amount),
        };
        let attempt = || {
            let taken = self.window.lock().unwrap().take(amount, limit, self.started.elapsed());
            std::future::ready(match taken {
                Ok(taken) => Attempt::Got(taken),
                Err(Misfit::For(wait)) => Attempt::After(wait, ()),
                Err(Misfit::Ever) => Attempt::Never(()),
            })
        };
        self.line.pass(priority, longest_wait, attempt).await
    }

    fn settle(&self, taken: Taken, actual: u64) {
        self.window.lock().unwrap().settle(taken, actual, self.started.elapsed());
        self.line.nudge();
    }

    fn taken(&self) -> u64 {
        self.window.lock().unwrap().sum(self.started.elapsed())
    }

    fn waiting(&self) -> usize {
        self.line.waiting()
    }
}

#[tokio::test(start_paused = true)]
async fn callers_enter_in_order_and_interactive_ones_first() {
    let rate = Arc::new(Rate::new(1, 100));
    let order = Arc::new(Mutex::new(Vec::new()));
    let call = |name: &'static str, priority| {
        let (rate, order) = (rate.clone(), order.clone());
        async move {
            rate.take(1, priority, MINUTE * 60).await.unwrap();
            order.lock().unwrap().push(name);
        }
    };
    let started = Instant::now();
    join_all([
        call("first", Interactive),
        call("batch 1", Batch),
        call("batch 2", Batch),
        call("second", Interactive),
        call("third", Interactive),
    ])
    .await;
    let order = order.lock().unwrap();
    assert_eq!(*order, ["first", "second", "third", "batch 1", "batch 2"]);
    assert!(started.elapsed() >= MINUTE * 4, "{:?}", started.elapsed());
    assert!(started.elapsed() <= FORGOTTEN * 4 + MINUTE, "{:?}", started.elapsed());
    assert_eq!(rate.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn batch_leaves_a_fifth() {
    let rate = Rate::new(10, 100);
    for _ in 0..8 {
        rate.take(1, Batch, Duration::ZERO).await.unwrap();
    }
    assert!(rate.take(1, Batch, Duration::ZERO).await.is_err());
    for _ in 0..2 {
        rate.take(1, Interactive, Duration::ZERO).await.unwrap();
    }
    assert!(rate.take(1, Interactive, Duration::ZERO).await.is_err());

    advance(FORGOTTEN).await;
    rate.take(9, Batch, Duration::ZERO).await.expect("a big one goes when it is alone");
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_in_time_is_refused_at_once() {
    let rate = Rate::new(10, 100);
    let never = rate.take(11, Interactive, MINUTE).await.unwrap_err();
    assert_eq!(never, LeftLine::Refused { reason: (), wait: None });

    rate.take(10, Interactive, Duration::ZERO).await.unwrap();
    let started = Instant::now();
    let later = rate.take(1, Interactive, Duration::from_secs(5)).await.unwrap_err();
    let LeftLine::Refused { wait: Some(wait), .. } = later else { panic!("{later:?}") };
    assert!((MINUTE..=FORGOTTEN).contains(&wait), "{wait:?}");
    assert_eq!(started.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_refund_lets_the_next_one_in() {
    let rate = Rate::new(10, 100);
    let ticket = rate.take(10, Interactive, Duration::ZERO).await.unwrap();
    let waiter = rate.take(4, Interactive, MINUTE * 2);
    tokio::pin!(waiter);
    assert!(timeout(Duration::from_secs(1), waiter.as_mut()).await.is_err());
    let started = Instant::now();
    rate.settle(ticket, 6);
    waiter.await.unwrap();
    assert_eq!(started.elapsed(), Duration::ZERO);
    assert_eq!(rate.taken(), 10);
}

#[tokio::test(start_paused = true)]
async fn the_queue_is_bounded_and_left_by_who_gives_up() {
    let rate = Rate::new(1, 1);
    rate.take(1, Interactive, Duration::ZERO).await.unwrap();
    {
        let waiter = rate.take(1, Interactive, MINUTE * 2);
        tokio::pin!(waiter);
        assert!(timeout(Duration::from_secs(1), waiter.as_mut()).await.is_err());
        assert_eq!(rate.waiting(), 1);
        let refused = rate.take(1, Interactive, MINUTE * 2).await.unwrap_err();
        assert_eq!(refused, LeftLine::Full);
    }
    assert_eq!(rate.waiting(), 0);
    rate.take(1, Interactive, MINUTE * 2).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_longer_than_he_said() {
    let rate = Rate::new(1, 100);
    rate.take(1, Interactive, Duration::ZERO).await.unwrap();
    let patient = rate.take(1, Interactive, MINUTE * 3);
    let hasty = async {
        let started = Instant::now();
        let refused = rate.take(1, Batch, Duration::from_secs(7)).await.unwrap_err();
        assert_eq!(refused, LeftLine::TimedOut);
        started.elapsed()
    };
    let (patient, waited) = tokio::join!(patient, hasty);
    patient.unwrap();
    assert_eq!(waited, Duration::from_secs(7));
}

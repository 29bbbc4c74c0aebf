//! A sliding window against a log of everything that was taken.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use service_guards::{Misfit, SlidingWindow, Taken};

const LIMIT: u64 = 100;
/// In nanoseconds; a sub-window is 100 of them.
const WINDOW: u64 = 6_000;
const PART: u64 = 100;

#[derive(Clone, Debug)]
enum Step {
    Take(u64),
    /// Settles one of those that are not settled yet, with this share of what was taken, in percent.
    Settle(usize, u64),
}

/// Steps, each after a pause.
fn steps(most_percent: u64) -> impl Strategy<Value = Vec<(u64, Step)>> {
    let pause = prop_oneof![3 => 0..200_u64, 1 => 0..WINDOW, 1 => Just(0)];
    let step = prop_oneof![
        3 => (0..LIMIT + 5).prop_map(Step::Take),
        2 => (any::<usize>(), 0..=most_percent).prop_map(|(which, share)| Step::Settle(which, share)),
    ];
    vec((pause, step), 1..200)
}

/// The window, and beside it the time and amount of everything that was taken.
struct Run {
    window: SlidingWindow,
    now: u64,
    log: Vec<(u64, u64)>,
    open: Vec<(Taken, usize)>,
}

fn at(nanos: u64) -> Duration {
    Duration::from_nanos(nanos)
}

impl Run {
    fn new() -> Self {
        let window = SlidingWindow::new(at(WINDOW));
        Self { window, now: 123, log: Vec::new(), open: Vec::new() }
    }

    /// What was taken in the span of this length that ends now, both ends included.
    fn in_last(&self, span: u64) -> u64 {
        let since = self.now.saturating_sub(span);
        self.log.iter().filter(|(time, _)| *time >= since).map(|(_, amount)| amount).sum()
    }

    fn take(&mut self, amount: u64) {
        match self.window.take(amount, LIMIT, at(self.now)) {
            Ok(taken) => {
                self.open.push((taken, self.log.len()));
                self.log.push((self.now, amount));
                assert!(self.in_last(WINDOW) <= LIMIT, "too much was admitted");
            }
            Err(Misfit::Ever) => assert!(amount > LIMIT),
            Err(Misfit::For(wait)) => {
                assert!(self.in_last(WINDOW + PART) + amount > LIMIT, "it would have fitted");
                let fits = |now| self.window.clone().check(amount, LIMIT, now).is_ok();
                assert!(fits(at(self.now) + wait), "the wait is too short");
                assert!(!fits(at(self.now) + wait - at(1)), "the wait is too long");
            }
        }
    }

    fn settle(&mut self, which: usize, percent: u64) {
        if self.open.is_empty() {
            return;
        }
        let (taken, entry) = self.open.swap_remove(which % self.open.len());
        let amount = taken.amount();
        let actual = amount * percent / 100;
        self.window.settle(taken, actual, at(self.now));
        self.log[entry].1 = actual.min(amount);
        if actual > amount {
            self.log.push((self.now, actual - amount));
        }
    }

    /// The sum is that of all sub-windows that have not left as a whole: nothing is lost or kept by refunds.
    fn check_sum(&mut self) {
        let leaves = |time: u64| (time / PART + 1) * PART + WINDOW;
        let inside = self.log.iter().filter(|(time, _)| leaves(*time) > self.now);
        let expected: u64 = inside.map(|(_, amount)| amount).sum();
        assert_eq!(self.window.sum(at(self.now)), expected);
    }

    /// Whatever window one chooses afterwards.
    fn check_all_windows(&self) {
        for (end, _) in &self.log {
            let inside = |time: &u64| (end.saturating_sub(WINDOW)..=*end).contains(time);
            let sum: u64 = self.log.iter().filter(|(t, _)| inside(t)).map(|(_, a)| a).sum();
            assert!(sum <= LIMIT, "{sum} in the window that ends at {end}");
        }
    }

    fn go(&mut self, steps: Vec<(u64, Step)>) {
        for (pause, step) in steps {
            self.now += pause;
            match step {
                Step::Take(amount) => self.take(amount),
                Step::Settle(which, percent) => self.settle(which, percent),
            }
            self.check_sum();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn never_above_the_limit_in_any_window_and_refunds_are_exact(steps in steps(100)) {
        let mut run = Run::new();
        run.go(steps);
        run.check_all_windows();
    }

    #[test]
    fn what_was_consumed_beyond_its_estimate_keeps_others_out(steps in steps(300)) {
        Run::new().go(steps);
    }

    #[test]
    fn no_number_makes_it_panic(
        window in any::<u64>(),
        calls in vec((any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>()), 1..20),
    ) {
        let mut window = SlidingWindow::new(Duration::from_nanos(window).saturating_mul(1_000));
        for (amount, limit, actual, now) in calls {
            let now = Duration::from_nanos(now).saturating_mul(1_000);
            if let Ok(taken) = window.take(amount, limit, now) {
                window.settle(taken, actual, now);
            }
        }
    }
}

#[test]
fn steady_load_is_admitted_at_nearly_the_limit() {
    let mut window = SlidingWindow::new(Duration::from_secs(60));
    let admitted = (0..600_000_u64)
        .filter(|milli| window.take(1, 600, Duration::from_millis(*milli)).is_ok())
        .count();
    // Ten minutes: at most 600 in each, and one sixtieth less at worst.
    assert!((5_900..=6_000).contains(&admitted), "{admitted}");
}

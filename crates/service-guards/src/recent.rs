//! [`Recent`]: how many calls there were in the last ten seconds, and how many of them failed.

use tokio::time::Instant;

/// How far it looks back, in seconds.
pub(crate) const SECONDS: usize = 10;

/// Counts by the second, so that a count is forgotten nine to ten seconds after it was made.
#[derive(Debug)]
pub(crate) struct Recent {
    start: Instant,
    /// The last second (from `start`) that something was counted in.
    second: u64,
    counts: [Counts; SECONDS],
}

/// What happened in a second, or in all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Calls that began to be answered, or failed before.
    pub(crate) calls: u64,
    /// Calls that failed, before or after their first event.
    pub(crate) failures: u64,
}

impl Recent {
    /// Nothing has happened yet.
    pub(crate) fn new(now: Instant) -> Self {
        Self { start: now, second: 0, counts: Default::default() }
    }

    /// Counts something.
    pub(crate) fn add(&mut self, now: Instant, more: Counts) {
        self.forget(now);
        let slot = self.second % SECONDS as u64;
        if let Some(counts) = self.counts.get_mut(slot as usize) {
            counts.calls += more.calls;
            counts.failures += more.failures;
        }
    }

    /// What happened in the last ten seconds.
    pub(crate) fn sum(&mut self, now: Instant) -> Counts {
        self.forget(now);
        self.counts.iter().fold(Counts::default(), |sum, counts| Counts {
            calls: sum.calls + counts.calls,
            failures: sum.failures + counts.failures,
        })
    }

    /// Clears the seconds that have passed since something was counted.
    fn forget(&mut self, now: Instant) {
        let second = now.saturating_duration_since(self.start).as_secs();
        let passed = second.saturating_sub(self.second).min(SECONDS as u64);
        for back in 0..passed {
            let slot = (second - back) % SECONDS as u64;
            if let Some(counts) = self.counts.get_mut(slot as usize) {
                *counts = Counts::default();
            }
        }
        self.second = self.second.max(second);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against a list of all that was counted, with the seconds told apart in the same way.
        #[test]
        fn counts_the_last_ten_seconds(steps in prop::collection::vec((0_u64..4_000, 0_u64..3, 0_u64..3), 1..60)) {
            let start = Instant::now();
            let mut recent = Recent::new(start);
            let mut all = VecDeque::new();
            let mut passed = 0;
            for (millis, calls, failures) in steps {
                passed += millis;
                let now = start + Duration::from_millis(passed);
                recent.add(now, Counts { calls, failures });
                all.push_back((passed / 1_000, calls, failures));
                let within = || all.iter().filter(|(second, ..)| second + SECONDS as u64 > passed / 1_000);
                let expected = Counts {
                    calls: within().map(|(_, calls, _)| calls).sum(),
                    failures: within().map(|(.., failures)| failures).sum(),
                };
                prop_assert_eq!(recent.sum(now), expected);
            }
        }
    }
}

//! [`Congestion`]: how many calls a target bears at once, found by trying. Pure.

/// A limit of live calls that halves when the target is overloaded and grows by one for each window of successes, as many
/// as the limit is high, up to what is configured: additive increase, multiplicative decrease, as TCP does it.
#[derive(Debug)]
pub(super) struct Congestion {
    configured: usize,
    limit: usize,
    /// Since the limit last changed.
    successes: usize,
    /// How often the limit was halved.
    halvings: u64,
}

impl Congestion {
    /// Starts at what is configured, at least one.
    pub(super) fn new(configured: usize) -> Self {
        let configured = configured.max(1);
        Self { configured, limit: configured, successes: 0, halvings: 0 }
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// What a call must remember when it begins.
    pub(super) fn halvings(&self) -> u64 {
        self.halvings
    }

    /// A call was answered. Says whether the limit has changed.
    pub(super) fn succeeded(&mut self) -> bool {
        if self.limit == self.configured {
            return false;
        }
        self.successes += 1;
        if self.successes < self.limit {
            return false;
        }
        self.successes = 0;
        self.limit += 1;
        true
    }

    /// A call was refused for too much load. Calls that had begun before the last halving tell nothing new: a hundred
    /// refusals at once are one sign, not a hundred. Says whether the limit has changed.
    pub(super) fn overloaded(&mut self, halvings_at_begin: u64) -> bool {
        if halvings_at_begin < self.halvings {
            return false;
        }
        self.halvings += 1;
        self.successes = 0;
        let before = self.limit;
        self.limit = (before / 2).max(1);
        self.limit != before
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn halves_once_for_all_who_began_before_and_grows_slowly() {
        let mut congestion = Congestion::new(8);
        let began = congestion.halvings();
        assert!(congestion.overloaded(began));
        assert!(!congestion.overloaded(began), "began before the halving");
        assert_eq!(congestion.limit(), 4);
        let grown: Vec<_> = (0..9).map(|_| congestion.succeeded()).collect();
        assert_eq!(grown.iter().filter(|grown| **grown).count(), 2, "after 4, then after 5");
        assert_eq!(congestion.limit(), 6);
    }

    proptest! {
        #[test]
        fn stays_between_one_and_what_is_configured(
            configured in 0..40_usize,
            ends in proptest::collection::vec(0..3_u8, 0..400),
        ) {
            let mut congestion = Congestion::new(configured);
            for end in ends {
                let before = congestion.limit();
                match end {
                    0 => { congestion.overloaded(congestion.halvings()); }
                    _ => { congestion.succeeded(); }
                }
                prop_assert!((1..=configured.max(1)).contains(&congestion.limit()));
                prop_assert!(congestion.limit() <= before + 1);
            }
        }
    }
}

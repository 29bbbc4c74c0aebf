//! [`Strategy`]: in which order a route asks its targets.

use std::cmp::Ordering;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// Which target of a route is asked first, and which next when it fails.
///
/// Whatever the strategy, targets that rest come after those that do not, and targets that are known not to take the
/// request (no tools, no pictures, too small a context) are asked only if all are such.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    /// As they are listed.
    #[default]
    Order,
    /// By chance, each with its weight.
    Weighted,
    /// The one with the fewest calls under way, for its weight.
    LeastBusy,
    /// The one that has lately begun its answers soonest. One that was not asked for a minute is asked again.
    LowestLatency,
    /// The one whose answer will cost least. Those without a known price come last.
    Cheapest,
}

/// What a strategy knows of a target, at the moment of a call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Candidate {
    /// Its place in the list; several keys of one provider share a place.
    pub(crate) place: usize,
    pub(crate) weight: u32,
    /// Calls under way and waiting.
    pub(crate) busy: usize,
    pub(crate) latency: Option<Duration>,
    /// What the call would cost.
    pub(crate) cost: Option<f64>,
    pub(crate) fits: bool,
    pub(crate) rests: bool,
}

impl Strategy {
    /// The candidates' indexes in the order in which to ask them. Those that do not fit are left out where others do.
    pub(crate) fn order(self, candidates: &[Candidate]) -> Vec<usize> {
        let any_fits = candidates.iter().any(|candidate| candidate.fits);
        let mut order: Vec<(f64, usize, &Candidate)> = candidates
            .iter()
            .enumerate()
            .filter(|(_, candidate)| candidate.fits || !any_fits)
            .map(|(at, candidate)| (self.rank(candidate), at, candidate))
            .collect();
        order.sort_by(compare);
        order.into_iter().map(|(_, at, _)| at).collect()
    }

    /// The lower, the sooner.
    fn rank(self, candidate: &Candidate) -> f64 {
        let weight = f64::from(candidate.weight.max(1));
        match self {
            Strategy::Order => candidate.place as f64,
            // A random order in which each comes first with a chance by its weight (Efraimidis and Spirakis, 2006).
            Strategy::Weighted => -(random().ln() / weight).exp(),
            Strategy::LeastBusy => candidate.busy as f64 / weight,
            Strategy::LowestLatency => candidate.latency.unwrap_or_default().as_secs_f64(),
            Strategy::Cheapest => candidate.cost.unwrap_or(f64::INFINITY),
        }
    }
}

/// Those that rest last, then by rank; ties go to the less busy, then by the list.
fn compare(a: &(f64, usize, &Candidate), b: &(f64, usize, &Candidate)) -> Ordering {
    (a.2.rests.cmp(&b.2.rests))
        .then(a.0.total_cmp(&b.0))
        .then(a.2.busy.cmp(&b.2.busy))
        .then(a.1.cmp(&b.1))
}

/// A random number above 0, up to 1. The standard library's hasher keys are random enough to spread calls out.
fn random() -> f64 {
    let random = RandomState::new().hash_one(0_u8) >> 11;
    (random + 1) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(place: usize) -> Candidate {
        Candidate { place, weight: 1, busy: 0, latency: None, cost: None, fits: true, rests: false }
    }

    #[test]
    fn each_strategy_has_its_order() {
        let ms = |ms| Some(Duration::from_millis(ms));
        let candidates = [
            Candidate { busy: 4, latency: ms(30), cost: Some(0.5), ..candidate(0) },
            Candidate { busy: 6, latency: ms(10), weight: 3, ..candidate(1) },
            Candidate { busy: 3, latency: None, cost: Some(0.1), ..candidate(2) },
        ];
        for (strategy, expected) in [
            (Strategy::Order, [0, 1, 2]),
            (Strategy::LeastBusy, [1, 2, 0]),
            (Strategy::LowestLatency, [2, 1, 0]),
            (Strategy::Cheapest, [2, 0, 1]),
        ] {
            assert_eq!(strategy.order(&candidates), expected, "{strategy:?}");
        }
    }

    #[test]
    fn who_rests_comes_last_and_who_cannot_comes_not_at_all() {
        let rests = Candidate { rests: true, ..candidate(0) };
        let unfit = Candidate { fits: false, ..candidate(1) };
        assert_eq!(Strategy::Order.order(&[rests, unfit, candidate(2)]), [2, 0]);
        assert_eq!(Strategy::Order.order(&[unfit, unfit]), [0, 1]);
    }

    #[test]
    fn keys_of_one_provider_share_the_load() {
        let busy = Candidate { busy: 2, ..candidate(0) };
        assert_eq!(Strategy::Order.order(&[busy, candidate(0), candidate(1)]), [1, 0, 2]);
    }

    #[test]
    fn weights_are_chances() {
        let candidates = [candidate(0), Candidate { weight: 3, ..candidate(1) }];
        let firsts = (0..4_000).filter(|_| Strategy::Weighted.order(&candidates)[0] == 1).count();
        // Three in four; six standard deviations are 164.
        assert!((2_836..=3_164).contains(&firsts), "{firsts}");
    }
}

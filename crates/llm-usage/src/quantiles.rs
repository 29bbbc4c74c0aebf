//! [`Quantiles`]: durations counted in classes whose width grows with them.

use std::collections::BTreeMap;

/// How much longer the durations of a class are than those of the one before: one that stands for its class in the middle
/// is wrong by one percent at most.
const GROWTH: f64 = 1.02;

/// Durations, counted. Takes room for the classes that occur: less than 1,300 from a microsecond to a day.
#[derive(Clone, Debug, Default)]
pub(crate) struct Quantiles {
    /// By the number of the class; that of durations of no microsecond is -1.
    classes: BTreeMap<i16, u64>,
    count: u64,
}

impl Quantiles {
    /// Counts a duration in microseconds.
    pub(crate) fn take(&mut self, microseconds: i64) {
        let class = match microseconds {
            ..1 => -1,
            some => ((some as f64).ln() / GROWTH.ln()).floor() as i16,
        };
        *self.classes.entry(class).or_default() += 1;
        self.count += 1;
    }

    /// The duration in seconds that this share of all does not exceed; `None` where there is none at all.
    pub(crate) fn at(&self, share: f64) -> Option<f64> {
        let rank = ((self.count as f64 * share).ceil() as u64).max(1);
        let mut below = 0;
        let (class, _) = self.classes.iter().find(|(_, count)| {
            below += **count;
            below >= rank
        })?;
        match *class {
            ..0 => Some(0.0),
            class => Some(GROWTH.powf(f64::from(class) + 0.5) / 1e6),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn they_are_those_of_the_sorted_durations(
            durations in proptest::collection::vec(0_i64..100_000_000_000, 1..300),
            share in 0.01_f64..1.0,
        ) {
            let mut counted = Quantiles::default();
            durations.iter().for_each(|duration| counted.take(*duration));
            let mut sorted = durations;
            sorted.sort_unstable();
            let rank = (sorted.len() as f64 * share).ceil() as usize;
            let exact = sorted[rank.max(1) - 1] as f64 / 1e6;
            let told = counted.at(share).unwrap();
            prop_assert!((told - exact).abs() <= exact * 0.0101, "{told} is not about {exact}");
        }
    }

    #[test]
    fn nothing_has_none() {
        assert_eq!(Quantiles::default().at(0.5), None);
    }
}

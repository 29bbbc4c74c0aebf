//! [`Latency`]: how long a target has lately taken to its first event.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The weight of the newest measurement in the average.
const NEWEST: f64 = 0.2;

/// An average older than this says nothing any more: the target may have recovered, so one call finds out.
const STALE: Duration = Duration::from_secs(60);

/// How many measurements a percentile is taken of.
const SAMPLES: usize = 128;

/// The times to the first event: their decayed average, and the newest of them.
#[derive(Debug, Default)]
pub(crate) struct Latency {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    average: Option<f64>,
    measured: Option<Instant>,
    samples: VecDeque<Duration>,
}

impl Latency {
    /// An answer has begun after this time.
    pub(crate) fn record(&self, took: Duration) {
        let mut state = self.lock();
        let took_seconds = took.as_secs_f64();
        let average = state.average.unwrap_or(took_seconds);
        state.average = Some(average + NEWEST * (took_seconds - average));
        state.measured = Some(Instant::now());
        if state.samples.len() == SAMPLES {
            state.samples.pop_front();
        }
        state.samples.push_back(took);
    }

    /// The decayed average; `None` where nothing is known, or nothing new. Of all who ask about a stale average, one is
    /// told so and goes to find out; until it has, the others are told the old one.
    pub(crate) fn estimate(&self) -> Option<Duration> {
        let mut state = self.lock();
        let average = Duration::from_secs_f64(state.average?);
        let now = Instant::now();
        let is_stale = state.measured.is_none_or(|at| now.duration_since(at) > STALE);
        if is_stale {
            state.measured = Some(now);
            return None;
        }
        Some(average)
    }

    /// The time within which this share of the newest answers began; `None` with fewer than `least` of them.
    pub(crate) fn percentile(&self, share: f64, least: usize) -> Option<Duration> {
        let mut sorted: Vec<Duration> = self.lock().samples.iter().copied().collect();
        if sorted.len() < least.max(1) {
            return None;
        }
        sorted.sort_unstable();
        let rank = (share.clamp(0.0, 1.0) * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.saturating_sub(1)).copied()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_average_follows_and_grows_stale_once_for_all() {
        let latency = Latency::default();
        assert_eq!(latency.estimate(), None);
        latency.record(Duration::from_secs(1));
        latency.record(Duration::from_secs(2));
        assert_eq!(latency.estimate(), Some(Duration::from_millis(1_200)));
        tokio::time::advance(STALE + Duration::from_secs(1)).await;
        assert_eq!(latency.estimate(), None);
        assert_eq!(latency.estimate(), Some(Duration::from_millis(1_200)));
    }

    #[tokio::test(start_paused = true)]
    async fn percentiles_are_of_the_newest() {
        let latency = Latency::default();
        assert_eq!(latency.percentile(0.95, 1), None);
        (0..1_000).for_each(|ms| latency.record(Duration::from_millis(ms)));
        assert_eq!(latency.percentile(0.5, 20), Some(Duration::from_millis(872 + 63)));
        assert_eq!(latency.percentile(1.0, 20), Some(Duration::from_millis(999)));
        assert_eq!(latency.percentile(0.5, 129), None);
    }
}

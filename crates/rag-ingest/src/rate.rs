//! How fast ingestion is, and how long it will go on.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::Progress;

/// Totals at moments of the last half minute: a rate over these follows changes and is steady.
#[derive(Debug, Default)]
pub(crate) struct Rate {
    samples: VecDeque<Sample>,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Instant,
    documents: u64,
    bytes: u64,
    chunks: u64,
}

/// What rates are taken over.
const WINDOW: Duration = Duration::from_secs(30);
/// Samples are at least so far apart.
const APART: Duration = Duration::from_secs(1);
/// Nothing is said about a shorter time.
const SHORTEST: Duration = Duration::from_millis(200);

impl Rate {
    /// Forgets what was, since work begins after a rest.
    pub(crate) fn begin(&mut self, progress: &Progress, now: Instant) {
        self.samples.clear();
        self.samples.push_back(Sample::new(progress, now));
    }

    /// Writes the rates and the time left into `progress`, whose totals have changed.
    pub(crate) fn update(&mut self, progress: &mut Progress, now: Instant) {
        let latest = Sample::new(progress, now);
        while self.samples.len() > 1 && self.samples.get(1).is_some_and(|s| now - s.at > WINDOW) {
            self.samples.pop_front();
        }
        let first = *self.samples.front().unwrap_or(&latest);
        let elapsed = now.saturating_duration_since(first.at);
        if elapsed >= SHORTEST {
            let rate =
                |now: u64, then: u64| now.saturating_sub(then) as f64 / elapsed.as_secs_f64();
            progress.chunks_per_second = rate(latest.chunks, first.chunks);
            progress.bytes_per_second = rate(latest.bytes, first.bytes);
            let documents_per_second = rate(latest.documents, first.documents);
            progress.seconds_left = seconds_left(progress, documents_per_second);
        }
        if self.samples.back().is_none_or(|last| now.saturating_duration_since(last.at) >= APART) {
            self.samples.push_back(latest);
        }
    }
}

impl Sample {
    fn new(progress: &Progress, at: Instant) -> Self {
        let documents = progress.ended();
        Self { at, documents, bytes: progress.bytes, chunks: progress.chunks }
    }
}

/// By the bytes that are left, since documents differ in size; by documents where there are more of them than the bytes
/// tell of.
fn seconds_left(progress: &Progress, documents_per_second: f64) -> Option<u64> {
    let time = |left: u64, rate: f64| (rate > 0.0).then(|| left as f64 / rate);
    let bytes = progress.queued_bytes.saturating_sub(progress.bytes);
    let documents = progress.queued.saturating_sub(progress.ended());
    let by_bytes = time(bytes, progress.bytes_per_second)?;
    match bytes == 0 {
        true => time(documents, documents_per_second).map(|seconds| seconds.ceil() as u64),
        false => Some(by_bytes.ceil() as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_follows_the_bytes() {
        let began = Instant::now();
        let (mut rate, mut progress) = (Rate::default(), Progress::default());
        progress.queued = 10;
        progress.queued_bytes = 1_000;
        rate.begin(&progress, began);
        // One large document of ten: most of the work is done.
        (progress.done, progress.bytes, progress.chunks) = (1, 900, 90);
        rate.update(&mut progress, began + Duration::from_secs(9));
        assert_eq!(progress.bytes_per_second, 100.0);
        assert_eq!(progress.chunks_per_second, 10.0);
        assert_eq!(progress.seconds_left, Some(1));
        // Jobs of an earlier process, whose bytes nobody counted.
        (progress.done, progress.bytes) = (5, 1_400);
        rate.update(&mut progress, began + Duration::from_secs(10));
        assert_eq!(progress.seconds_left, Some(10));
    }

    #[test]
    fn what_was_long_ago_does_not_count() {
        let began = Instant::now();
        let (mut rate, mut progress) = (Rate::default(), Progress::default());
        rate.begin(&progress, began);
        for second in 1..=100 {
            progress.bytes += if second <= 50 { 1_000 } else { 10 };
            rate.update(&mut progress, began + Duration::from_secs(second));
        }
        assert_eq!(progress.bytes_per_second, 10.0);
        assert!(rate.samples.len() <= 33);
    }
}

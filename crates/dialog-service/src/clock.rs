//! [`Clock`]: how long the stages of a turn take.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::Stage;

/// Times the stages of a turn.
#[derive(Debug)]
pub(crate) struct Clock {
    began: Instant,
    lap: Instant,
    timings: BTreeMap<Stage, Duration>,
}

impl Clock {
    /// Begins with the first stage.
    pub(crate) fn start() -> Self {
        let now = Instant::now();
        Self { began: now, lap: now, timings: BTreeMap::new() }
    }

    /// Ends a stage, and begins the next.
    pub(crate) fn lap(&mut self, stage: Stage) {
        let now = Instant::now();
        self.timings.insert(stage, now - self.lap);
        self.lap = now;
    }

    /// Ends a stage that was there before, or may come again.
    pub(crate) fn add(&mut self, stage: Stage) {
        let now = Instant::now();
        *self.timings.entry(stage).or_default() += now - self.lap;
        self.lap = now;
    }

    /// Ends a stage, unless that was done.
    pub(crate) fn end(&mut self, stage: Stage) {
        if !self.timings.contains_key(&stage) {
            self.lap(stage);
        }
    }

    /// Ends what was before the model's first event, once.
    pub(crate) fn first_event(&mut self) {
        if !self.timings.contains_key(&Stage::FirstEvent) {
            self.lap(Stage::FirstEvent);
        }
    }

    /// How long each stage took, and all.
    pub(crate) fn finish(&mut self) -> BTreeMap<Stage, Duration> {
        self.timings.insert(Stage::Total, self.began.elapsed());
        std::mem::take(&mut self.timings)
    }
}

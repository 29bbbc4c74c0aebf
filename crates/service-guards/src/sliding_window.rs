//! [`SlidingWindow`]: how much was taken in the last minute, or any other span.

use std::collections::VecDeque;
use std::time::Duration;

/// Into how many parts a window is divided.
const PARTS: u64 = 60;

/// A sum over a window of time that moves with the clock. What is taken within a limit never exceeds it in *any*
/// window of that length, wherever it begins; a counter that starts anew each minute admits twice as much around the
/// full minute.
///
/// It is pure: the time is a parameter, as a span since a moment of the caller's choice. Amounts are kept by sub-windows
/// of a sixtieth, and an amount leaves when its whole sub-window has left. So it is conservative by up to one sixtieth: an
/// amount counts for the window at least and 61/60 of it at most, and steady load is admitted at 98.4 % of the limit at
/// least. Memory: 16 bytes for each sub-window with something in it, 62 of them at most.
///
/// ```
/// use service_guards::{Misfit, SlidingWindow};
/// use std::time::Duration;
///
/// let mut minute = SlidingWindow::new(Duration::from_secs(60));
/// let at = Duration::from_secs;
/// let taken = minute.take(8, 10, at(0)).unwrap();
/// assert_eq!(minute.take(4, 10, at(1)), Err(Misfit::For(at(60))));
/// minute.settle(taken, 6, at(2));
/// assert!(minute.take(4, 10, at(2)).is_ok(), "two came back");
/// assert_eq!(minute.take(11, 10, at(2)), Err(Misfit::Ever));
/// ```
#[derive(Clone, Debug)]
pub struct SlidingWindow {
    /// This and all times in nanoseconds.
    window: u64,
    part: u64,
    /// Amounts by sub-window, oldest first, none of them zero.
    amounts: VecDeque<(u64, u64)>,
    sum: u64,
    now: u64,
}

/// What was taken and where, to be [settled](SlidingWindow::settle) once.
#[derive(Debug, PartialEq, Eq)]
pub struct Taken {
    part: u64,
    amount: u64,
}

impl Taken {
    /// How much was taken.
    pub fn amount(&self) -> u64 {
        self.amount
    }
}

/// Why an amount cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// It does not fit for this long; sooner where something comes back before.
    For(Duration),
    /// It is more than the limit.
    Ever,
}

impl SlidingWindow {
    /// An empty one of this length, a microsecond at least.
    pub fn new(window: Duration) -> Self {
        let window = nanos(window).max(1_000);
        // Rounded up, so that the sub-windows never add up to less than the window.
        Self { window, part: window.div_ceil(PARTS), amounts: VecDeque::new(), sum: 0, now: 0 }
    }

    /// Takes `amount` if the window's sum stays within `limit`. A time before an earlier call's counts as that one.
    ///
    /// # Errors
    /// How long it does not fit.
    pub fn take(&mut self, amount: u64, limit: u64, now: Duration) -> Result<Taken, Misfit> {
        self.check(amount, limit, now)?;
        let part = self.part_of(self.now);
        self.add(part, amount);
        Ok(Taken { part, amount })
    }

    /// Whether [`take`](Self::take) would succeed.
    ///
    /// # Errors
    /// As there.
    pub fn check(&mut self, amount: u64, limit: u64, now: Duration) -> Result<(), Misfit> {
        self.advance(now);
        let Some(room) = limit.checked_sub(amount) else {
            return Err(Misfit::Ever);
        };
        match self.sum.checked_sub(room) {
            None | Some(0) => Ok(()),
            Some(excess) => Err(Misfit::For(self.until_gone(excess))),
        }
    }

    /// Replaces an amount that was taken by the `actual` one. What was too much comes back to where it was taken from,
    /// exactly; where that has left the window, it is gone anyway. What was too little is added now, even beyond the limit:
    /// it has been consumed.
    pub fn settle(&mut self, taken: Taken, actual: u64, now: Duration) {
        self.advance(now);
        match actual.checked_sub(taken.amount) {
            Some(more) => self.add(self.part_of(self.now), more),
            None => self.give_back(taken.part, taken.amount - actual),
        }
    }

    /// The sum over the window.
    pub fn sum(&mut self, now: Duration) -> u64 {
        self.advance(now);
        self.sum
    }

    fn part_of(&self, now: u64) -> u64 {
        now / self.part
    }

    /// When a sub-window has left as a whole.
    fn end_of(&self, part: u64) -> u64 {
        (part + 1) * self.part + self.window
    }

    fn advance(&mut self, now: Duration) {
        self.now = self.now.max(nanos(now));
        while let Some((part, amount)) = self.amounts.front().copied() {
            if self.end_of(part) > self.now {
                break;
            }
            self.amounts.pop_front();
            self.sum -= amount;
        }
    }

    fn add(&mut self, part: u64, amount: u64) {
        // Beyond what can be counted nothing fits any more, which is right.
        let amount = amount.min(u64::MAX - self.sum);
        if amount == 0 {
            return;
        }
        self.sum += amount;
        match self.amounts.back_mut() {
            Some((last, sum)) if *last == part => *sum += amount,
            _ => self.amounts.push_back((part, amount)),
        }
    }

    fn give_back(&mut self, part: u64, amount: u64) {
        let Ok(at) = self.amounts.binary_search_by_key(&part, |(part, _)| *part) else {
            return;
        };
        if let Some((_, sum)) = self.amounts.get_mut(at) {
            let amount = amount.min(*sum);
            *sum -= amount;
            self.sum -= amount;
            if *sum == 0 {
                self.amounts.remove(at);
            }
        }
    }

    /// How long until `excess` of the sum has left.
    fn until_gone(&self, excess: u64) -> Duration {
        let mut gone = 0;
        let gone_with = |(_, amount): &&(u64, u64)| {
            gone += amount;
            gone >= excess
        };
        let last = self.amounts.iter().find(gone_with);
        let wait = last.map_or(self.window, |(part, _)| self.end_of(*part) - self.now);
        Duration::from_nanos(wait)
    }
}

/// A span in nanoseconds. One of more than 140 years counts as that, so that sums of a few do not overflow.
fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX).min(u64::MAX / 4)
}

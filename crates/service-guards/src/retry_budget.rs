//! [`RetryBudget`]: a bound on the extra load that retries may put on a service in trouble.

use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

/// A token bucket for retries, shared by all calls to one target. Each call pays in a share of a token, each retry
/// takes a whole one. With a share of 0.2 retries are at most 20 % of the calls, plus a small stock.
///
/// A stock lets rare calls be retried at all; it refills slowly with time, for the same reason. tower's own budget is
/// not used because its stock is a rate per second, which alone exceeds a fifth of a moderate load.
#[derive(Debug)]
pub struct RetryBudget {
    share: f64,
    stock: f64,
    per_second: f64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    tokens: f64,
    at: Instant,
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self::new(0.2, 10)
    }
}

impl RetryBudget {
    /// Retries up to `share` of the calls, and `stock` beyond that. The stock refills by one token in ten seconds.
    pub fn new(share: f64, stock: u32) -> Self {
        let share = if share.is_finite() { share.max(0.0) } else { 0.0 };
        let stock = f64::from(stock);
        let state = Mutex::new(State { tokens: stock, at: Instant::now() });
        Self { share, stock, per_second: 0.1, state }
    }

    /// A call begins: pays in.
    pub fn deposit(&self) {
        self.update(|tokens| *tokens += self.share);
    }

    /// Takes a token for a retry; false when there is none.
    pub fn withdraw(&self) -> bool {
        self.update(|tokens| {
            let enough = *tokens >= 1.0;
            if enough {
                *tokens -= 1.0;
            }
            enough
        })
    }

    fn update<T>(&self, change: impl FnOnce(&mut f64) -> T) -> T {
        let now = Instant::now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = now.saturating_duration_since(state.at).as_secs_f64();
        state.at = now;
        state.tokens = (state.tokens + passed * self.per_second).min(self.stock);
        let outcome = change(&mut state.tokens);
        state.tokens = state.tokens.min(self.stock);
        outcome
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_storm_is_bounded_by_the_share_and_the_stock() {
        let budget = RetryBudget::new(0.2, 10);
        let mut retries = 0;
        for _ in 0..10_000 {
            budget.deposit();
            retries += (0..2).filter(|_| budget.withdraw()).count();
        }
        assert!((2_000..=2_010).contains(&retries), "{retries}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_stock_comes_back_with_time_and_never_exceeds_itself() {
        let budget = RetryBudget::new(0.0, 2);
        assert_eq!([budget.withdraw(), budget.withdraw(), budget.withdraw()], [true, true, false]);
        tokio::time::advance(Duration::from_secs(11)).await;
        assert_eq!([budget.withdraw(), budget.withdraw()], [true, false]);
        tokio::time::advance(Duration::from_secs(3_600)).await;
        assert_eq!([budget.withdraw(), budget.withdraw(), budget.withdraw()], [true, true, false]);
    }
}

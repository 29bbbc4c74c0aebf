//! [`RetryLayer`]: tries again before the first event, never after it.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use tower::{Layer, Service, ServiceExt};

use crate::{Reply, Retry, RetryBudget, RetryHint};

/// How often and how soon to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryOptions {
    /// Tries after the first one.
    pub retries: u32,
    /// The upper bound of the pause before the first retry; it doubles with each further one. The pause itself is drawn
    /// from zero up to the bound (full jitter).
    pub first_pause: Duration,
    /// The bound never grows beyond this.
    pub longest_pause: Duration,
    /// When the other side asks for more patience than this ([`Retry::After`]), its error is returned instead.
    pub longest_wait: Duration,
}

impl Default for RetryOptions {
    /// Two retries, pauses of up to 0.5 s and 1 s, and no more than 60 s of patience.
    fn default() -> Self {
        Self {
            retries: 2,
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(8),
            longest_wait: Duration::from_secs(60),
        }
    }
}

impl RetryOptions {
    /// How long to pause before retry number `retry` (from 0) after an error with this hint; `None` means not to retry.
    fn pause(&self, retry: u32, hint: Retry) -> Option<Duration> {
        if retry >= self.retries {
            return None;
        }
        match hint {
            Retry::No | Retry::Exhausted => None,
            Retry::Now => {
                let doubled = self.first_pause.saturating_mul(2_u32.saturating_pow(retry));
                Some(random_up_to(doubled.min(self.longest_pause)))
            }
            Retry::After(wait) if wait > self.longest_wait => None,
            // Never sooner than asked; a little later, so that all who were told the same do not come at once.
            Retry::After(wait) => Some(wait.saturating_add(random_up_to(self.first_pause))),
        }
    }
}

/// A random duration in `0..=bound`. The standard library's hasher keys are random enough to spread callers out.
fn random_up_to(bound: Duration) -> Duration {
    let random = RandomState::new().hash_one(0_u8) >> 11;
    bound.mul_f64(random as f64 / (1_u64 << 53) as f64)
}

/// Which options hold for a request: [`RetryOptions`] for all, or a function of the request.
pub trait ChooseRetry<R>: Clone + Send + 'static {
    /// The options for this request.
    fn choose(&self, request: &R) -> RetryOptions;
}

impl<R> ChooseRetry<R> for RetryOptions {
    fn choose(&self, _: &R) -> RetryOptions {
        *self
    }
}

impl<R, F> ChooseRetry<R> for F
where
    F: Fn(&R) -> RetryOptions + Clone + Send + 'static,
{
    fn choose(&self, request: &R) -> RetryOptions {
        self(request)
    }
}

/// How many events may come before the one that commits, at most. An answer with more of them is handed on as it is.
const HEAD_EVENTS: usize = 64;

/// Tries a failed call again when its error says that this can help ([`RetryHint`]), the budget allows it, and nothing of
/// the answer has been handed out. To know that, it reads up to the first event that *commits* before it hands the reply
/// on: an error until then counts like an error of the head. Which events commit is the caller's to say
/// ([`RetryLayer::until`]); a notice that the call was accepted does not, for example. A failed attempt is dropped before
/// the pause.
pub struct RetryLayer<C, T> {
    options: C,
    budget: Arc<RetryBudget>,
    commits: fn(&T) -> bool,
}

impl<C, T> RetryLayer<C, T> {
    /// Retries as `options` say, with tokens from `budget`, which all services of one target should share. Any event
    /// commits.
    pub fn new(options: C, budget: Arc<RetryBudget>) -> Self {
        Self { options, budget, commits: |_| true }
    }

    /// The same, where only events that `commits` accepts are an answer. The others are held back until one of these
    /// comes, 64 of them at most.
    pub fn until(mut self, commits: fn(&T) -> bool) -> Self {
        self.commits = commits;
        self
    }
}

impl<C: Clone, T> Clone for RetryLayer<C, T> {
    fn clone(&self) -> Self {
        Self { options: self.options.clone(), budget: self.budget.clone(), commits: self.commits }
    }
}

impl<C: fmt::Debug, T> fmt::Debug for RetryLayer<C, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryLayer").field("budget", &self.budget).finish_non_exhaustive()
    }
}

impl<S, C: Clone, T> Layer<S> for RetryLayer<C, T> {
    type Service = Retrying<S, C, T>;

    fn layer(&self, inner: S) -> Self::Service {
        Retrying { inner, layer: self.clone() }
    }
}

/// A service that is tried again.
#[derive(Debug)]
pub struct Retrying<S, C, T> {
    inner: S,
    layer: RetryLayer<C, T>,
}

impl<S: Clone, C: Clone, T> Clone for Retrying<S, C, T> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), layer: self.layer.clone() }
    }
}

impl<S, C, R, T, E> Service<R> for Retrying<S, C, T>
where
    C: ChooseRetry<R>,
    S: Service<R, Response = Reply<T, E>, Error = E> + Clone + Send + 'static,
    S::Future: Send,
    R: Clone + Send + 'static,
    T: Send + 'static,
    E: RetryHint + Send + 'static,
{
    type Response = Reply<T, E>;
    type Error = E;
    type Future = BoxFuture<'static, Result<Reply<T, E>, E>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), E>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: R) -> Self::Future {
        let inner = self.inner.clone();
        let RetryLayer { options, budget, commits } = self.layer.clone();
        let options = options.choose(&request);
        Box::pin(async move {
            budget.deposit();
            for retry in 0.. {
                // The last attempt takes the request itself.
                if retry == options.retries {
                    break;
                }
                let error = match attempt(inner.clone(), request.clone(), commits).await {
                    Ok(reply) => return Ok(reply),
                    Err(error) => error,
                };
                let Some(pause) = options.pause(retry, error.retry()) else {
                    return Err(error);
                };
                if !budget.withdraw() {
                    tracing::warn!("no retry: the retry budget is used up");
                    return Err(error);
                }
                drop(error);
                tracing::debug!(retry = retry + 1, ?pause, "trying again");
                tokio::time::sleep(pause).await;
            }
            attempt(inner, request, commits).await
        })
    }
}

/// One call, up to the first event that commits.
async fn attempt<S, R, T, E>(
    service: S,
    request: R,
    commits: fn(&T) -> bool,
) -> Result<Reply<T, E>, E>
where
    S: Service<R, Response = Reply<T, E>, Error = E>,
{
    service.oneshot(request).await?.read_ahead(HEAD_EVENTS, commits).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_follow_the_hint() {
        let options = RetryOptions::default();
        let asked = Duration::from_secs(7);
        for _ in 0..200 {
            assert!(options.pause(0, Retry::Now).unwrap() <= options.first_pause);
            assert!(options.pause(1, Retry::Now).unwrap() <= options.first_pause * 2);
            let pause = options.pause(0, Retry::After(asked)).unwrap();
            assert!((asked..=asked + options.first_pause).contains(&pause));
        }
        for (retry, hint) in [
            (0, Retry::No),
            (0, Retry::Exhausted),
            (2, Retry::Now),
            (2, Retry::After(asked)),
            (0, Retry::After(Duration::from_secs(61))),
        ] {
            assert_eq!(options.pause(retry, hint), None, "{retry} {hint:?}");
        }
    }

    #[test]
    fn jitter_spreads_over_the_whole_range() {
        let bound = Duration::from_secs(1);
        let drawn: Vec<_> = (0..1_000).map(|_| random_up_to(bound)).collect();
        assert!(drawn.iter().all(|pause| *pause <= bound));
        assert!(drawn.iter().any(|pause| *pause < bound / 4));
        assert!(drawn.iter().any(|pause| *pause > bound * 3 / 4));
    }
}

//! [`CachedTokens`]: a token is kept while it lasts, and asked for once however many wait.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared, WeakShared};
use tokio::time::Instant;

use super::{AccessToken, TokenError, TokenSource};

/// How long before its end a token is replaced. The metadata server gives a new one four minutes before the end of the
/// old; asking earlier would bring the same one again.
const MARGIN: Duration = Duration::from_secs(225);

/// How long a token counts whose end is not known.
const UNKNOWN: Duration = Duration::from_secs(600);

type Asking = BoxFuture<'static, Result<AccessToken, TokenError>>;

/// Keeps the tokens of another source.
///
/// All callers that need a new token wait for the same question; when one of them leaves, the others go on, and when all
/// leave, the question is dropped. While the old token still lasts, a failure to get a new one is no failure.
#[derive(Clone)]
pub struct CachedTokens {
    source: Arc<dyn TokenSource>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    held: Option<Held>,
    asking: Option<WeakShared<Asking>>,
}

#[derive(Clone)]
struct Held {
    token: AccessToken,
    /// From when on a new one is asked for.
    renew: Instant,
    end: Instant,
}

impl CachedTokens {
    /// Keeps the tokens of `source`. Nothing is asked yet.
    pub fn new(source: Arc<dyn TokenSource>) -> Self {
        Self { source, state: Arc::default() }
    }

    /// The token if it is fresh, else the question that is under way.
    fn look(&self) -> Result<AccessToken, Shared<Asking>> {
        let mut state = lock(&self.state);
        let now = Instant::now();
        if let Some(held) = state.held.as_ref().filter(|held| now < held.renew) {
            return Ok(held.token_at(now));
        }
        if let Some(asking) = state.asking.as_ref().and_then(WeakShared::upgrade) {
            return Err(asking);
        }
        let asking = ask(self.source.clone(), self.state.clone()).shared();
        state.asking = asking.downgrade();
        Err(asking)
    }

    /// The old token, if it still lasts.
    fn old(&self) -> Option<AccessToken> {
        let now = Instant::now();
        let state = lock(&self.state);
        state.held.as_ref().filter(|held| now < held.end).map(|held| held.token_at(now))
    }
}

impl TokenSource for CachedTokens {
    fn token(&self) -> BoxFuture<'static, Result<AccessToken, TokenError>> {
        let tokens = self.clone();
        async move {
            let asking = match tokens.look() {
                Ok(token) => return Ok(token),
                Err(asking) => asking,
            };
            match asking.await {
                Ok(token) => Ok(token),
                Err(error) => match tokens.old() {
                    Some(token) => {
                        tracing::warn!(%error, "the access token could not be renewed; the old one still lasts");
                        Ok(token)
                    }
                    None => Err(error),
                },
            }
        }
        .boxed()
    }

    fn refused(&self) {
        lock(&self.state).held = None;
        self.source.refused();
    }
}

impl Held {
    fn token_at(&self, now: Instant) -> AccessToken {
        let lasts = self.token.lasts.map(|_| self.end.saturating_duration_since(now));
        AccessToken { secret: self.token.secret.clone(), lasts }
    }
}

fn ask(source: Arc<dyn TokenSource>, state: Arc<Mutex<State>>) -> Asking {
    async move {
        let token = source.token().await?;
        let lasts = token.lasts.unwrap_or(UNKNOWN);
        let now = Instant::now();
        // A token that lasts less than the margin is used for half of its life.
        let fresh = lasts.checked_sub(MARGIN).unwrap_or(lasts / 2);
        let held = Held { token: token.clone(), renew: now + fresh, end: now + lasts };
        lock(&state).held = Some(held);
        Ok(token)
    }
    .boxed()
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::future::join_all;
    use llm_core::ErrorKind;
    use secrecy::ExposeSecret;

    use super::*;

    /// Answers with its count after a second; the numbers in `failing` fail.
    struct Counting {
        asked: Arc<AtomicUsize>,
        failing: &'static [usize],
    }

    impl TokenSource for Counting {
        fn token(&self) -> Asking {
            let (asked, failing) = (self.asked.clone(), self.failing);
            async move {
                let number = asked.fetch_add(1, Ordering::SeqCst) + 1;
                tokio::time::sleep(Duration::from_secs(1)).await;
                if failing.contains(&number) {
                    return Err(TokenError::new(ErrorKind::Upstream, "down"));
                }
                let secret = format!("t{number}").into();
                Ok(AccessToken { secret, lasts: Some(Duration::from_secs(3600)) })
            }
            .boxed()
        }
    }

    fn tokens(failing: &'static [usize]) -> CachedTokens {
        CachedTokens::new(Arc::new(Counting { asked: Arc::default(), failing }))
    }

    async fn text(tokens: &CachedTokens) -> Result<String, ErrorKind> {
        let token = tokens.token().await.map_err(|error| error.kind())?;
        Ok(token.secret.expose_secret().to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn many_wait_for_one_question() {
        let tokens = tokens(&[]);
        let all = join_all((0..50).map(|_| text(&tokens))).await;
        assert!(all.iter().all(|token| token == &Ok("t1".to_owned())));
        tokio::time::advance(Duration::from_secs(3300)).await;
        assert_eq!(text(&tokens).await, Ok("t1".to_owned()));
        tokio::time::advance(Duration::from_secs(100)).await;
        assert_eq!(text(&tokens).await, Ok("t2".to_owned()));
    }

    #[tokio::test(start_paused = true)]
    async fn the_old_token_serves_until_its_end() {
        let tokens = tokens(&[2, 3]);
        assert_eq!(text(&tokens).await, Ok("t1".to_owned()));
        tokio::time::advance(Duration::from_secs(3500)).await;
        assert_eq!(text(&tokens).await, Ok("t1".to_owned()), "the second question failed");
        tokio::time::advance(Duration::from_secs(200)).await;
        assert_eq!(text(&tokens).await, Err(ErrorKind::Upstream));
        assert_eq!(text(&tokens).await, Ok("t4".to_owned()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_token_is_forgotten() {
        let tokens = tokens(&[]);
        assert_eq!(text(&tokens).await, Ok("t1".to_owned()));
        tokens.refused();
        assert_eq!(text(&tokens).await, Ok("t2".to_owned()));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_leaves_takes_nothing_from_the_others() {
        let tokens = tokens(&[]);
        let first = tokens.token();
        let left = tokio::time::timeout(Duration::from_millis(500), first);
        let (left, stayed) = tokio::join!(left, text(&tokens));
        assert!(left.is_err());
        assert_eq!(stayed, Ok("t1".to_owned()));

        // When all leave, nothing goes on, and the next caller asks anew.
        tokens.refused();
        assert!(tokio::time::timeout(Duration::from_millis(500), tokens.token()).await.is_err());
        assert_eq!(text(&tokens).await, Ok("t3".to_owned()));
    }
}

//! [`RedisConnection`]: questions to Redis that never take long, also when it is gone.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::io::tcp::TcpSettings;
use redis::{Client, IntoConnectionInfo, RedisError, RedisResult};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

/// Commands that may be on their way at once before further ones wait for room.
const PIPELINE: usize = 1_024;

/// The longest pause between two attempts to connect.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// Attempts to connect before the next question has to start them again.
const ATTEMPTS: usize = 20;

/// How long the first connection may take, which has a name to look up and perhaps a TLS handshake ahead.
const FIRST_CONNECTION: Duration = Duration::from_secs(2);

/// How long a peer may leave bytes unacknowledged before the connection counts as broken.
const UNACKNOWLEDGED: Duration = Duration::from_secs(10);

/// Where Redis is, and how patient to be.
#[derive(Clone, Debug)]
pub struct RedisOptions {
    /// `redis://[user:password@]host[:port][/db]`, `rediss://…` for TLS, or `redis+unix:///path`. May hold a password.
    pub url: SecretString,
    /// The longest that one question may take. Default 50 ms.
    pub timeout: Duration,
    /// After a failure Redis is left alone for this long. Default 1 s.
    pub rest: Duration,
    /// What all keys begin with, so that several installations can share a server. Default `colloquy`. Braces in it
    /// count as underscores, since they would change the hash slot of a key.
    pub prefix: String,
}

impl RedisOptions {
    /// The defaults, for this address.
    pub fn new(url: impl Into<SecretString>) -> Self {
        Self {
            url: url.into(),
            timeout: Duration::from_millis(50),
            rest: Duration::from_secs(1),
            prefix: "colloquy".into(),
        }
    }
}

/// Redis does not answer: it is gone, too slow, or refuses what it is asked. The log has the cause, once for each change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("redis does not answer")]
pub struct Unavailable;

/// A connection that is made again when it breaks. Clones share it.
///
/// A question takes no longer than [`RedisOptions::timeout`]. After one that fails, further questions fail at once for
/// [`RedisOptions::rest`]; then one of them tries again. So while Redis is gone it delays one call a second, by the
/// timeout. Each change between the two states is logged once.
#[derive(Clone)]
pub struct RedisConnection {
    shared: Arc<Shared>,
}

struct Shared {
    manager: ConnectionManager,
    timeout: Duration,
    rest: Duration,
    prefix: String,
    started: Instant,
    available: AtomicBool,
    /// In milliseconds since `started`: no question before that moment.
    resting_until: AtomicU64,
}

impl RedisConnection {
    /// A connection that is made with the first question, on the runtime that this is called on.
    ///
    /// # Errors
    /// An address that cannot be read. The message does not repeat it, since it may hold a password.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn open(options: &RedisOptions) -> Result<Self, RedisError> {
        let tcp = TcpSettings::default().set_nodelay(true);
        #[cfg(any(target_os = "linux", target_os = "android", target_os = "fuchsia"))]
        let tcp = tcp.set_user_timeout(UNACKNOWLEDGED);
        let address = options.url.expose_secret().into_connection_info()?.set_tcp_settings(tcp);
        let config = ConnectionManagerConfig::new()
            .set_max_delay(LONGEST_PAUSE)
            .set_number_of_retries(ATTEMPTS)
            .set_connection_timeout(Some(FIRST_CONNECTION))
            .set_response_timeout(None)
            .set_pipeline_buffer_size(PIPELINE);
        let manager = ConnectionManager::new_lazy_with_config(Client::open(address)?, config)?;
        let shared = Shared {
            manager,
            timeout: options.timeout,
            rest: options.rest,
            prefix: options.prefix.replace(['{', '}'], "_"),
            started: Instant::now(),
            available: AtomicBool::new(true),
            resting_until: AtomicU64::new(0),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Connects, with more patience than a question has. Whether Redis answers is known afterwards.
    ///
    /// # Errors
    /// It did not within two seconds. The connection can be used all the same: it is tried again.
    pub async fn connect(&self) -> Result<(), Unavailable> {
        let mut manager = self.shared.manager.clone();
        let ping = async move { redis::cmd("PING").query_async::<String>(&mut manager).await };
        self.judge(tokio::time::timeout(FIRST_CONNECTION, ping).await).map(drop)
    }

    /// Asks. Dropping the future gives up waiting; what was sent may still be done.
    ///
    /// # Errors
    /// [`Unavailable`] after the timeout, at once while Redis is left alone, and for an answer that is an error.
    pub async fn ask<T, F>(
        &self,
        question: impl FnOnce(ConnectionManager) -> F,
    ) -> Result<T, Unavailable>
    where
        F: Future<Output = RedisResult<T>>,
    {
        if !self.may_ask() {
            return Err(Unavailable);
        }
        let answer = question(self.shared.manager.clone());
        self.judge(tokio::time::timeout(self.shared.timeout, answer).await)
    }

    /// Whether the last question was answered.
    pub fn is_available(&self) -> bool {
        self.shared.available.load(Ordering::Relaxed)
    }

    /// What all keys begin with.
    pub fn prefix(&self) -> &str {
        &self.shared.prefix
    }

    /// Always while Redis answers; otherwise once in a while, for one caller.
    fn may_ask(&self) -> bool {
        if self.is_available() {
            return true;
        }
        let resting_until = self.shared.resting_until.load(Ordering::Relaxed);
        resting_until <= self.now() && self.rest_from(resting_until)
    }

    /// Leaves Redis alone from now on; false when another caller has just done so.
    fn rest_from(&self, known: u64) -> bool {
        let until = self.now().saturating_add(self.shared.rest.as_millis() as u64);
        let resting_until = &self.shared.resting_until;
        resting_until.compare_exchange(known, until, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    fn now(&self) -> u64 {
        self.shared.started.elapsed().as_millis() as u64
    }

    fn judge<T, E>(&self, answer: Result<RedisResult<T>, E>) -> Result<T, Unavailable> {
        let available = &self.shared.available;
        let cause = match answer {
            Ok(Ok(answer)) => {
                if !available.swap(true, Ordering::Relaxed) {
                    tracing::info!("redis answers again");
                }
                return Ok(answer);
            }
            Ok(Err(error)) => Some(error),
            Err(_) => None,
        };
        self.rest_from(self.shared.resting_until.load(Ordering::Relaxed));
        if available.swap(false, Ordering::Relaxed) {
            let cause =
                cause.as_ref().map_or(&"it is too slow" as &dyn fmt::Display, |error| error);
            tracing::warn!(%cause, "redis does not answer");
        }
        Err(Unavailable)
    }
}

impl fmt::Debug for RedisConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConnection")
            .field("prefix", &self.shared.prefix)
            .field("available", &self.is_available())
            .finish_non_exhaustive()
    }
}

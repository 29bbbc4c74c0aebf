//! [`Door`]: finds out whose request it is, on a server that asks.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use accounts::{AccountStore, AccountsError, KeySecret, KeyStatus, SessionSecret};
use futures::future::BoxFuture;
use jiff::Timestamp;
use llm_bundle::{PoolError, SyncPool};
use lru::LruCache;

use crate::caller::{Caller, Identity};

/// The file of accounts in the data directory. It is apart from the store's, which one process has at a time, so that
/// keys can be made and revoked while a server runs.
pub(crate) const FILE: &str = "accounts.sqlite";

/// How long a secret that was found is believed in: a key that a command revokes opens nothing more after this time.
const BELIEVED: Duration = Duration::from_secs(5);
/// Secrets that are remembered; some 300 bytes each.
const MOST_REMEMBERED: usize = 4096;
/// Addresses whose wrong passwords are remembered.
const MOST_GUESSED: NonZeroUsize = NonZeroUsize::new(4096).expect("it is not zero");
/// Wrong passwords in a row for which nobody has to wait.
const FREE_GUESSES: u32 = 5;
/// The longest wait between two passwords of one address.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Finds out whose request it is. Those who were found a moment ago are remembered, so that few requests wait for the disk.
pub(crate) struct Door {
    store: Arc<AccountStore>,
    threads: SyncPool,
    remembered: Mutex<HashMap<blake3::Hash, (Caller, Instant)>>,
    guesses: Mutex<LruCache<String, Guesses>>,
}

/// What lets somebody in.
#[derive(Clone, Debug)]
pub(crate) enum Credential {
    /// An API key.
    Key(KeySecret),
    /// The session of a person who logged in.
    Session(SessionSecret),
}

impl Credential {
    /// The one that is written so.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        KeySecret::parse(text)
            .map(Self::Key)
            .or_else(|| SessionSecret::parse(text).map(Self::Session))
    }

    fn hash(&self) -> blake3::Hash {
        match self {
            Self::Key(secret) => secret.hash(),
            Self::Session(secret) => secret.hash(),
        }
    }
}

/// Why accounts were not asked, or what they answered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DoorError {
    /// No thread is free to look.
    #[error("no thread looks at the accounts")]
    Threads(#[from] PoolError),
    /// They refuse, or the file cannot be read.
    #[error(transparent)]
    Accounts(#[from] AccountsError),
    /// Too many wrong passwords were given.
    #[error("too many wrong passwords; try again in {} s", .0.as_secs().max(1))]
    Wait(Duration),
}

/// Wrong passwords in a row of one address.
#[derive(Clone, Copy)]
struct Guesses {
    wrong: u32,
    again: Instant,
}

impl Door {
    /// Looks at these accounts, on these threads.
    pub(crate) fn new(store: Arc<AccountStore>, threads: SyncPool) -> Self {
        let (remembered, guesses) = (Mutex::default(), Mutex::new(LruCache::new(MOST_GUESSED)));
        Self { store, threads, remembered, guesses }
    }

    /// Whom this lets in now, if anybody.
    ///
    /// # Errors
    /// [`DoorError`]: then nobody may be let in.
    pub(crate) async fn find(&self, credential: Credential) -> Result<Option<Caller>, DoorError> {
        let hash = credential.hash();
        if let Some(caller) = self.remembered(&hash) {
            return Ok(Some(caller));
        }
        let found = self.with_store(move |store| match &credential {
            Credential::Key(secret) => Ok(store.verify_key(secret)?.map(Caller::with_key)),
            Credential::Session(secret) => Ok(store.session(secret)?.map(Caller::with_session)),
        });
        let Some(caller) = found.await? else {
            return Ok(None);
        };
        let mut remembered = lock(&self.remembered);
        if remembered.len() >= MOST_REMEMBERED {
            remembered.clear();
        }
        remembered.insert(hash, (caller.clone(), Instant::now()));
        Ok(Some(caller))
    }

    /// Works with the accounts on a thread. The future borrows nothing.
    pub(crate) fn with_store<T: Send + 'static>(
        &self,
        work: impl FnOnce(&AccountStore) -> Result<T, AccountsError> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, DoorError>> {
        let store = self.store.clone();
        let job = self.threads.submit(move || work(&store));
        Box::pin(async move { Ok(job?.await??) })
    }

    /// The same for work that tries a password of this address. After some wrong ones in a row the next has to wait, and so
    /// has everybody who gives that address.
    ///
    /// # Errors
    /// [`DoorError::Wait`], and those of the work.
    pub(crate) async fn with_password<T: Send + 'static>(
        &self,
        email: &str,
        work: impl FnOnce(&AccountStore) -> Result<T, AccountsError> + Send + 'static,
    ) -> Result<T, DoorError> {
        let who = email.trim().to_lowercase();
        let wrong = match lock(&self.guesses).get(&who) {
            Some(guesses) if guesses.again > Instant::now() => {
                return Err(DoorError::Wait(guesses.again.duration_since(Instant::now())));
            }
            guesses => guesses.map_or(0, |guesses| guesses.wrong),
        };
        let done = self.with_store(work).await;
        let mut guesses = lock(&self.guesses);
        match &done {
            Err(DoorError::Accounts(AccountsError::WrongPassword)) => {
                let again = Instant::now() + wait(wrong + 1);
                guesses.put(who, Guesses { wrong: wrong + 1, again });
            }
            Ok(_) => {
                guesses.pop(&who);
            }
            Err(_) => {}
        }
        done
    }

    /// Forgets whom it remembers: somebody's rights changed.
    pub(crate) fn forget(&self) {
        lock(&self.remembered).clear();
    }

    fn remembered(&self, hash: &blake3::Hash) -> Option<Caller> {
        let remembered = lock(&self.remembered);
        let (caller, since) = remembered.get(hash)?;
        let opens = since.elapsed() < BELIEVED
            && match &caller.identity {
                Identity::Key(key) => key.status(Timestamp::now()) == KeyStatus::Active,
                Identity::Person(session) => session.expires_at > Timestamp::now(),
                Identity::Local => true,
            };
        opens.then(|| caller.clone())
    }
}

/// How long the next password waits after so many wrong ones.
fn wait(wrong: u32) -> Duration {
    let doublings = wrong.saturating_sub(FREE_GUESSES);
    match doublings {
        0 => Duration::ZERO,
        some => Duration::from_secs(1 << some.min(10)).min(LONGEST_WAIT),
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::wait;

    #[test]
    fn who_guesses_waits_longer_and_longer() {
        let seconds: Vec<u64> = (1..=12).map(|wrong| wait(wrong).as_secs()).collect();
        assert_eq!(seconds, [0, 0, 0, 0, 0, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(wait(u32::MAX), Duration::from_secs(60));
    }
}

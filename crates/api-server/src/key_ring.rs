//! [`KeyRing`]: the API keys that open this server.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use accounts::{AccountsError, ApiKey, KeySecret, KeyStatus, KeyStore};
use jiff::Timestamp;
use llm_bundle::{PoolError, SyncPool};

/// The file of accounts in the data directory. It is apart from the store's, which one process has at a time, so that
/// keys can be made and revoked while a server runs.
pub(crate) const FILE: &str = "accounts.sqlite";

/// How long a key that was found is believed in: a key that a command revokes opens nothing more after this time.
const BELIEVED: Duration = Duration::from_secs(5);
/// Keys that are remembered; some 200 bytes each.
const MOST_REMEMBERED: usize = 4096;

/// The API keys that open this server. Those used a moment ago are remembered, so that few requests wait for the disk.
pub(crate) struct KeyRing {
    store: Arc<KeyStore>,
    threads: SyncPool,
    remembered: Mutex<HashMap<blake3::Hash, (Arc<ApiKey>, Instant)>>,
}

/// Why it is not known whether a key opens anything.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyRingError {
    /// No thread is free to look.
    #[error("no thread looks the key up")]
    Threads(#[from] PoolError),
    /// The file cannot be read.
    #[error("the key cannot be looked up")]
    Store(#[from] AccountsError),
}

impl KeyRing {
    /// Opens the file of accounts. Blocks.
    ///
    /// # Errors
    /// As [`KeyStore::open`].
    pub(crate) fn open(data_dir: &Path, threads: SyncPool) -> Result<Self, AccountsError> {
        let store = Arc::new(KeyStore::open(&data_dir.join(FILE))?);
        Ok(Self { store, threads, remembered: Mutex::default() })
    }

    /// The key that this is, if it opens anything now.
    ///
    /// # Errors
    /// [`KeyRingError`]: then nobody may be let in.
    pub(crate) async fn find(
        &self,
        secret: KeySecret,
    ) -> Result<Option<Arc<ApiKey>>, KeyRingError> {
        let hash = secret.hash();
        if let Some(key) = self.remembered(&hash) {
            return Ok(Some(key));
        }
        let store = self.store.clone();
        let Some(key) = self.threads.run(move || store.verify(&secret)).await?? else {
            return Ok(None);
        };
        let key = Arc::new(key);
        let mut remembered = self.lock();
        if remembered.len() >= MOST_REMEMBERED {
            remembered.clear();
        }
        remembered.insert(hash, (key.clone(), Instant::now()));
        Ok(Some(key))
    }

    fn remembered(&self, hash: &blake3::Hash) -> Option<Arc<ApiKey>> {
        let remembered = self.lock();
        let (key, since) = remembered.get(hash)?;
        let opens = since.elapsed() < BELIEVED && key.status(Timestamp::now()) == KeyStatus::Active;
        opens.then(|| key.clone())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<blake3::Hash, (Arc<ApiKey>, Instant)>> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! [`MemoryCache`]: answers in this process, the least used forgotten first.

use std::fmt;
use std::future::ready;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use llm_core::BoxError;
use lru::LruCache;
use tokio::time::Instant;

use super::key::CacheKey;
use super::store::CacheStore;

/// What an entry takes besides its bytes: the key twice, times, links of the list and the map.
const ENTRY_OVERHEAD: usize = 192;

/// A [`CacheStore`] in memory that never holds more than its bytes. It never makes a caller wait.
pub struct MemoryCache {
    max_bytes: usize,
    shelf: Mutex<Shelf>,
}

struct Shelf {
    entries: LruCache<CacheKey, Entry>,
    bytes: usize,
}

struct Entry {
    value: Bytes,
    until: Instant,
}

impl Entry {
    fn size(&self) -> usize {
        self.value.len() + ENTRY_OVERHEAD
    }
}

impl MemoryCache {
    /// Holds at most `max_bytes`, its own overhead of some 200 bytes for each entry included.
    pub fn new(max_bytes: usize) -> Self {
        Self { max_bytes, shelf: Mutex::new(Shelf { entries: LruCache::unbounded(), bytes: 0 }) }
    }

    /// How many entries it holds, some of which may have passed their time.
    pub fn len(&self) -> usize {
        self.shelf().entries.len()
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelf {
    fn get(&mut self, key: &CacheKey) -> Option<Bytes> {
        let entry = self.entries.get(key)?;
        if entry.until > Instant::now() {
            return Some(entry.value.clone());
        }
        self.remove(key);
        None
    }

    fn put(&mut self, key: CacheKey, entry: Entry, max_bytes: usize) {
        self.remove(&key);
        if entry.size() > max_bytes {
            return;
        }
        self.bytes += entry.size();
        self.entries.put(key, entry);
        while self.bytes > max_bytes {
            let Some((_, oldest)) = self.entries.pop_lru() else { break };
            self.bytes -= oldest.size();
        }
    }

    fn remove(&mut self, key: &CacheKey) {
        if let Some(entry) = self.entries.pop(key) {
            self.bytes -= entry.size();
        }
    }
}

impl CacheStore for MemoryCache {
    fn get<'a>(&'a self, key: &'a CacheKey) -> BoxFuture<'a, Result<Option<Bytes>, BoxError>> {
        let found = self.shelf().get(key);
        Box::pin(ready(Ok(found)))
    }

    fn put(
        &self,
        key: CacheKey,
        value: Bytes,
        ttl: Duration,
    ) -> BoxFuture<'_, Result<(), BoxError>> {
        let now = Instant::now();
        // A time beyond the clock's end is never.
        let until = now.checked_add(ttl).unwrap_or(now + Duration::from_secs(30 * 365 * 86_400));
        self.shelf().put(key, Entry { value, until }, self.max_bytes);
        Box::pin(ready(Ok(())))
    }

    fn bytes(&self) -> u64 {
        self.shelf().bytes as u64
    }
}

impl fmt::Debug for MemoryCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryCache")
            .field("entries", &self.len())
            .field("bytes", &self.bytes())
            .field("max_bytes", &self.max_bytes)
            .finish()
    }
}

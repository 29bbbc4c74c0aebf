//! [`Writes`]: what is on its way into the store, behind the callers' backs.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::FutureExt;
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use super::key::CacheKey;

/// Writes under way at once. Beyond them an answer is not kept: a store that is so slow would only fill the memory.
const WRITES_AT_ONCE: usize = 64;

/// Writes that are not done at once. What they write can be read meanwhile.
#[derive(Default)]
pub(super) struct Writes {
    tracker: TaskTracker,
    under_way: Arc<Mutex<HashMap<CacheKey, Bytes>>>,
}

impl Writes {
    /// Begins a write, and goes on with it on a task if it has to wait.
    pub(super) fn write(
        &self,
        key: CacheKey,
        value: Bytes,
        put: impl Future<Output = ()> + Send + 'static,
    ) {
        let mut put = Box::pin(put);
        if put.as_mut().now_or_never().is_some() {
            return;
        }
        let (Ok(home), Some(entry)) = (Handle::try_current(), self.enter(key, value)) else {
            return;
        };
        let task = async move {
            put.await;
            drop(entry);
        };
        self.tracker.spawn_on(task, &home);
    }

    /// What is being written under this key.
    pub(super) fn under_way(&self, key: &CacheKey) -> Option<Bytes> {
        lock(&self.under_way).get(key).cloned()
    }

    /// Waits until nothing is under way.
    pub(super) async fn flush(&self) {
        self.tracker.close();
        self.tracker.wait().await;
        self.tracker.reopen();
    }

    fn enter(&self, key: CacheKey, value: Bytes) -> Option<Entry> {
        let mut under_way = lock(&self.under_way);
        if under_way.len() >= WRITES_AT_ONCE {
            return None;
        }
        under_way.insert(key, value);
        Some(Entry { key, under_way: self.under_way.clone() })
    }
}

/// One write; its value can be read until it is dropped.
struct Entry {
    key: CacheKey,
    under_way: Arc<Mutex<HashMap<CacheKey, Bytes>>>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        lock(&self.under_way).remove(&self.key);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

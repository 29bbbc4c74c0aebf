//! What every store of the cache must do, wherever it keeps answers: [`run`] checks it through [`CacheStore`] alone.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use llm_bundle::{CacheKey, CacheStore};

const MINUTE: Duration = Duration::from_secs(60);

fn key(name: &str) -> CacheKey {
    CacheKey::of(name.as_bytes())
}

async fn get(store: &dyn CacheStore, name: &str) -> Option<Bytes> {
    store.get(&key(name)).await.unwrap()
}

async fn put(store: &dyn CacheStore, name: &str, value: &[u8], ttl: Duration) {
    store.put(key(name), Bytes::copy_from_slice(value), ttl).await.unwrap();
}

/// Checks a store that is empty. `wait` lets time pass for it. Panics with the first thing that is wrong.
pub async fn run(store: Arc<dyn CacheStore>, wait: impl AsyncFn(Duration)) {
    let store = &*store;
    assert_eq!(get(store, "nothing").await, None, "what was never kept is not there");

    let all_bytes: Vec<u8> = (0..=255).collect();
    put(store, "bytes", &all_bytes, MINUTE).await;
    assert_eq!(get(store, "bytes").await.unwrap(), all_bytes, "any bytes come back as they were");
    assert_eq!(get(store, "byte").await, None, "under their own key only");

    put(store, "bytes", b"later", MINUTE).await;
    assert_eq!(get(store, "bytes").await.unwrap(), "later", "the last write counts");

    let large = vec![7; 512 << 10];
    put(store, "large", &large, MINUTE).await;
    assert_eq!(get(store, "large").await.unwrap(), large);

    put(store, "short", b"lived", Duration::from_millis(200)).await;
    put(store, "long", b"lived", MINUTE).await;
    assert!(get(store, "short").await.is_some());
    wait(Duration::from_millis(300)).await;
    assert_eq!(get(store, "short").await, None, "its time has passed");
    assert!(get(store, "long").await.is_some(), "its time has not");

    put(store, "short", b"again", MINUTE).await;
    wait(Duration::from_millis(300)).await;
    assert_eq!(get(store, "short").await.unwrap(), "again", "a write gives a new time");

    let names: Vec<String> = (0..64).map(|n| format!("at once {n}")).collect();
    join_all(names.iter().map(|name| put(store, name, name.as_bytes(), MINUTE))).await;
    for name in &names {
        assert_eq!(
            get(store, name).await.unwrap(),
            name.as_bytes(),
            "writers at once lose nothing"
        );
    }
}

//! The store of the cache in memory.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use llm_bundle::{CacheKey, CacheStore, MemoryCache};
use proptest::prelude::*;

const HOUR: Duration = Duration::from_secs(3_600);

#[tokio::test(start_paused = true)]
async fn it_is_a_store_like_any_other() {
    testkit::cache_suite::run(Arc::new(MemoryCache::new(16 << 20)), tokio::time::sleep).await;
}

fn key(number: u8) -> CacheKey {
    CacheKey::of(&[number])
}

#[tokio::test(start_paused = true)]
async fn the_least_used_goes_first() {
    let store = MemoryCache::new(3_600);
    for number in 0..3 {
        store.put(key(number), Bytes::from(vec![number; 1_000]), HOUR).await.unwrap();
    }
    assert!(store.get(&key(0)).await.unwrap().is_some(), "just used");
    store.put(key(3), Bytes::from(vec![3; 1_000]), HOUR).await.unwrap();
    let mut kept = Vec::new();
    for number in 0..4 {
        kept.push(store.get(&key(number)).await.unwrap().is_some());
    }
    assert_eq!(kept, [true, false, true, true]);

    store.put(key(4), Bytes::from(vec![4; 4_000]), HOUR).await.unwrap();
    assert_eq!(store.get(&key(4)).await.unwrap(), None, "larger than all of it");
    assert_eq!(store.len(), 3, "and nothing had to go for it");
}

proptest! {
    #[test]
    fn it_never_holds_more_than_its_bytes(
        max_bytes in 0_usize..5_000,
        puts in prop::collection::vec((0_u8..20, 0_usize..2_000), 0..100),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let store = MemoryCache::new(max_bytes);
        for (number, size) in puts {
            let put = store.put(key(number), Bytes::from(vec![0; size]), HOUR);
            runtime.block_on(put).unwrap();
            prop_assert!(store.bytes() <= max_bytes as u64);
            prop_assert_eq!(store.bytes() == 0, store.is_empty());
        }
    }
}

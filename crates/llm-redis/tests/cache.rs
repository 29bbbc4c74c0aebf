//! The cache in a real Redis: what replicas share, and that its loss is no failure.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use llm_bundle::{
    Bundle, Cache, CacheKey, CachePolicies, CachePolicy, CacheStore, Registry, Trail,
};
use llm_core::{ChatRequest, Message};
use llm_redis::{RedisCache, RedisConnection, RedisOptions};
use testkit::RedisServer;
use testkit::scripted::{Script, ScriptedChat};

const MINUTE: Duration = Duration::from_secs(60);

/// Patience that a loaded machine needs; what is tested here is not its speed.
fn options(server: &RedisServer) -> RedisOptions {
    RedisOptions { timeout: Duration::from_secs(5), ..RedisOptions::new(server.url()) }
}

#[tokio::test]
async fn it_is_a_store_like_any_other() {
    let Some(server) = RedisServer::start() else { return };
    let store = RedisCache::new(RedisConnection::open(&options(&server)).unwrap());
    testkit::cache_suite::run(Arc::new(store), tokio::time::sleep).await;
}

#[tokio::test]
async fn installations_with_another_prefix_do_not_meet() {
    let Some(server) = RedisServer::start() else { return };
    let with_prefix = |prefix: &str| {
        let options = RedisOptions { prefix: prefix.into(), ..options(&server) };
        RedisCache::new(RedisConnection::open(&options).unwrap())
    };
    let (one, other) = (with_prefix("one"), with_prefix("other"));
    let key = CacheKey::of(b"key");
    for ttl in [Duration::ZERO, Duration::MAX, MINUTE] {
        one.put(key, Bytes::from_static(b"value"), ttl).await.unwrap();
    }
    assert_eq!(one.get(&key).await.unwrap().unwrap(), "value");
    assert_eq!(other.get(&key).await.unwrap(), None);
}

/// A replica: a bundle of its own over the same Redis.
struct Replica {
    model: ScriptedChat,
    cache: Cache,
    bundle: Bundle,
}

impl Replica {
    fn over(store: Arc<dyn CacheStore>) -> Self {
        let model = ScriptedChat::new(Script::text("to be or not to be"));
        let policies = CachePolicies { chat: CachePolicy::Exact, ..CachePolicies::default() };
        let cache = Cache::builder(store).policies(policies).patience(10 * MINUTE).build();
        let registry = Registry::builder().chat(Arc::new(model.clone())).cache(cache.clone());
        Self { model, cache, bundle: Bundle::new(registry.build()) }
    }

    async fn ask(&self, tenant: &str) -> &'static str {
        let trail = Arc::new(Trail::new());
        let bundle = self.bundle.clone().for_tenant(tenant).with_trail(trail.clone());
        let request = ChatRequest {
            model: self.bundle.registry().list()[0].name.clone(),
            ..ChatRequest::new(vec![Message::user("what is the question?")])
        };
        let response = bundle.chat(request).await.unwrap();
        assert_eq!(response.text(), "to be or not to be");
        self.cache.flush().await;
        trail.cache().unwrap().as_str()
    }
}

#[tokio::test]
async fn replicas_share_answers_and_tenants_do_not() {
    let Some(server) = RedisServer::start() else { return };
    let replicas = [(); 2].map(|()| {
        let connection = RedisConnection::open(&options(&server)).unwrap();
        Replica::over(Arc::new(RedisCache::new(connection)))
    });
    assert_eq!(replicas[0].ask("acme").await, "miss");
    assert_eq!(replicas[1].ask("acme").await, "hit");
    assert_eq!(replicas[1].ask("other").await, "miss");
    assert_eq!(replicas.map(|replica| replica.model.requests().len()), [1, 1]);
}

#[tokio::test]
async fn without_redis_models_answer() {
    let Some(mut server) = RedisServer::start() else { return };
    let rest = Duration::from_millis(20);
    let options = RedisOptions { rest, ..options(&server) };
    let replica =
        Replica::over(Arc::new(RedisCache::new(RedisConnection::open(&options).unwrap())));
    assert_eq!([replica.ask("a").await, replica.ask("a").await], ["miss", "hit"]);

    server.kill();
    assert_eq!(replica.ask("a").await, "miss");
    assert!(replica.cache.is_failing());

    // It comes back empty; the first calls after that may find it resting.
    server.restart();
    let start = Instant::now();
    while replica.ask("a").await != "hit" {
        assert!(start.elapsed() < MINUTE, "it is used again");
        tokio::time::sleep(rest).await;
    }
    assert!(!replica.cache.is_failing());
}

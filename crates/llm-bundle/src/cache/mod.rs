//! [`Cache`]: answers that were given before, given again.
//!
//! What decides about an answer makes its [`CacheKey`]; a [`CacheStore`] keeps whole, good answers under it for a while; a
//! [`CacheLayer`] stands before the limits of a route, so that what is known costs neither money nor a place. Equal calls
//! under way at the same time are one call to the model. Tenants never share an answer unless the operator says so
//! ([`CacheScope`]).

mod entry;
mod event;
mod flight;
mod key;
mod layer;
mod memory;
mod policy;
mod request;
mod semantic;
mod store;
mod writes;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use llm_core::{BoxError, EmbeddingModel, ModelKind};
use tokio::time::timeout;

use crate::call::CallContext;
use entry::Tape;
use semantic::Semantic;
use writes::Writes;

pub use event::{CacheableEvent, Completeness};
pub use key::{CacheKey, KeyWriter};
pub use layer::{CacheLayer, Cached};
pub use memory::MemoryCache;
pub use policy::{CachePolicies, CachePolicy, CacheStatus, CacheUse};
pub use request::CacheableRequest;
pub use semantic::{Meaning, SemanticOptions};
pub use store::CacheStore;

/// Changes when keys are made of other things than before, so that nobody is given an answer to another question.
const KEY_FORM: u8 = 1;

/// Larger entries are read on a thread of their own: that would hold up other calls.
const READ_HERE: usize = 64 << 10;

/// Who may be given whose answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CacheScope {
    /// Each tenant its own only.
    #[default]
    Tenant,
    /// All tenants each other's. For servers whose tenants trust each other: an answer, and how fast it comes, tells that
    /// somebody has asked the same.
    Shared,
}

/// Answers kept for a while. Clones share them.
///
/// A store that fails or is slow is a miss, never an error: a look-up or a write waits for it no longer than
/// [`patience`](CacheBuilder::patience), and callers never wait for a write.
#[derive(Clone)]
pub struct Cache {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn CacheStore>,
    policies: CachePolicies,
    scope: CacheScope,
    ttl: Duration,
    max_entry_bytes: usize,
    patience: Duration,
    semantic: Option<Semantic>,
    writes: Writes,
    is_failing: AtomicBool,
}

/// Sets up a [`Cache`].
#[must_use]
pub struct CacheBuilder {
    inner: Inner,
}

impl CacheBuilder {
    /// What is answered from the cache, by kind. Default: [`CachePolicies::default`].
    pub fn policies(mut self, policies: CachePolicies) -> Self {
        self.inner.policies = policies;
        self
    }

    /// Who may be given whose answers. Default: each tenant its own only.
    pub fn scope(mut self, scope: CacheScope) -> Self {
        self.inner.scope = scope;
        self
    }

    /// How long an answer is kept. Default one hour.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.inner.ttl = ttl;
        self
    }

    /// The largest answer to keep, in bytes. So much of an answer under way is in memory for those who join. Default 1 MiB.
    pub fn max_entry_bytes(mut self, max_entry_bytes: usize) -> Self {
        self.inner.max_entry_bytes = max_entry_bytes;
        self
    }

    /// How long to wait for the store. Default 100 ms.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.inner.patience = patience;
        self
    }

    /// Compares questions of chats by this model, for callers and kinds with [`CachePolicy::Semantic`]. Each call that is
    /// not answered exactly then waits for one embedding.
    pub fn semantic(
        mut self,
        embedding: Arc<dyn EmbeddingModel>,
        options: SemanticOptions,
    ) -> Self {
        self.inner.semantic = Some(Semantic::new(embedding, options));
        self
    }

    /// The cache.
    pub fn build(self) -> Cache {
        Cache { inner: Arc::new(self.inner) }
    }
}

/// What a call is looked up by.
#[derive(Clone)]
struct Plan {
    key: CacheKey,
    looks_up: bool,
    /// The question and its scope, where it may be compared.
    question: Option<(CacheKey, String)>,
    items: usize,
}

/// What the store had.
struct Found<E> {
    status: CacheStatus,
    events: Vec<E>,
}

impl Cache {
    /// Starts setting one up that keeps its answers in `store`.
    pub fn builder(store: Arc<dyn CacheStore>) -> CacheBuilder {
        CacheBuilder {
            inner: Inner {
                store,
                policies: CachePolicies::default(),
                scope: CacheScope::default(),
                ttl: Duration::from_secs(3_600),
                max_entry_bytes: 1 << 20,
                patience: Duration::from_millis(100),
                semantic: None,
                writes: Writes::default(),
                is_failing: AtomicBool::new(false),
            },
        }
    }

    /// The policy for this kind of model, where a call says nothing else.
    pub fn policy(&self, kind: ModelKind) -> CachePolicy {
        self.inner.policies.of(kind)
    }

    /// How many bytes its store holds in this process.
    pub fn bytes(&self) -> u64 {
        self.inner.store.bytes()
    }

    /// Whether the store failed the last time that it was asked.
    pub fn is_failing(&self) -> bool {
        self.inner.is_failing.load(Ordering::Relaxed)
    }

    /// Waits until what is being written is written. The cache can be used on.
    pub async fn flush(&self) {
        self.inner.writes.flush().await;
    }

    /// How this call uses the cache; `None` if not at all.
    fn plan<R: CacheableRequest>(
        &self,
        kind: ModelKind,
        route: &str,
        request: &R,
        context: &CallContext,
    ) -> Option<Plan> {
        let (policy, looks_up) = self.way(kind, context.cache)?;
        if !request.is_closed() {
            return None;
        }
        let mut writer = self.writer(kind, route, context);
        let question =
            (policy == CachePolicy::Semantic && looks_up && self.inner.semantic.is_some())
                .then(|| request.question())
                .flatten();
        let question = question.map(|question| {
            let mut scope = writer.clone();
            scope.bytes("form", b"scope");
            request.write_scope(&mut scope);
            (scope.finish(), question)
        });
        writer.bytes("form", b"exact");
        request.write_key(&mut writer);
        Some(Plan { key: writer.finish(), looks_up, question, items: request.items() })
    }

    /// The policy that holds for a call, and whether it wants to be answered from the cache.
    fn way(&self, kind: ModelKind, wanted: CacheUse) -> Option<(CachePolicy, bool)> {
        let usual = self.policy(kind);
        let way = match wanted {
            CacheUse::Usual => (usual, true),
            CacheUse::As(policy) => (policy, true),
            CacheUse::Bypass => (CachePolicy::Off, false),
            CacheUse::Refresh => (usual.max(CachePolicy::Exact), false),
        };
        (way.0 != CachePolicy::Off).then_some(way)
    }

    /// A key's beginning: who asks which model.
    fn writer(&self, kind: ModelKind, route: &str, context: &CallContext) -> KeyWriter {
        let mut writer = KeyWriter::new();
        writer.bytes("colloquy", &[KEY_FORM]);
        writer.bytes("kind", kind.as_str().as_bytes());
        writer.bytes("route", route.as_bytes());
        match self.inner.scope {
            CacheScope::Shared => writer.bytes("shared", b""),
            CacheScope::Tenant => writer.field("tenant", &context.tenant.as_deref()),
        }
        writer
    }

    /// Looks for the answer to this very request, then for one to a question that means the same. Gives the meaning of the
    /// question where it was asked for and nothing was found.
    async fn look_up<E: CacheableEvent>(&self, plan: &Plan) -> Result<Found<E>, Option<Meaning>> {
        if !plan.looks_up {
            return Err(None);
        }
        if let Some((events, age)) = self.find(&plan.key).await {
            return Ok(Found { status: CacheStatus::Hit { age }, events });
        }
        let (Some(semantic), Some((scope, question))) = (&self.inner.semantic, &plan.question)
        else {
            return Err(None);
        };
        let meaning = semantic.meaning(question).await.ok_or(None)?;
        while let Some((key, similarity)) = semantic.nearest(scope, &meaning) {
            if let Some((events, age)) = self.find(&key).await {
                return Ok(Found { status: CacheStatus::Semantic { similarity, age }, events });
            }
            // Its time has passed. Each turn forgets one, so that there is an end.
            semantic.forget(scope, &key);
        }
        Err(Some(meaning))
    }

    /// The answer under this key and its age.
    async fn find<E: CacheableEvent>(&self, key: &CacheKey) -> Option<(Vec<E>, Duration)> {
        let bytes = match self.inner.writes.under_way(key) {
            Some(bytes) => bytes,
            None => self.ask_store(key).await?,
        };
        let is_small = bytes.len() <= READ_HERE;
        let read = move || entry::read(&bytes).filter(|(events, _)| !events.is_empty());
        match is_small {
            true => read(),
            false => tokio::task::spawn_blocking(read).await.ok()?,
        }
    }

    async fn ask_store(&self, key: &CacheKey) -> Option<Bytes> {
        match timeout(self.inner.patience, self.inner.store.get(key)).await {
            Ok(asked) => self.inner.noted("read", asked).flatten(),
            Err(_) => self.inner.noted("read", Err("it took too long".into())),
        }
    }

    /// Keeps what was recorded, if it is a whole and good answer.
    fn keep(&self, plan: &Plan, meaning: Option<Meaning>, tape: &mut Tape) {
        let Some(value) = tape.finish() else { return };
        let (inner, key, bytes) = (self.inner.clone(), plan.key, value.clone());
        let put = async move {
            let put = inner.store.put(key, bytes, inner.ttl);
            match timeout(inner.patience, put).await {
                Ok(put) => inner.noted("written", put),
                Err(_) => inner.noted("written", Err("it took too long".into())),
            };
        };
        self.inner.writes.write(key, value, put);
        if let (Some(semantic), Some((scope, _)), Some(meaning)) =
            (&self.inner.semantic, &plan.question, meaning)
        {
            semantic.remember(*scope, meaning, plan.key);
        }
    }
}

impl Inner {
    /// Notes whether the store works, and says so when that changes.
    fn noted<T>(&self, what: &str, answer: Result<T, BoxError>) -> Option<T> {
        let was_failing = self.is_failing.swap(answer.is_err(), Ordering::Relaxed);
        match answer {
            Ok(answer) => {
                if was_failing {
                    tracing::info!("the cache works again");
                }
                Some(answer)
            }
            Err(error) => {
                if !was_failing {
                    tracing::warn!(error = &*error, "the cache cannot be {what}; models answer");
                }
                None
            }
        }
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("policies", &self.inner.policies)
            .field("scope", &self.inner.scope)
            .field("bytes", &self.bytes())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for CacheBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheBuilder")
            .field("policies", &self.inner.policies)
            .finish_non_exhaustive()
    }
}

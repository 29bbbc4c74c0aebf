//! Small real models for tests: they compute what they answer, and a probe sees what they do.
#![allow(dead_code, unreachable_pub)] // Each test binary uses its part.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use async_stream::try_stream;
use futures::future::BoxFuture;
use llm_bundle::InFlightOptions;
use llm_core::{
    ChatEvent, ChatModel, ChatReply, ChatRequest, EmbeddingModel, EmbeddingRequest,
    EmbeddingResponse, ErrorKind, FinishReason, ModelError, ModelInfo, ModelKind, ModelName,
    ModelSource, Operation, Ranked, RerankModel, RerankRequest, RerankResponse, SyncChatModel,
    SyncEmbeddingModel, Usage,
};

pub fn info(name: &str, kind: ModelKind) -> ModelInfo {
    ModelInfo::new(name.parse::<ModelName>().unwrap(), kind)
}

/// At most so many live answers, and so many calls that wait.
pub fn places(limit: usize, queue: usize) -> InFlightOptions {
    InFlightOptions { limit, queue, ..InFlightOptions::default() }
}

/// Sees what a model does.
#[derive(Clone, Debug, Default)]
pub struct Probe(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    calls: AtomicUsize,
    live: AtomicUsize,
    most_live: AtomicUsize,
    inputs: Mutex<Vec<Vec<String>>>,
    changed: (Mutex<()>, Condvar),
}

pub struct Alive(Probe);

impl Probe {
    pub fn begin(&self) -> Alive {
        self.0.calls.fetch_add(1, Ordering::SeqCst);
        let live = self.0.live.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.most_live.fetch_max(live, Ordering::SeqCst);
        self.changed();
        Alive(self.clone())
    }

    pub fn calls(&self) -> usize {
        self.0.calls.load(Ordering::SeqCst)
    }

    pub fn live(&self) -> usize {
        self.0.live.load(Ordering::SeqCst)
    }

    pub fn most_live(&self) -> usize {
        self.0.most_live.load(Ordering::SeqCst)
    }

    /// The texts of each call, in order.
    pub fn inputs(&self) -> Vec<Vec<String>> {
        self.0.inputs.lock().unwrap().clone()
    }

    fn changed(&self) {
        let _lock = self.0.changed.0.lock().unwrap();
        self.0.changed.1.notify_all();
    }

    /// Blocks until what it sees fits; fails after ten seconds.
    pub fn wait_until(&self, what: impl Fn(&Probe) -> bool) {
        let lock = self.0.changed.0.lock().unwrap();
        let limit = Duration::from_secs(10);
        let (_lock, late) =
            self.0.changed.1.wait_timeout_while(lock, limit, |()| !what(self)).unwrap();
        assert!(!late.timed_out(), "{:?}", self.0);
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.0.live.fetch_sub(1, Ordering::SeqCst);
        self.0.changed();
    }
}

/// Embeds each text as its number of characters and its first character.
pub struct Lengths {
    pub info: ModelInfo,
    pub probe: Probe,
    /// Refuses texts with more characters.
    pub refuses_beyond: usize,
    /// Asserts that it does not run on a thread of a runtime.
    pub off_runtime: bool,
}

impl Lengths {
    pub fn new(probe: &Probe) -> Self {
        Self {
            info: info("test/lengths", ModelKind::Embedding),
            probe: probe.clone(),
            refuses_beyond: usize::MAX,
            off_runtime: false,
        }
    }

    fn answer(&self, request: &EmbeddingRequest) -> Result<EmbeddingResponse, ModelError> {
        let _alive = self.probe.begin();
        self.probe.0.inputs.lock().unwrap().push(request.inputs.clone());
        assert_eq!(request.model, self.info.name.model, "addressed by its own name");
        if request.inputs.iter().any(|text| text.chars().count() > self.refuses_beyond) {
            let error = ModelError::new(ErrorKind::ContextLength, Operation::Embed, "too long");
            return Err(error);
        }
        let vector = |text: &String| {
            let first = text.chars().next().map_or(0, |c| c as u32);
            vec![text.chars().count() as f32, first as f32]
        };
        Ok(EmbeddingResponse {
            vectors: request.inputs.iter().map(vector).collect(),
            usage: Usage { input_tokens: Some(request.inputs.len() as u64), ..Usage::default() },
            ..EmbeddingResponse::default()
        })
    }
}

impl SyncEmbeddingModel for Lengths {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn embed(&self, request: &EmbeddingRequest) -> Result<EmbeddingResponse, ModelError> {
        if self.off_runtime {
            assert!(tokio::runtime::Handle::try_current().is_err(), "on a runtime's thread");
        }
        let request = EmbeddingRequest { model: self.info.name.model.clone(), ..request.clone() };
        self.answer(&request)
    }
}

/// The same, async.
pub struct AsyncLengths(pub Arc<Lengths>);

impl AsyncLengths {
    pub fn new(probe: &Probe) -> Self {
        Self(Arc::new(Lengths::new(probe)))
    }
}

impl EmbeddingModel for AsyncLengths {
    fn info(&self) -> &ModelInfo {
        &self.0.info
    }

    fn embed(
        &self,
        request: EmbeddingRequest,
    ) -> BoxFuture<'static, Result<EmbeddingResponse, ModelError>> {
        let model = self.0.clone();
        Box::pin(async move {
            tokio::task::yield_now().await;
            let own = EmbeddingRequest { model: model.info.name.model.clone(), ..request };
            model.answer(&own)
        })
    }
}

/// Scores passages by their length; at most `limits.batch` of them at once.
pub struct ByLength {
    pub info: ModelInfo,
    pub probe: Probe,
}

impl RerankModel for ByLength {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn rerank(
        &self,
        request: RerankRequest,
    ) -> BoxFuture<'static, Result<RerankResponse, ModelError>> {
        let alive = self.probe.begin();
        self.probe.0.inputs.lock().unwrap().push(request.documents.clone());
        Box::pin(async move {
            let _alive = alive;
            let results = request.documents.iter().enumerate();
            let results =
                results.map(|(index, text)| Ranked::new(index, text.len() as f32)).collect();
            Ok(RerankResponse { results, ..RerankResponse::default() })
        })
    }
}

/// Says the numbers from 0, as an async model. Clones share what they see.
#[derive(Clone)]
pub struct Counting {
    pub info: ModelInfo,
    pub probe: Probe,
    /// How many numbers.
    pub until: u64,
    /// The pause before each.
    pub pause: Duration,
    /// The pause before each, once it is set.
    pub later_pause: Arc<Mutex<Option<Duration>>>,
    /// What was asked.
    pub asked: Arc<Mutex<Vec<ChatRequest>>>,
    /// Fails at the end instead of finishing.
    pub fails: Option<ErrorKind>,
    /// Heads that fail before one succeeds.
    pub refusals: Arc<Mutex<VecDeque<ErrorKind>>>,
}

impl Counting {
    pub fn new(until: u64, probe: &Probe) -> Self {
        Self {
            info: info("test/counting", ModelKind::Chat),
            probe: probe.clone(),
            until,
            pause: Duration::ZERO,
            later_pause: Arc::default(),
            asked: Arc::default(),
            fails: None,
            refusals: Arc::default(),
        }
    }

    /// Calls that begin from now on pause so long before each number.
    pub fn slow_from_now(&self, pause: Duration) {
        *self.later_pause.lock().unwrap() = Some(pause);
    }
}

/// A provider that makes this model, whatever the name.
impl ModelSource for Counting {
    fn chat(&self, _: &str) -> Option<Arc<dyn ChatModel>> {
        Some(Arc::new(self.clone()))
    }
}

impl ChatModel for Counting {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn chat(&self, request: ChatRequest) -> BoxFuture<'static, Result<ChatReply, ModelError>> {
        let alive = self.probe.begin();
        self.asked.lock().unwrap().push(request);
        let refusal = self.refusals.lock().unwrap().pop_front();
        let pause = self.later_pause.lock().unwrap().unwrap_or(self.pause);
        let (until, fails) = (self.until, self.fails);
        Box::pin(async move {
            if let Some(kind) = refusal {
                return Err(ModelError::new(kind, Operation::Chat, "scripted"));
            }
            Ok(ChatReply::new(try_stream!({
                let _alive = alive;
                for number in 0..until {
                    if !pause.is_zero() {
                        tokio::time::sleep(pause).await;
                    }
                    yield ChatEvent::text(format!("{number} "));
                }
                if let Some(kind) = fails {
                    Err(ModelError::new(kind, Operation::Chat, "scripted"))?;
                }
                yield ChatEvent::Usage(Usage {
                    input_tokens: Some(1),
                    output_tokens: Some(until),
                    ..Usage::default()
                });
                yield ChatEvent::finished(FinishReason::Stop);
            })))
        })
    }
}

/// Says the numbers from 0, as a synchronous model.
pub struct SyncCounting {
    pub info: ModelInfo,
    pub probe: Probe,
    pub until: u64,
    /// How it ends after its numbers.
    pub end: SyncEnd,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncEnd {
    Finishes,
    Fails,
    Panics,
    SaysNothingMore,
}

impl SyncCounting {
    pub fn new(until: u64, end: SyncEnd, probe: &Probe) -> Self {
        Self { info: info("test/sync", ModelKind::Chat), probe: probe.clone(), until, end }
    }
}

impl SyncChatModel for SyncCounting {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn chat(
        &self,
        _: &ChatRequest,
        sink: &mut dyn FnMut(ChatEvent) -> ControlFlow<()>,
    ) -> Result<(), ModelError> {
        let _alive = self.probe.begin();
        for number in 0..self.until {
            if sink(ChatEvent::text(format!("{number} "))).is_break() {
                return Ok(());
            }
        }
        match self.end {
            SyncEnd::Finishes => {
                let _ = sink(ChatEvent::finished(FinishReason::Stop));
                Ok(())
            }
            SyncEnd::Fails => {
                Err(ModelError::new(ErrorKind::Upstream, Operation::Chat, "scripted"))
            }
            SyncEnd::Panics => panic!("scripted"),
            SyncEnd::SaysNothingMore => Ok(()),
        }
    }
}

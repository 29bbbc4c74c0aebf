//! [`Adapted`]: a synchronous model as an async one.

use std::ops::ControlFlow;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{Stream, stream};
use llm_core::{
    ChatEvent, ChatModel, ChatReply, ChatRequest, Description, EmbeddingModel, EmbeddingRequest,
    EmbeddingResponse, ErrorKind, Execution, ModelError, ModelInfo, Operation, RerankModel,
    RerankRequest, RerankResponse, SpeechModel, SpeechReply, SpeechRequest, SyncChatModel,
    SyncEmbeddingModel, SyncRerankModel, SyncSpeechModel, SyncTranscriptionModel, SyncVisionModel,
    Transcript, TranscriptionModel, TranscriptionRequest, VisionModel, VisionRequest,
};
use tokio::sync::mpsc;

use crate::caller::caller;
use crate::{Job, Priority, SyncPool};

/// How many events of a chat may wait between the model's thread and its caller: enough that the model seldom waits
/// for a wake-up, and a bound on what a slow caller keeps in memory.
const EVENTS_AHEAD: usize = 64;

/// A synchronous model, run on a [`SyncPool`], as an async model. Callers cannot tell the difference, except by
/// [`Execution::Sync`] in its [`ModelInfo`].
///
/// A call is one job. Dropping the call takes a waiting job out of the queue; a running chat is told to stop through
/// its sink, any other running job goes on and keeps its thread until it returns.
///
/// # Errors
/// The model's own; and [`ErrorKind::Overloaded`] when the pool's queue is full, [`ErrorKind::Internal`] when the
/// model panicked.
#[derive(Debug)]
pub struct Adapted<M: ?Sized> {
    info: OnceLock<ModelInfo>,
    pub(crate) pool: SyncPool,
    pub(crate) priority: Priority,
    pub(crate) model: Arc<M>,
}

impl<M: ?Sized> Adapted<M> {
    /// Runs `model` on `pool`, which should be marked as one for models
    /// ([`SyncPoolBuilder::models`](crate::SyncPoolBuilder::models)).
    pub fn new(model: Arc<M>, pool: SyncPool) -> Self {
        Self { info: OnceLock::new(), pool, priority: Priority::Interactive, model }
    }

    /// How urgent its calls are to the pool. Default interactive.
    pub fn with_priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// That of who is asking, or that of the model where it is less urgent.
    fn priority(&self) -> Priority {
        caller().map_or(self.priority, |caller| caller.priority.max(self.priority))
    }

    fn described(&self, info: impl FnOnce(&M) -> &ModelInfo) -> &ModelInfo {
        self.info
            .get_or_init(|| ModelInfo { execution: Execution::Sync, ..info(&self.model).clone() })
    }

    /// One job that answers as a whole.
    fn run<T, F>(&self, operation: Operation, work: F) -> BoxFuture<'static, Result<T, ModelError>>
    where
        M: Send + Sync + 'static,
        T: Send + 'static,
        F: FnOnce(&M) -> Result<T, ModelError> + Send + 'static,
    {
        let (model, pool, priority) = (self.model.clone(), self.pool.clone(), self.priority());
        Box::pin(async move {
            match pool.run_as(priority, move || work(&model)).await {
                Ok(answer) => answer,
                Err(error) => Err(error.during(operation)),
            }
        })
    }
}

impl<M> ChatModel for Adapted<M>
where
    M: SyncChatModel + ?Sized + 'static,
{
    fn info(&self) -> &ModelInfo {
        self.described(M::info)
    }

    fn chat(&self, request: ChatRequest) -> BoxFuture<'static, Result<ChatReply, ModelError>> {
        let (model, pool, priority) = (self.model.clone(), self.pool.clone(), self.priority());
        Box::pin(async move {
            let (send, events) = mpsc::channel(EVENTS_AHEAD);
            let job = pool
                .submit_as(priority, move || model.chat(&request, &mut |event| give(&send, event)))
                .map_err(|error| error.during(Operation::Chat))?;
            let mut call = RunningChat { events, job: Some(job) };
            match call.next().await {
                Some(first) => Ok(ChatReply::new(call.into_stream()).unread(first?)),
                None => Err(ModelError::new(
                    ErrorKind::Malformed,
                    Operation::Chat,
                    "the model ended without an answer",
                )),
            }
        })
    }
}

/// The model's sink: waits while the caller is behind, and says "stop" when the caller has left.
fn give(events: &mpsc::Sender<ChatEvent>, event: ChatEvent) -> ControlFlow<()> {
    match events.blocking_send(event) {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) => ControlFlow::Break(()),
    }
}

/// The caller's side of a chat on a pool.
struct RunningChat {
    events: mpsc::Receiver<ChatEvent>,
    /// `None` once it has ended.
    job: Option<Job<Result<(), ModelError>>>,
}

impl RunningChat {
    /// The next event; after the last one the job's own error, if any.
    async fn next(&mut self) -> Option<Result<ChatEvent, ModelError>> {
        if let Some(event) = self.events.recv().await {
            return Some(Ok(event));
        }
        match self.job.take()?.await {
            Ok(ended) => ended.err().map(Err),
            Err(error) => Some(Err(error.during(Operation::Chat))),
        }
    }

    fn into_stream(self) -> impl Stream<Item = Result<ChatEvent, ModelError>> + Send {
        stream::unfold(self, async |mut call| {
            let item = call.next().await?;
            Some((item, call))
        })
    }
}

impl<M> EmbeddingModel for Adapted<M>
where
    M: SyncEmbeddingModel + ?Sized + 'static,
{
    fn info(&self) -> &ModelInfo {
        self.described(M::info)
    }

    fn embed(
        &self,
        request: EmbeddingRequest,
    ) -> BoxFuture<'static, Result<EmbeddingResponse, ModelError>> {
        self.run(Operation::Embed, move |model| model.embed(&request))
    }
}

impl<M> RerankModel for Adapted<M>
where
    M: SyncRerankModel + ?Sized + 'static,
{
    fn info(&self) -> &ModelInfo {
        self.described(M::info)
    }

    fn rerank(
        &self,
        request: RerankRequest,
    ) -> BoxFuture<'static, Result<RerankResponse, ModelError>> {
        self.run(Operation::Rerank, move |model| model.rerank(&request))
    }
}

impl<M> SpeechModel for Adapted<M>
where
    M: SyncSpeechModel + ?Sized + 'static,
{
    fn info(&self) -> &ModelInfo {
        self.described(M::info)
    }

    fn speak(&self, request: SpeechRequest) -> BoxFuture<'static, Result<SpeechReply, ModelError>> {
        let sound: BoxFuture<'static, Result<Bytes, ModelError>> =
            self.run(Operation::Speak, move |model| model.speak(&request));
        Box::pin(async move { Ok(SpeechReply::one(sound.await?)) })
    }
}

impl<M> TranscriptionModel for Adapted<M>
where
    M: SyncTranscriptionModel + ?Sized + 'static,
{
    fn info(&self) -> &ModelInfo {
        self.described(M::info)
    }

    fn transcribe(
        &self,
        request: TranscriptionRequest,
    ) -> BoxFuture<'static, Result<Transcript, ModelError>> {
        self.run(Operation::Transcribe, move |model| model.transcribe(&request))
    }
}

impl<M> VisionModel for Adapted<M>
where
    M: SyncVisionModel + ?Sized + 'static,
{
    fn info(&self) -> &ModelInfo {
        self.described(M::info)
    }

    fn describe(
        &self,
        request: VisionRequest,
    ) -> BoxFuture<'static, Result<Description, ModelError>> {
        self.run(Operation::Describe, move |model| model.describe(&request))
    }
}

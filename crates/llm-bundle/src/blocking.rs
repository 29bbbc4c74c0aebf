//! [`Blocking`]: an async model as a synchronous one.

use std::fmt;
use std::future::Future;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use llm_core::{
    ChatEvent, ChatModel, ChatRequest, Description, EmbeddingModel, EmbeddingRequest,
    EmbeddingResponse, ErrorKind, ModelError, ModelInfo, Operation, RerankModel, RerankRequest,
    RerankResponse, Retry, SpeechModel, SpeechRequest, SyncChatModel, SyncEmbeddingModel,
    SyncRerankModel, SyncSpeechModel, SyncTranscriptionModel, SyncVisionModel, Transcript,
    TranscriptionModel, TranscriptionRequest, VisionModel, VisionRequest,
};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinHandle};
use tracing::Instrument;

use crate::misuse::{self, wait_here};
use crate::wait::wait;

/// How [`Blocking`] waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockingOptions {
    /// How long a call may take in all. It is a safety net beyond the model's own limits; then the call is cancelled
    /// and fails with [`ErrorKind::Timeout`].
    pub deadline: Duration,
    /// How many events of a stream may wait for a slow iterator, at least one. More of the stream is not read.
    pub events_ahead: usize,
}

impl Default for BlockingOptions {
    /// Fifteen minutes, 64 events.
    fn default() -> Self {
        Self { deadline: Duration::from_secs(15 * 60), events_ahead: 64 }
    }
}

/// An async model for synchronous callers: it implements the synchronous twin of each trait that `M` implements.
///
/// The call itself always runs on the *home* runtime, the one that owns the connections; the caller's thread only
/// waits. There is never a runtime per call, as `asyncio.run` in a thread or `reqwest::blocking` would have it. How it
/// waits depends on where it is called:
///
/// | called from | what happens |
/// |---|---|
/// | a plain thread, a [`SyncPool`](crate::SyncPool) of callers, `spawn_blocking` | the thread is parked |
/// | a worker of a multi-thread runtime | `block_in_place` moves the worker's other tasks away, then it is parked |
/// | inside a single-thread runtime | [`ErrorKind::Misuse`] at once: waiting would stop that runtime |
/// | a thread of a pool for models | [`ErrorKind::Misuse`] at once: a model must not wait for a model |
///
/// If the home runtime has a single thread, some other thread must be driving it.
///
/// Coming from another way to call async code, or an async service, from synchronous code:
///
/// | instead of | here |
/// |---|---|
/// | `reqwest::blocking` | the client's runtime, its thread and its connections are the home runtime's, shared with async callers; calling from inside a runtime is an error or works, and never panics |
/// | Python's `asyncio.run(model.encode(texts))` in a thread | `SyncEmbeddingModel::embed(&blocking, &request)`: no event loop per call, so no connection per call |
/// | `Runtime::new()?.block_on(call)` | the same, without the panic inside a runtime |
/// | `asyncio.run_coroutine_threadsafe(call, loop).result()` | this is what it does; the loop is `home`, and the wait has a deadline |
/// | a `for` over a streamed response | [`chat_stream`](Blocking::chat_stream), an iterator that reads a bounded number of events ahead |
///
/// A call that took an async client along takes a synchronous trait instead, and its caller decides what stands behind it:
///
/// ```
/// use llm_core::{EmbeddingRequest, ModelError, SyncEmbeddingModel};
///
/// // Before: fn vectors(texts: &[String]) { reqwest::blocking::Client::new().post(URL).json(…).send() … }
/// fn vectors(model: &dyn SyncEmbeddingModel, texts: &[String]) -> Result<Vec<Vec<f32>>, ModelError> {
///     Ok(model.embed(&EmbeddingRequest::documents(texts))?.vectors)
/// }
/// ```
///
/// A model out of the example below is such a [`SyncEmbeddingModel`]:
///
/// ```
/// # use futures::future::BoxFuture;
/// # use llm_core::*;
/// # struct Lengths(ModelInfo);
/// # impl EmbeddingModel for Lengths {
/// #     fn info(&self) -> &ModelInfo { &self.0 }
/// #     fn embed(&self, request: EmbeddingRequest) -> BoxFuture<'static, Result<EmbeddingResponse, ModelError>> {
/// #         Box::pin(async move {
/// #             let vectors = request.inputs.iter().map(|text| vec![text.len() as f32]).collect();
/// #             Ok(EmbeddingResponse { vectors, ..Default::default() })
/// #         })
/// #     }
/// # }
/// # let info = ModelInfo::new(ModelName::new("test", "lengths"), ModelKind::Embedding);
/// use llm_bundle::Blocking;
/// use std::sync::Arc;
///
/// let home = tokio::runtime::Runtime::new()?;
/// let async_model: Arc<dyn EmbeddingModel> = Arc::new(Lengths(info));
/// let model = Blocking::new(async_model, home.handle().clone());
/// let response = SyncEmbeddingModel::embed(&model, &EmbeddingRequest::query("four"))?;
/// assert_eq!(response.vectors, [[4.0]]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Blocking<M: ?Sized> {
    home: Handle,
    options: BlockingOptions,
    model: Arc<M>,
}

impl<M: ?Sized> Blocking<M> {
    /// Lets synchronous code call `model`, whose work is done on `home`.
    pub fn new(model: Arc<M>, home: Handle) -> Self {
        Self::with_options(model, home, BlockingOptions::default())
    }

    /// The same with other options.
    pub fn with_options(model: Arc<M>, home: Handle, options: BlockingOptions) -> Self {
        Self { home, options, model }
    }

    /// The async model.
    pub fn inner(&self) -> &Arc<M> {
        &self.model
    }

    /// Runs one call on the home runtime and waits for it here.
    fn call<T, F, A>(&self, operation: Operation, ask: A) -> Result<T, ModelError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, ModelError>> + Send,
        A: FnOnce(Arc<M>) -> F + Send + 'static,
        M: Send + Sync + 'static,
    {
        let model = self.model.clone();
        let until = Instant::now().checked_add(self.options.deadline);
        let waited = wait_here(|| {
            let mut task =
                OwnTask(self.home.spawn(async move { ask(model).await }.in_current_span()));
            wait(&mut task.0, until)
        });
        match waited.map_err(|misuse| misuse.during(operation))? {
            Some(Ok(answer)) => answer,
            Some(Err(error)) => Err(ended_early(error, operation)),
            None => Err(too_late(self.options.deadline, operation)),
        }
    }
}

impl<M: ?Sized> Clone for Blocking<M> {
    fn clone(&self) -> Self {
        Self { home: self.home.clone(), options: self.options, model: self.model.clone() }
    }
}

impl<M: ?Sized> fmt::Debug for Blocking<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blocking").field("options", &self.options).finish_non_exhaustive()
    }
}

/// A task that is cancelled when nobody waits for it any more.
#[derive(Debug)]
struct OwnTask<T>(JoinHandle<T>);

impl<T> Drop for OwnTask<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn ended_early(error: JoinError, operation: Operation) -> ModelError {
    if error.is_panic() {
        return ModelError::new(ErrorKind::Internal, operation, "the call panicked")
            .with_source(error);
    }
    let message = "the runtime that does the calls has shut down";
    ModelError::new(ErrorKind::Cancelled, operation, message)
}

fn too_late(deadline: Duration, operation: Operation) -> ModelError {
    let message = format!("the call did not end within {deadline:?} and was cancelled");
    ModelError::new(ErrorKind::Timeout, operation, message).with_retry(Retry::No)
}

impl<M> Blocking<M>
where
    M: ChatModel + ?Sized + 'static,
{
    /// Asks, and waits for the first event. The rest comes through the iterator, of which a bounded number is read
    /// ahead. Dropping the iterator cancels the call, down to the connection.
    ///
    /// # Errors
    /// A failure before the first event; a later one is the iterator's last item.
    pub fn chat_stream(&self, request: ChatRequest) -> Result<BlockingChat, ModelError> {
        misuse::place().map_err(|misuse| misuse.during(Operation::Chat))?;
        let (send, events) = mpsc::channel(self.options.events_ahead.max(1));
        let model = self.model.clone();
        let task = OwnTask(self.home.spawn(pump(model, request, send).in_current_span()));
        let deadline = self.options.deadline;
        let until = Instant::now().checked_add(deadline);
        let mut chat = BlockingChat { events, task: Some(task), ahead: None, deadline, until };
        chat.ahead = chat.next().transpose()?;
        Ok(chat)
    }
}

/// Runs on the home runtime: reads the reply as far ahead as the channel allows.
async fn pump<M>(model: Arc<M>, request: ChatRequest, send: mpsc::Sender<Event>)
where
    M: ChatModel + ?Sized,
{
    let mut reply = match model.chat(request).await {
        Ok(reply) => reply,
        Err(error) => {
            // A receiver that has gone needs no error.
            drop(send.send(Err(error)).await);
            return;
        }
    };
    while let Some(event) = reply.next().await {
        if send.send(event).await.is_err() {
            return;
        }
    }
}

type Event = Result<ChatEvent, ModelError>;

/// The events of a chat, for synchronous callers. Fails at most once, as the last item. Dropping it cancels the call.
#[derive(Debug)]
pub struct BlockingChat {
    events: mpsc::Receiver<Event>,
    /// `None` once the chat has ended.
    task: Option<OwnTask<()>>,
    /// The first event, which was waited for already.
    ahead: Option<ChatEvent>,
    deadline: Duration,
    until: Option<Instant>,
}

impl Iterator for BlockingChat {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        if let Some(first) = self.ahead.take() {
            return Some(Ok(first));
        }
        let task = self.task.as_mut()?;
        let item = match wait_here(|| wait(self.events.recv(), self.until)) {
            Ok(Some(Some(event))) => Some(event),
            // The sender has gone: the task has ended, or is about to.
            Ok(Some(None)) => match wait_here(|| wait(&mut task.0, self.until)) {
                Ok(Some(Err(error))) => Some(Err(ended_early(error, Operation::Chat))),
                _ => None,
            },
            Ok(None) => Some(Err(too_late(self.deadline, Operation::Chat))),
            Err(misuse) => Some(Err(misuse.during(Operation::Chat))),
        };
        if !matches!(item, Some(Ok(_))) {
            self.task = None;
        }
        item
    }
}

impl<M> SyncChatModel for Blocking<M>
where
    M: ChatModel + ?Sized + 'static,
{
    fn info(&self) -> &ModelInfo {
        self.model.info()
    }

    fn chat(
        &self,
        request: &ChatRequest,
        sink: &mut dyn FnMut(ChatEvent) -> ControlFlow<()>,
    ) -> Result<(), ModelError> {
        for event in self.chat_stream(request.clone())? {
            if sink(event?).is_break() {
                break;
            }
        }
        Ok(())
    }
}

impl<M> SyncEmbeddingModel for Blocking<M>
where
    M: EmbeddingModel + ?Sized + 'static,
{
    fn info(&self) -> &ModelInfo {
        self.model.info()
    }

    fn embed(&self, request: &EmbeddingRequest) -> Result<EmbeddingResponse, ModelError> {
        let request = request.clone();
        self.call(Operation::Embed, |model| model.embed(request))
    }
}

impl<M> SyncRerankModel for Blocking<M>
where
    M: RerankModel + ?Sized + 'static,
{
    fn info(&self) -> &ModelInfo {
        self.model.info()
    }

    fn rerank(&self, request: &RerankRequest) -> Result<RerankResponse, ModelError> {
        let request = request.clone();
        self.call(Operation::Rerank, |model| model.rerank(request))
    }
}

impl<M> SyncSpeechModel for Blocking<M>
where
    M: SpeechModel + ?Sized + 'static,
{
    fn info(&self) -> &ModelInfo {
        self.model.info()
    }

    fn speak(&self, request: &SpeechRequest) -> Result<Bytes, ModelError> {
        let request = request.clone();
        self.call(Operation::Speak, |model| async move {
            let pieces: Vec<Bytes> = model.speak(request).await?.try_collect().await?;
            Ok(pieces.concat().into())
        })
    }
}

impl<M> SyncTranscriptionModel for Blocking<M>
where
    M: TranscriptionModel + ?Sized + 'static,
{
    fn info(&self) -> &ModelInfo {
        self.model.info()
    }

    fn transcribe(&self, request: &TranscriptionRequest) -> Result<Transcript, ModelError> {
        let request = request.clone();
        self.call(Operation::Transcribe, |model| model.transcribe(request))
    }
}

impl<M> SyncVisionModel for Blocking<M>
where
    M: VisionModel + ?Sized + 'static,
{
    fn info(&self) -> &ModelInfo {
        self.model.info()
    }

    fn describe(&self, request: &VisionRequest) -> Result<Description, ModelError> {
        let request = request.clone();
        self.call(Operation::Describe, |model| model.describe(request))
    }
}

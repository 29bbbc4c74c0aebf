//! [`ScriptedChat`] and its synchronous twin.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use async_stream::try_stream;
use futures::future::BoxFuture;
use llm_core::{
    ChatEvent, ChatModel, ChatReply, ChatRequest, Execution, ModelError, ModelInfo, ModelKind,
    ModelName, Operation, SyncChatModel,
};

use super::log::CallLog;
use super::script::{Script, Step};

/// A chat model that answers by a script. Cheap to clone; clones share scripts and log.
#[derive(Clone, Debug)]
pub struct ScriptedChat {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    info: ModelInfo,
    /// Answers of the next calls; after them, `always`.
    next: Mutex<VecDeque<Script>>,
    always: Script,
    log: CallLog<ChatRequest>,
}

impl ScriptedChat {
    /// A model called `scripted/chat` that answers every call so.
    pub fn new(always: Script) -> Self {
        Self::named("scripted/chat", always)
    }

    /// A model with a name of its own (`provider/model`).
    ///
    /// # Panics
    /// When the name is none.
    pub fn named(name: &str, always: Script) -> Self {
        Self::with_info(ModelInfo::new(parse_name(name), ModelKind::Chat), always)
    }

    /// A model with an info of its own.
    pub fn with_info(info: ModelInfo, always: Script) -> Self {
        let (next, log) = (Mutex::default(), CallLog::default());
        Self { shared: Arc::new(Shared { info, next, always, log }) }
    }

    /// Queues the answer of one call.
    pub fn then(self, script: Script) -> Self {
        self.shared.next.lock().unwrap_or_else(PoisonError::into_inner).push_back(script);
        self
    }

    /// What was asked.
    pub fn requests(&self) -> Vec<ChatRequest> {
        self.shared.log.requests()
    }

    /// On which threads.
    pub fn threads(&self) -> Vec<String> {
        self.shared.log.threads()
    }

    fn take(&self, request: ChatRequest) -> Script {
        self.shared.log.note(request);
        let next = self.shared.next.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        next.unwrap_or_else(|| self.shared.always.clone())
    }
}

impl ChatModel for ScriptedChat {
    fn info(&self) -> &ModelInfo {
        &self.shared.info
    }

    fn chat(&self, request: ChatRequest) -> BoxFuture<'static, Result<ChatReply, ModelError>> {
        let script = self.take(request);
        Box::pin(async move {
            if !script.head_delay.is_zero() {
                tokio::time::sleep(script.head_delay).await;
            }
            match script.refusal {
                Some(failure) => Err(failure.error(Operation::Chat)),
                None => Ok(reply(script.steps)),
            }
        })
    }
}

fn reply(steps: Vec<Step>) -> ChatReply {
    ChatReply::new(try_stream!({
        for step in steps {
            match step {
                Step::Say(event) => yield event,
                Step::Wait(delay) => tokio::time::sleep(delay).await,
                Step::Fail(failure) => Err(failure.error(Operation::Chat))?,
                Step::Panic(message) => panic!("{message}"),
                Step::Hang => std::future::pending::<()>().await,
            }
        }
    }))
}

/// The synchronous twin of [`ScriptedChat`]: waits block its thread.
#[derive(Clone, Debug)]
pub struct SyncScriptedChat {
    inner: ScriptedChat,
}

impl SyncScriptedChat {
    /// A model called `scripted/sync-chat` that answers every call so.
    pub fn new(always: Script) -> Self {
        Self::named("scripted/sync-chat", always)
    }

    /// A model with a name of its own (`provider/model`).
    ///
    /// # Panics
    /// When the name is none.
    pub fn named(name: &str, always: Script) -> Self {
        let mut info = ModelInfo::new(parse_name(name), ModelKind::Chat);
        info.execution = Execution::Sync;
        Self { inner: ScriptedChat::with_info(info, always) }
    }

    /// Queues the answer of one call.
    pub fn then(self, script: Script) -> Self {
        Self { inner: self.inner.then(script) }
    }

    /// What was asked.
    pub fn requests(&self) -> Vec<ChatRequest> {
        self.inner.requests()
    }

    /// On which threads.
    pub fn threads(&self) -> Vec<String> {
        self.inner.threads()
    }
}

impl SyncChatModel for SyncScriptedChat {
    fn info(&self) -> &ModelInfo {
        &self.inner.shared.info
    }

    fn chat(
        &self,
        request: &ChatRequest,
        sink: &mut dyn FnMut(ChatEvent) -> ControlFlow<()>,
    ) -> Result<(), ModelError> {
        let script = self.inner.take(request.clone());
        thread::sleep(script.head_delay);
        if let Some(failure) = script.refusal {
            return Err(failure.error(Operation::Chat));
        }
        for step in script.steps {
            match step {
                Step::Say(event) => {
                    if sink(event).is_break() {
                        return Ok(());
                    }
                }
                Step::Wait(delay) => thread::sleep(delay),
                Step::Fail(failure) => return Err(failure.error(Operation::Chat)),
                Step::Panic(message) => panic!("{message}"),
                Step::Hang => loop {
                    thread::park();
                },
            }
        }
        Ok(())
    }
}

/// The name of a scripted model; tests write it, so a wrong one may panic.
pub(super) fn parse_name(name: &str) -> ModelName {
    match name.parse() {
        Ok(name) => name,
        Err(error) => panic!("{error}"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::TryStreamExt;
    use llm_core::{ChatResponse, ErrorKind};
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waits_and_fails_as_told() {
        let script = Script::text("a b c").every(Duration::from_secs(1));
        let model = ScriptedChat::new(script.clone())
            .then(script.failing_at(4, ErrorKind::Upstream))
            .then(Script::refuse(ErrorKind::RateLimit).after(Duration::from_secs(5)));
        let begin = Instant::now();

        let mut reply = model.chat(ChatRequest::default()).await.unwrap();
        assert!(matches!(reply.try_next().await, Ok(Some(ChatEvent::Started(_)))));
        assert!(matches!(reply.try_next().await, Ok(Some(ChatEvent::Text { .. }))));
        assert_eq!(reply.try_next().await.unwrap_err().kind(), ErrorKind::Upstream);
        assert_eq!(begin.elapsed().as_secs(), 2);

        let error = model.chat(ChatRequest::default()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RateLimit);
        assert_eq!(begin.elapsed().as_secs(), 7);

        let reply = model.chat(ChatRequest::default()).await.unwrap();
        assert_eq!(ChatResponse::collect(reply).await.unwrap().text(), "a b c");
        assert_eq!(model.requests().len(), 3);
    }

    #[test]
    fn the_twin_stops_when_its_caller_leaves() {
        let model = SyncScriptedChat::new(Script::text("a b c"));
        let mut seen = 0;
        let result = model.chat(&ChatRequest::default(), &mut |_| {
            seen += 1;
            if seen == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert!(result.is_ok());
        assert_eq!(seen, 2);
        assert_eq!(model.threads().len(), 1);
    }
}

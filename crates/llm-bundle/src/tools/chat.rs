//! [`ToolChat`]: a bundle with tools at hand, and the loop.

use std::fmt;
use std::sync::Arc;

use async_stream::try_stream;
use futures::future::BoxFuture;
use futures::{StreamExt, TryStreamExt};
use llm_core::{ChatEvent, ChatModel, ChatReply, ChatRequest, ModelError, Part};

use super::round::Next;
use super::run::run;
use super::turn::{Turn, no_answer};
use super::{ToolAnswer, ToolEvent, ToolOptions, ToolReply, ToolSet};
use crate::Bundle;

/// A bundle with tools at hand. Cheap to clone. Each time the model is asked is a call of the bundle's, with its limits
/// and its record.
///
/// A `tool_choice` that demands a tool holds for the first round only; the model could never answer otherwise.
///
/// ```
/// # use llm_bundle::{Bundle, Registry};
/// # use llm_core::*;
/// # use futures::future::BoxFuture;
/// # use std::sync::Arc;
/// use llm_bundle::tools::ToolSet;
///
/// struct Clock(Tool);
///
/// impl ToolHandler for Clock {
///     fn tool(&self) -> &Tool {
///         &self.0
///     }
///
///     fn call(&self, _: ToolInput) -> BoxFuture<'static, Result<ToolOutput, ToolError>> {
///         Box::pin(async { Ok(ToolOutput::text("half past nine")) })
///     }
/// }
///
/// # async fn example(bundle: Bundle) -> Result<(), Box<dyn std::error::Error>> {
/// let clock = Clock(Tool::function("clock", "Tells the time.", serde_json::json!({ "type": "object" })));
/// let tools = ToolSet::builder().tool(Arc::new(clock)).build()?;
/// let answer = bundle
///     .with_tools(tools)
///     .chat(ChatRequest::new(vec![Message::user("What time is it?")]))
///     .await?;
/// println!("{} (asked {} times)", answer.text(), answer.rounds);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ToolChat {
    asked: Asked,
    tools: ToolSet,
    options: ToolOptions,
}

/// Who is asked.
#[derive(Clone)]
pub(super) enum Asked {
    /// The model that the request names.
    Bundle(Bundle),
    /// This one.
    Model(Arc<dyn ChatModel>),
}

impl Asked {
    /// Asks as the request says, streamed or in one piece.
    pub(super) fn chat(
        &self,
        request: ChatRequest,
    ) -> BoxFuture<'static, Result<ChatReply, ModelError>> {
        match self {
            Self::Bundle(bundle) => bundle.chat_reply(request),
            Self::Model(model) => model.chat(request),
        }
    }
}

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bundle(bundle) => bundle.fmt(f),
            Self::Model(model) => model.info().name.fmt(f),
        }
    }
}

impl ToolChat {
    pub(crate) fn new(bundle: Bundle, tools: ToolSet) -> Self {
        Self { asked: Asked::Bundle(bundle), tools, options: ToolOptions::default() }
    }

    /// One model with tools at hand; what its requests name as model is handed on.
    pub fn of_model(model: Arc<dyn ChatModel>, tools: ToolSet) -> Self {
        Self { asked: Asked::Model(model), tools, options: ToolOptions::default() }
    }

    /// The same with other bounds.
    pub fn with_options(mut self, options: ToolOptions) -> Self {
        self.options = options;
        self
    }

    /// Asks, runs what the model asks for, and waits for the answer. Dropping the future cancels.
    ///
    /// # Errors
    /// As [`chat_stream`](Self::chat_stream).
    pub fn chat(
        &self,
        mut request: ChatRequest,
    ) -> BoxFuture<'static, Result<ToolAnswer, ModelError>> {
        request.stream = false;
        let mut reply = self.reply(request);
        Box::pin(async move {
            while let Some(event) = reply.try_next().await? {
                if let ToolEvent::Done(answer) = event {
                    return Ok(*answer);
                }
            }
            Err(no_answer())
        })
    }

    /// Asks for events, as they come, of the model and its tools. Nothing happens before the reply is polled. Tools run
    /// while it is, so a caller that stops reading stops the async ones.
    ///
    /// # Errors
    /// As the last item: those of [`Bundle::chat_stream`] in any round; [`ErrorKind::InvalidRequest`] for `n` above 1 and
    /// for a tool of the request with the name of one of ours; [`ErrorKind::Upstream`] when a source cannot list its
    /// tools; [`ErrorKind::Timeout`] when all rounds together took too long.
    ///
    /// [`ErrorKind::InvalidRequest`]: llm_core::ErrorKind::InvalidRequest
    /// [`ErrorKind::Upstream`]: llm_core::ErrorKind::Upstream
    /// [`ErrorKind::Timeout`]: llm_core::ErrorKind::Timeout
    pub fn chat_stream(&self, mut request: ChatRequest) -> ToolReply {
        request.stream = true;
        self.reply(request)
    }

    fn reply(&self, request: ChatRequest) -> ToolReply {
        let chat = self.clone();
        ToolReply::new(try_stream!({
            let ToolChat { asked, tools, options } = chat;
            let mut turn = Turn::begin(asked, tools, options, request).await?;
            loop {
                yield ToolEvent::Asked { round: turn.begin_round() };
                let mut reply = turn.ask().await?;
                while let Some(event) = turn.next(&mut reply).await? {
                    yield ToolEvent::Model(event);
                }
                let next = turn.hear()?;
                yield ToolEvent::Model(ChatEvent::Usage(turn.usage.clone()));
                let calls = match next {
                    Next::Run(calls) => calls,
                    Next::Again => continue,
                    Next::Left(calls) => {
                        turn.left.clone_from(&calls);
                        yield ToolEvent::Left { calls };
                        break;
                    }
                    Next::OutOfRounds => {
                        yield ToolEvent::Model(ChatEvent::Warning(turn.out_of_rounds()));
                        break;
                    }
                    Next::Answer => break,
                };
                for call in calls.iter().cloned() {
                    yield ToolEvent::Called { call };
                }
                let mut running = run(calls, turn.finish, turn.workshop.clone());
                while let Some(ran) = turn.within(running.next()).await? {
                    yield ToolEvent::Returned { result: ran.result.clone(), took: ran.took };
                    turn.ran.push(ran);
                }
                if let Some(parts) = turn.returned() {
                    for event in said(parts) {
                        yield ToolEvent::Model(event);
                    }
                    break;
                }
            }
            yield ToolEvent::Model(turn.finished());
            yield ToolEvent::Done(Box::new(turn.answer()));
        }))
    }
}

/// The parts of a tool's output as the model would have said them.
fn said(parts: Vec<Part>) -> impl Iterator<Item = ChatEvent> {
    parts.into_iter().filter_map(|part| match part {
        Part::Text(part) => Some(ChatEvent::text(part.text)),
        Part::Image(media) | Part::Audio(media) | Part::File(media) => {
            Some(ChatEvent::Media { choice: 0, media })
        }
        _ => None,
    })
}

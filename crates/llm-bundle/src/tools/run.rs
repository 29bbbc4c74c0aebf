//! Running the tools that a model asks for.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt};
use llm_core::{Extra, FinishReason, ToolCall, ToolHandler, ToolInput, ToolOutput, ToolResult};
use tokio::time::{Instant, timeout};
use tracing::Instrument;

use super::ToolOptions;
use super::arguments::arguments;
use super::bound::bounded;
use super::set::Offer;

/// A tool that has ended.
pub(super) struct Ran {
    /// Which of the calls it was.
    pub(super) at: usize,
    pub(super) result: ToolResult,
    pub(super) took: Duration,
    /// Whether it is the answer to the conversation.
    pub(super) is_answer: bool,
}

/// What calls are run with.
pub(super) struct Workshop {
    pub(super) offer: Offer,
    pub(super) options: ToolOptions,
}

/// Runs the calls, some at a time; they come back as they end. Dropping the stream cancels those that run.
pub(super) fn run(
    calls: Vec<ToolCall>,
    finish: FinishReason,
    workshop: Arc<Workshop>,
) -> BoxStream<'static, Ran> {
    let parallel = workshop.options.parallel.max(1);
    let runs = calls.into_iter().enumerate().map(move |(at, call)| {
        let workshop = workshop.clone();
        async move {
            let begun = Instant::now();
            let (output, is_answer) = workshop.output(at, &call, finish).await;
            let parts = bounded(output.parts, &workshop.options);
            let result = ToolResult {
                call_id: call.id,
                name: Some(call.name),
                parts,
                is_error: output.is_error,
                extra: Extra::new(),
            };
            Ran { at, result, took: begun.elapsed(), is_answer }
        }
    });
    stream::iter(runs).buffer_unordered(parallel).boxed()
}

impl Workshop {
    /// What the call comes to, and whether that is the answer.
    async fn output(&self, at: usize, call: &ToolCall, finish: FinishReason) -> (ToolOutput, bool) {
        match self.prepared(at, call, finish) {
            Ok((handler, input)) => {
                let is_terminal = handler.terminal();
                let span = tracing::info_span!(
                    "execute_tool",
                    gen_ai.operation.name = "execute_tool",
                    gen_ai.tool.name = call.name,
                    gen_ai.tool.call.id = call.id,
                );
                let output = self.ran(handler, input).instrument(span).await;
                let is_answer = is_terminal && !output.is_error;
                (output, is_answer)
            }
            Err(fault) => (failed(fault), false),
        }
    }

    /// Who runs the call, with what; or what is wrong with it.
    fn prepared(
        &self,
        at: usize,
        call: &ToolCall,
        finish: FinishReason,
    ) -> Result<(Arc<dyn ToolHandler>, ToolInput), String> {
        let most = self.options.max_calls;
        if at >= most {
            return Err(format!("not run: at most {most} calls at once; ask again for the rest"));
        }
        let handler = self.offer.get(&call.name).ok_or_else(|| self.unknown(&call.name))?;
        let arguments = arguments(call, handler.tool(), finish)?;
        Ok((handler.clone(), ToolInput::new(call.id.clone(), arguments)))
    }

    fn unknown(&self, name: &str) -> String {
        let shown: String = name.chars().take(64).collect();
        match self.offer.nearest(name) {
            Some(nearest) => format!("there is no tool `{shown}`; did you mean `{nearest}`?"),
            None => format!("there is no tool `{shown}`"),
        }
    }

    /// What the tool says, or that it failed, panicked, or took too long.
    async fn ran(&self, handler: Arc<dyn ToolHandler>, input: ToolInput) -> ToolOutput {
        let limit = handler.timeout().unwrap_or(self.options.tool_timeout);
        let work = AssertUnwindSafe(async move { handler.call(input).await }).catch_unwind();
        match timeout(limit, work).await {
            Ok(Ok(Ok(output))) => output,
            Ok(Ok(Err(error))) => {
                tracing::info!(error = &error as &dyn std::error::Error, "a tool failed");
                failed(error.message())
            }
            Ok(Err(panic)) => {
                tracing::error!(panic = panic_message(&*panic), "a tool panicked");
                failed("the tool failed")
            }
            Err(_) => {
                tracing::info!(?limit, "a tool took too long");
                failed(format!("the tool did not answer within {} s", limit.as_secs_f64()))
            }
        }
    }
}

fn failed(why: impl Into<String>) -> ToolOutput {
    ToolOutput { is_error: true, ..ToolOutput::text(why) }
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    match panic.downcast_ref::<String>() {
        Some(message) => message,
        None => panic.downcast_ref::<&str>().copied().unwrap_or("no message"),
    }
}

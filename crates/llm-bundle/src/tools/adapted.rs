//! A synchronous tool as an async one.

use std::time::Duration;

use futures::future::BoxFuture;
use llm_core::{SyncToolHandler, Tool, ToolError, ToolHandler, ToolInput, ToolOutput};

use crate::{Adapted, PoolError};

/// A run is one job of the pool. Dropping it takes a waiting job out of the queue; a running one goes on, and keeps its
/// thread until it returns. A tool that reaches models through [`Blocking`](crate::Blocking) belongs on a pool for
/// callers, not on the one for models.
impl<T: SyncToolHandler + ?Sized + 'static> ToolHandler for Adapted<T> {
    fn tool(&self) -> &Tool {
        self.model.tool()
    }

    fn call(&self, input: ToolInput) -> BoxFuture<'static, Result<ToolOutput, ToolError>> {
        let (tool, pool, priority) = (self.model.clone(), self.pool.clone(), self.priority);
        Box::pin(async move {
            let ran = pool.run_as(priority, move || tool.call(input)).await;
            ran.unwrap_or_else(|error| Err(not_run(error)))
        })
    }

    fn terminal(&self) -> bool {
        self.model.terminal()
    }

    fn timeout(&self) -> Option<Duration> {
        self.model.timeout()
    }
}

fn not_run(error: PoolError) -> ToolError {
    let message = match &error {
        PoolError::Busy { .. } => "too much is going on to run the tool; try again later",
        _ => "the tool failed",
    };
    ToolError::new(message).with_source(error)
}

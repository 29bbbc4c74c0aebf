//! [`McpTool`]: a tool of a server, as a tool of ours.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use llm_core::{Tool, ToolError, ToolHandler, ToolInput, ToolOutput};

use crate::McpServer;
use crate::listing::Described;

/// A tool of a server. A call connects where there is no connection; dropping it tells the server that it is cancelled.
#[derive(Clone)]
pub struct McpTool {
    server: McpServer,
    described: Arc<Described>,
}

impl McpTool {
    pub(crate) fn new(server: McpServer, described: Arc<Described>) -> Self {
        Self { server, described }
    }

    /// What the server calls it.
    pub fn remote_name(&self) -> &str {
        &self.described.remote_name
    }
}

impl ToolHandler for McpTool {
    fn tool(&self) -> &Tool {
        &self.described.tool
    }

    fn call(&self, input: ToolInput) -> BoxFuture<'static, Result<ToolOutput, ToolError>> {
        let (server, described) = (self.server.clone(), self.described.clone());
        Box::pin(async move {
            let output = server.call(&described.remote_name, input.arguments).await;
            output.map_err(ToolError::from)
        })
    }

    fn timeout(&self) -> Option<Duration> {
        Some(self.server.options().call_timeout)
    }
}

impl fmt::Debug for McpTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("McpTool")
            .field("server", &self.server.name())
            .field("remote_name", &self.remote_name())
            .finish()
    }
}

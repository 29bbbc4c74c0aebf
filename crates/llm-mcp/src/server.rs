//! [`McpServer`]: a server, connected to when it is needed.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use llm_core::{ToolError, ToolHandler, ToolOutput, ToolSource};
use rmcp::model::CallToolRequestParams;
use rmcp::service::ServiceError;
use serde_json::Value;
use tokio::sync::OnceCell;
use tokio::time::{Instant, timeout};

use crate::connection::Connection;
use crate::content::output;
use crate::name::is_server_name;
use crate::tool::McpTool;
use crate::{Endpoint, McpError, listing};

/// A list is asked for again when it is older, though the server did not say that it changed: not all do.
const LIST_AGE: Duration = Duration::from_secs(300);

/// The pause after the first failure; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A connection that lasted less counts as a failure, too: the server comes up and falls over.
const SETTLED: Duration = Duration::from_secs(30);

/// What a server says is shown to a model up to here.
const SHOWN_BYTES: usize = 2_048;

/// The bounds of a server. The defaults are safe to deploy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct McpOptions {
    /// How long starting or reaching it and greeting it may take. Default 30 s.
    pub connect_timeout: Duration,
    /// How long listing its tools may take. Default 30 s.
    pub list_timeout: Duration,
    /// How long a call may take. Default 60 s.
    pub call_timeout: Duration,
    /// The only tools to take, by the server's own names; `None` takes all.
    pub allowed: Option<Vec<String>>,
    /// How many tools are taken. Default 128.
    pub max_tools: usize,
    /// The longest message that is read, in bytes. Default 16 MiB.
    pub max_message_bytes: usize,
}

impl Default for McpOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(30),
            list_timeout: Duration::from_secs(30),
            call_timeout: Duration::from_secs(60),
            allowed: None,
            max_tools: 128,
            max_message_bytes: 16 << 20,
        }
    }
}

/// A server, connected to when it is first needed, and again when it has died. Clones share the connection.
///
/// When the last clone (tools hold one) is dropped, the connection ends and a process is killed;
/// [`close`](Self::close) does it in order.
#[derive(Clone)]
pub struct McpServer {
    shared: Arc<Shared>,
}

struct Shared {
    name: Arc<str>,
    endpoint: Endpoint,
    options: McpOptions,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    connection: Arc<OnceCell<Arc<Connection>>>,
    /// How often in a row it could not be reached.
    failures: u32,
    not_before: Option<Instant>,
    closed: bool,
}

impl McpServer {
    /// A server that is not connected to yet. Its name begins the names of its tools.
    ///
    /// # Errors
    /// [`McpError::Name`].
    pub fn new(
        name: impl Into<Arc<str>>,
        endpoint: Endpoint,
        options: McpOptions,
    ) -> Result<Self, McpError> {
        let name = name.into();
        if !is_server_name(&name) {
            return Err(McpError::Name { name: name.as_ref().into() });
        }
        let state = Mutex::default();
        Ok(Self { shared: Arc::new(Shared { name, endpoint, options, state }) })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Its bounds.
    pub fn options(&self) -> &McpOptions {
        &self.shared.options
    }

    /// Its tools as they are now, from memory where they have not changed. Dropping the future cancels.
    ///
    /// # Errors
    /// When it cannot be reached, or does not answer in time or in order.
    pub async fn list(&self) -> Result<Vec<McpTool>, McpError> {
        let connection = self.connection().await?;
        let tools = match connection.listed(LIST_AGE) {
            Some(tools) => tools,
            None => self.list_anew(&connection).await?,
        };
        let tools = tools.into_iter().filter(|tool| self.allows(&tool.remote_name));
        Ok(tools.map(|tool| McpTool::new(self.clone(), tool)).collect())
    }

    /// Runs one of its tools, by its own name for it. Dropping the future tells the server that the call is cancelled.
    ///
    /// # Errors
    /// When it cannot be reached, refuses, or does not answer in time or in order. Nothing is tried twice.
    pub async fn call(&self, tool: &str, arguments: Value) -> Result<ToolOutput, McpError> {
        let connection = self.connection().await?;
        let mut params = CallToolRequestParams::new(tool.to_owned());
        if let Value::Object(arguments) = arguments {
            params = params.with_arguments(arguments);
        }
        let limit = self.options().call_timeout;
        let result = self.within(limit, connection.peer.call_tool(params)).await?;
        Ok(output(result))
    }

    /// Ends the connection in order, and a process with it. Nothing connects again.
    pub async fn close(&self) {
        let connection = {
            let mut state = self.state();
            state.closed = true;
            std::mem::take(&mut state.connection)
        };
        if let Some(connection) = connection.get() {
            connection.close().await;
        }
    }

    fn allows(&self, tool: &str) -> bool {
        let allowed = self.options().allowed.as_ref();
        allowed.is_none_or(|allowed| allowed.iter().any(|name| name == tool))
    }

    async fn list_anew(
        &self,
        connection: &Connection,
    ) -> Result<Vec<Arc<listing::Described>>, McpError> {
        let changes = connection.changes();
        let options = self.options();
        let listing = listing::list(&connection.peer, self.name(), options.max_tools);
        let tools = self.within(options.list_timeout, listing).await?;
        let tools: Vec<_> = tools.into_iter().map(Arc::new).collect();
        connection.keep(&tools, changes);
        Ok(tools)
    }

    /// The connection; one caller at a time makes it where there is none.
    async fn connection(&self) -> Result<Arc<Connection>, McpError> {
        let cell = self.cell()?;
        cell.get_or_try_init(|| self.connect()).await.cloned()
    }

    /// Where the connection is, or will be: a new place once it has ended.
    fn cell(&self) -> Result<Arc<OnceCell<Arc<Connection>>>, McpError> {
        let mut state = self.state();
        if state.closed {
            return Err(McpError::Closed { server: self.shared.name.clone() });
        }
        let ended = state.connection.get().filter(|connection| connection.is_closed());
        if let Some(lasted) = ended.map(|connection| connection.since.elapsed()) {
            tracing::warn!(server = self.name(), ?lasted, "an MCP server has gone");
            state.connection = Arc::default();
            match lasted < SETTLED {
                true => state.fail(),
                false => state.failures = 0,
            }
        }
        Ok(state.connection.clone())
    }

    async fn connect(&self) -> Result<Arc<Connection>, McpError> {
        let server = &self.shared.name;
        self.state().check(server)?;
        let options = self.options();
        let limit = options.connect_timeout;
        let opening =
            Connection::open(server, &self.shared.endpoint, limit, options.max_message_bytes);
        let opened = match timeout(limit, opening).await {
            Ok(Ok(connection)) => Ok(Arc::new(connection)),
            Ok(Err(source)) => Err(McpError::Connect { server: server.clone(), source }),
            Err(_) => Err(McpError::Timeout { server: server.clone(), limit }),
        };
        let mut state = self.state();
        match opened {
            Ok(_) if state.closed => Err(McpError::Closed { server: server.clone() }),
            Ok(connection) => {
                tracing::info!(server = self.name(), "connected to an MCP server");
                Ok(connection)
            }
            Err(error) => {
                state.fail();
                tracing::warn!(error = &error as &dyn std::error::Error, "no MCP server");
                Err(error)
            }
        }
    }

    async fn within<T>(
        &self,
        limit: Duration,
        request: impl Future<Output = Result<T, ServiceError>>,
    ) -> Result<T, McpError> {
        let server = self.shared.name.clone();
        match timeout(limit, request).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(ServiceError::McpError(refusal))) => {
                let mut message = refusal.message.into_owned();
                message.truncate(message.floor_char_boundary(SHOWN_BYTES));
                Err(McpError::Refused { server, message })
            }
            Ok(Err(error)) => Err(McpError::Lost { server, source: error.into() }),
            Err(_) => Err(McpError::Timeout { server, limit }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Notes a failure: the next attempt comes later each time.
    fn fail(&mut self) {
        let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        self.not_before = Instant::now().checked_add(pause.min(LONGEST_PAUSE));
    }

    /// Whether it may be tried now.
    fn check(&self, server: &Arc<str>) -> Result<(), McpError> {
        let wait = self.not_before.map(|at| at.saturating_duration_since(Instant::now()));
        match wait.filter(|wait| !wait.is_zero()) {
            Some(wait) => Err(McpError::Down { server: server.clone(), wait }),
            None => Ok(()),
        }
    }
}

impl ToolSource for McpServer {
    fn name(&self) -> &str {
        self.name()
    }

    fn tools(&self) -> BoxFuture<'static, Result<Vec<Arc<dyn ToolHandler>>, ToolError>> {
        let server = self.clone();
        Box::pin(async move {
            let tools = server.list().await?;
            Ok(tools.into_iter().map(|tool| Arc::new(tool) as _).collect())
        })
    }
}

impl fmt::Debug for McpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("McpServer")
            .field("name", &self.name())
            .field("endpoint", &self.shared.endpoint)
            .finish_non_exhaustive()
    }
}

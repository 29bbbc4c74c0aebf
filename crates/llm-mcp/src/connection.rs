//! A connection to a server: the protocol under way, and the process behind it.

use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use llm_core::BoxError;
use rmcp::model::{ClientCapabilities, ClientConfig, Implementation};
use rmcp::service::{NotificationContext, Peer, RoleClient, RunningService};
use rmcp::transport::async_rw::AsyncRwTransport;
use rmcp::{ClientHandler, ServiceExt};
use secrecy::ExposeSecret;
use tokio::io::{AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStderr, Command};
use tokio::time::{Instant, timeout};
use tokio_util::task::AbortOnDropHandle;

use crate::endpoint::{Endpoint, Process};
use crate::http;
use crate::listing::Described;

/// How long a server has to end once it is told to.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A line of a process's standard error is logged up to here.
const LOGGED_BYTES: usize = 1_024;

/// A connection to a server. Dropping it ends it, and kills the process behind it.
pub(crate) struct Connection {
    pub(crate) peer: Peer<RoleClient>,
    pub(crate) since: Instant,
    /// How often the server has said that its tools changed.
    changes: Arc<AtomicU64>,
    listed: Mutex<Option<Listed>>,
    running: Mutex<Option<Running>>,
}

/// What ends when it is dropped, in this order.
struct Running {
    service: RunningService<RoleClient, Client>,
    process: Option<Child>,
    _log: Option<AbortOnDropHandle<()>>,
}

struct Listed {
    tools: Vec<Arc<Described>>,
    at: Instant,
    changes: u64,
}

impl Connection {
    /// Opens one, and greets the server. Dropping the future undoes what it has begun.
    pub(crate) async fn open(
        server: &Arc<str>,
        endpoint: &Endpoint,
        connect_timeout: Duration,
        most_bytes: usize,
    ) -> Result<Self, BoxError> {
        let client = Client::default();
        let changes = client.changes.clone();
        let running = match endpoint {
            Endpoint::Process(process) => start(server, process, client, most_bytes).await?,
            Endpoint::Http(endpoint) => {
                let transport = http::transport(endpoint, connect_timeout, most_bytes)?;
                Running { service: client.serve(transport).await?, process: None, _log: None }
            }
            Endpoint::Streams(streams) => {
                let (reader, writer) = streams.open().await?;
                let transport = AsyncRwTransport::new_client(reader, writer);
                let transport = transport.with_max_line_length(most_bytes);
                Running { service: client.serve(transport).await?, process: None, _log: None }
            }
        };
        Ok(Self {
            peer: running.service.peer().clone(),
            since: Instant::now(),
            changes,
            listed: Mutex::default(),
            running: Mutex::new(Some(running)),
        })
    }

    /// Whether the server has gone.
    pub(crate) fn is_closed(&self) -> bool {
        self.peer.is_transport_closed()
    }

    /// How often the server has said that its tools changed.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// The tools as last listed, unless they changed since, or that was longer ago.
    pub(crate) fn listed(&self, max_age: Duration) -> Option<Vec<Arc<Described>>> {
        let listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        let listed = listed.as_ref()?;
        let is_current = listed.changes == self.changes() && listed.at.elapsed() < max_age;
        is_current.then(|| listed.tools.clone())
    }

    /// Keeps a list that was asked for when the server had said `changes` times that it changed.
    pub(crate) fn keep(&self, tools: &[Arc<Described>], changes: u64) {
        let listed = Listed { tools: tools.to_vec(), at: Instant::now(), changes };
        *self.listed.lock().unwrap_or_else(PoisonError::into_inner) = Some(listed);
    }

    /// Ends it in order: the server is told, and a process that does not end then is killed.
    pub(crate) async fn close(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut running) = running else { return };
        if let Err(error) = running.service.close_with_timeout(LAST_WORDS).await {
            tracing::warn!(%error, "the connection to an MCP server did not end in order");
        }
        let Some(mut process) = running.process else { return };
        if timeout(LAST_WORDS, process.wait()).await.is_err()
            && let Err(error) = process.kill().await
        {
            tracing::warn!(%error, "the process of an MCP server could not be killed");
        }
    }
}

async fn start(
    server: &Arc<str>,
    process: &Process,
    client: Client,
    most_bytes: usize,
) -> Result<Running, BoxError> {
    let mut command = Command::new(&process.command);
    let environment = process.environment.iter();
    command
        .args(&process.arguments)
        .env_clear()
        .envs(environment.map(|(name, value)| (name, value.expose_secret())))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    if let Some(directory) = &process.directory {
        command.current_dir(directory);
    }
    let mut child = command.spawn()?;
    let log = child
        .stderr
        .take()
        .map(|stderr| AbortOnDropHandle::new(tokio::spawn(log_lines(server.clone(), stderr))));
    let (Some(stdout), Some(stdin)) = (child.stdout.take(), child.stdin.take()) else {
        return Err("the process has no standard input or output".into());
    };
    let transport = AsyncRwTransport::new_client(stdout, stdin).with_max_line_length(most_bytes);
    let service = client.serve(transport).await?;
    Ok(Running { service, process: Some(child), _log: log })
}

/// Logs what a process says on its standard error, each line up to a bound, until it ends.
async fn log_lines(server: Arc<str>, stderr: ChildStderr) {
    let mut stderr = BufReader::new(stderr);
    let mut line = Vec::new();
    while let Ok(byte) = stderr.read_u8().await {
        if byte != b'\n' {
            if line.len() < LOGGED_BYTES {
                line.push(byte);
            }
            continue;
        }
        tracing::debug!(server = %server, line = %String::from_utf8_lossy(&line), "an MCP server says");
        line.clear();
    }
}

/// Our side of the protocol. What the server asks of us is declined by default.
#[derive(Clone, Debug, Default)]
struct Client {
    changes: Arc<AtomicU64>,
}

impl ClientHandler for Client {
    fn get_info(&self) -> ClientConfig {
        let us = Implementation::new("colloquy", env!("CARGO_PKG_VERSION"));
        ClientConfig::new(ClientCapabilities::default(), us)
    }

    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.changes.fetch_add(1, Ordering::AcqRel);
    }
}

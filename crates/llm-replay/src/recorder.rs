//! [`Recorder`]: a reverse proxy that writes down what passes through it.

mod budget;
mod proxy;
mod tape;
mod upstream;
mod writer;

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use url::Url;

use self::budget::Budget;
use self::upstream::Upstreams;
use self::writer::Writer;
use crate::LocalServer;
use crate::address::escaped_name;

/// Bounds of a [`Recorder`]. What goes beyond them is passed on all the same, and not kept.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RecorderLimits {
    /// The most bytes of a request's body that are kept.
    pub max_request_bytes: usize,
    /// The most bytes of a response's body that are kept.
    pub max_response_bytes: usize,
    /// The most bytes of all exchanges that are under way or wait to be written.
    pub max_held_bytes: usize,
    /// How long a connection to a provider may take to be made, TLS included.
    pub connect_timeout: Duration,
}

impl Default for RecorderLimits {
    fn default() -> Self {
        Self {
            max_request_bytes: 64 << 20,
            max_response_bytes: 64 << 20,
            max_held_bytes: 512 << 20,
            connect_timeout: Duration::from_secs(10),
        }
    }
}

/// Why a recorder could not be started, or a provider not be added.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The folder cannot be written.
    #[error("recordings cannot be written to {folder}")]
    Folder {
        /// Which.
        folder: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The address cannot be had.
    #[error("the recorder cannot listen on {address}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The HTTP client could not be set up.
    #[error("the HTTP client of the recorder could not be set up")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No provider can be there.
    #[error("the provider `{name}` cannot be recorded: {reason}")]
    Upstream {
        /// The provider.
        name: String,
        /// What is wrong with its origin or name.
        reason: &'static str,
    },
}

/// A server on `127.0.0.1` that passes every request on to a provider, the answer back chunk by chunk as it comes, and
/// writes each exchange to `<folder>/<provider>/<id>.json` without its secrets (see [`Scrubber`](crate::Scrubber)).
///
/// Requests are passed on as they are, except for headers of the connection (RFC 9110, section 7.6.1) and
/// `accept-encoding`, which asks for plain bytes. Redirects are passed back, not followed. A client that leaves cancels
/// the request to the provider; what came until then is kept, tagged `incomplete_stream`, as is an answer that the provider
/// broke off. Not kept, and said so in the log: bodies beyond the [limits](RecorderLimits), bodies that are compressed all
/// the same, and calls that got no response.
///
/// Whoever can connect to the address can use the providers only with a key of his own: the recorder has none.
#[derive(Debug)]
pub struct Recorder {
    server: LocalServer,
    shared: Arc<Shared>,
    writer: Writer,
}

/// What requests share.
#[derive(Debug)]
struct Shared {
    upstreams: RwLock<BTreeMap<String, Arc<str>>>,
    clients: Upstreams,
    limits: RecorderLimits,
    budget: Budget,
    outbox: writer::Outbox,
}

impl Recorder {
    /// Starts on a free port. The folder is made where it is not there.
    ///
    /// # Errors
    /// When the folder cannot be made, no port can be had or the HTTP client not be set up.
    pub async fn start(
        folder: impl Into<PathBuf>,
        limits: RecorderLimits,
    ) -> Result<Self, RecordError> {
        Self::start_at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), folder, limits).await
    }

    /// Starts at an address of this machine.
    ///
    /// # Errors
    /// As [`start`](Self::start); also when the address can be reached from other machines.
    pub async fn start_at(
        address: SocketAddr,
        folder: impl Into<PathBuf>,
        limits: RecorderLimits,
    ) -> Result<Self, RecordError> {
        let folder = folder.into();
        tokio::fs::create_dir_all(&folder)
            .await
            .map_err(|source| RecordError::Folder { folder: folder.clone(), source })?;
        let (writer, outbox) = Writer::start(folder);
        let shared = Arc::new(Shared {
            upstreams: RwLock::default(),
            clients: Upstreams::new(limits.connect_timeout)?,
            limits,
            budget: Budget::new(limits.max_held_bytes),
            outbox,
        });
        let router = Router::new().fallback(proxy::forward).with_state(shared.clone());
        let server = LocalServer::start_at(address, router)
            .await
            .map_err(|source| RecordError::Listen { address, source })?;
        Ok(Self { server, shared, writer })
    }

    /// Adds a provider, or moves one, and returns what stands for its origin: `https://api.example.com/v1/x` is to be
    /// asked at `<returned>/v1/x`. Of `upstream` only scheme, host and port count.
    ///
    /// # Errors
    /// When the name cannot be that of a folder, or the URL is not one of HTTP or holds a password.
    pub fn add(&self, name: &str, upstream: &Url) -> Result<String, RecordError> {
        let fail = |reason| RecordError::Upstream { name: name.to_owned(), reason };
        if !is_folder_name(name) {
            return Err(fail("its name cannot be that of a folder"));
        }
        if !matches!(upstream.scheme(), "http" | "https") || !upstream.has_host() {
            return Err(fail("its address must begin with http:// or https://"));
        }
        if !upstream.username().is_empty() || upstream.password().is_some() {
            return Err(fail("its address must not hold a user name or password"));
        }
        let origin = upstream.origin().ascii_serialization();
        let mut upstreams = self.shared.upstreams.write().unwrap_or_else(PoisonError::into_inner);
        upstreams.insert(name.to_owned(), origin.into());
        Ok(format!("http://{}/{}", self.server.address(), escaped_name(name)))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Stops, cutting what is under way, and waits until everything is written.
    pub async fn finish(self) {
        let Self { server, shared, writer } = self;
        drop((server, shared));
        writer.finish().await;
    }
}

impl Shared {
    fn origin(&self, name: &str) -> Option<Arc<str>> {
        self.upstreams.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }
}

/// Whether a folder of this name is one below, and none that is hidden.
fn is_folder_name(name: &str) -> bool {
    let is_strange = |character: char| character.is_control() || matches!(character, '/' | '\\');
    !name.is_empty() && name.len() <= 100 && !name.starts_with('.') && !name.contains(is_strange)
}

//! [`Endpoint`]: where a server is.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use futures::future::BoxFuture;
use secrecy::SecretString;
use tokio::io::{AsyncRead, AsyncWrite};

/// Where a server is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Endpoint {
    /// A program that is started, and talks over its standard input and output.
    Process(Process),
    /// An address that talks streamable HTTP.
    Http(HttpEndpoint),
    /// Whatever opens a pair of byte streams.
    Streams(Streams),
}

/// A program to start. It sees no environment but the one given here, so that it gets no keys that are not meant for it;
/// most programs need `PATH` and `HOME`.
#[derive(Clone)]
pub struct Process {
    /// The program: a path, or a name to be found in the `PATH` of [`environment`](Self::environment).
    pub command: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Its environment.
    pub environment: BTreeMap<String, SecretString>,
    /// Where it runs; `None` is where we do.
    pub directory: Option<PathBuf>,
}

impl Process {
    /// A program with these arguments, and an empty environment.
    pub fn new(
        command: impl Into<String>,
        arguments: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        Self {
            command: command.into(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            environment: BTreeMap::new(),
            directory: None,
        }
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process").field("command", &self.command).finish_non_exhaustive()
    }
}

/// An address that talks streamable HTTP. Redirects are not followed, and proxies not asked.
#[derive(Clone)]
pub struct HttpEndpoint {
    /// The address, `http:` or `https:`, without secrets.
    pub url: String,
    /// Headers of every request: keys, say.
    pub headers: Vec<(String, SecretString)>,
}

impl HttpEndpoint {
    /// An address that asks for no headers.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), headers: Vec::new() }
    }
}

impl fmt::Debug for HttpEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpEndpoint").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Opens a pair of byte streams to a server, anew for each connection: a socket, or both ends in one process.
#[derive(Clone)]
pub struct Streams(Arc<Open>);

type Open = dyn Fn() -> BoxFuture<'static, io::Result<(Reader, Writer)>> + Send + Sync;

/// What a server says.
pub(crate) type Reader = Box<dyn AsyncRead + Send + Unpin>;

/// What it is told.
pub(crate) type Writer = Box<dyn AsyncWrite + Send + Unpin>;

impl Streams {
    /// Opens by `open`, which gives what the server says and what it is told.
    pub fn new<F, R, W>(open: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = io::Result<(R, W)>> + Send + 'static,
        R: AsyncRead + Send + Unpin + 'static,
        W: AsyncWrite + Send + Unpin + 'static,
    {
        Self(Arc::new(move || {
            let opening = open();
            Box::pin(async move {
                let (reader, writer) = opening.await?;
                Ok((Box::new(reader) as Reader, Box::new(writer) as Writer))
            })
        }))
    }

    pub(crate) fn open(&self) -> BoxFuture<'static, io::Result<(Reader, Writer)>> {
        (self.0)()
    }
}

impl fmt::Debug for Streams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Streams")
    }
}

//! Accepting connections, and ending them in order.

mod connection;
mod patience;
mod streams;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::ServerConfig;
use crate::metrics::Metrics;
use crate::tls::Certificates;
use connection::Connection;

/// How long streams have, after they were told to end, to say so.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// When to stop, and how.
#[derive(Clone, Debug)]
pub struct Shutdown {
    /// Cancelled: accept nothing more, let what runs finish.
    pub stop: CancellationToken,
    /// Cancelled when the time to finish is over: streams end with an error event.
    pub cut: CancellationToken,
    /// How long what runs may go on after `stop`.
    pub drain: Duration,
}

impl Shutdown {
    /// Nothing is stopped yet.
    pub fn new(drain: Duration) -> Self {
        Self { stop: CancellationToken::new(), cut: CancellationToken::new(), drain }
    }
}

/// What connections lead to, and on which terms.
pub(crate) struct Endpoint {
    pub(crate) router: Router,
    /// `None`: plain HTTP is spoken.
    pub(crate) certificates: Option<Arc<Certificates>>,
    pub(crate) limits: ConnectionLimits,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) shutdown: Shutdown,
}

/// What a connection may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnectionLimits {
    /// Connections that are open at once; further ones wait in the system's queue until one ends.
    most: usize,
    /// The largest head of a request, and the most that is held of an answer before its client takes it.
    header_bytes: usize,
    /// For a handshake, for a head, and between two requests.
    header_time: Duration,
    /// For taking any part of an answer.
    stall: Duration,
}

impl From<&ServerConfig> for ConnectionLimits {
    fn from(config: &ServerConfig) -> Self {
        Self {
            most: config.max_connections.get().min(Semaphore::MAX_PERMITS),
            header_bytes: config.max_header_bytes,
            header_time: Duration::from_secs(config.header_seconds.get()),
            stall: Duration::from_secs(config.stall_seconds.get()),
        }
    }
}

/// Serves on `listener` until [`Shutdown::stop`], then drains. Returns when every connection has ended, at the latest a
/// little after [`Shutdown::drain`]. Dropping the future ends all connections at once.
pub(crate) async fn serve(listener: TcpListener, endpoint: Endpoint) {
    let tasks = TaskTracker::new();
    let places = Arc::new(Semaphore::new(endpoint.limits.most));
    let endpoint = Arc::new(endpoint);
    let shutdown = &endpoint.shutdown;
    let _end_all_on_drop = shutdown.cut.clone().drop_guard();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            () = shutdown.stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, place)) => {
                let connection = Connection::new(endpoint.clone(), place);
                tasks.spawn(connection.serve(stream));
            }
            Err(error) => {
                // Out of file descriptors, most likely: wait until some are closed.
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    tasks.close();
    if tokio::time::timeout(shutdown.drain, tasks.wait()).await.is_err() {
        tracing::warn!(connections = tasks.len(), "cutting what did not finish in time");
        shutdown.cut.cancel();
        let _ = tokio::time::timeout(LAST_WORDS * 2, tasks.wait()).await;
    }
}

/// The next connection, once there is a place for it. Cancelling loses none.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let place = places.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, place))
}

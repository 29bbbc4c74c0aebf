//! Accepting connections, and ending them in order.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A client that takes longer to send a request's head is dropped.
const HEADER_TIMEOUT: Duration = Duration::from_secs(15);

/// Connections that are open at once; further ones wait in the system's queue until one ends.
const MOST_CONNECTIONS: usize = 16_384;

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

/// Serves `router` on `listener` until [`Shutdown::stop`], then drains. Returns when every connection has ended, at
/// the latest a little after [`Shutdown::drain`]. Dropping the future ends all connections at once.
pub(crate) async fn serve(listener: TcpListener, router: Router, shutdown: Shutdown) {
    let graceful = GracefulShutdown::new();
    let tasks = TaskTracker::new();
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let _end_all_on_drop = shutdown.cut.clone().drop_guard();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            () = shutdown.stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, place)) => {
                let connection = connection(stream, router.clone(), &graceful, &shutdown.cut);
                tasks.spawn(async move {
                    connection.await;
                    drop(place);
                });
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
    let finished = async {
        graceful.shutdown().await;
        tasks.wait().await;
    };
    if tokio::time::timeout(shutdown.drain, finished).await.is_err() {
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

fn connection(
    stream: TcpStream,
    router: Router,
    graceful: &GracefulShutdown,
    cut: &CancellationToken,
) -> impl Future<Output = ()> + Send + use<> {
    let _ = stream.set_nodelay(true);
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(1_024);
    let service = TowerToHyperService::new(router);
    let connection =
        builder.serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned();
    let connection = graceful.watch(connection);
    let cut = cut.clone();
    async move {
        let last_words = async {
            cut.cancelled().await;
            tokio::time::sleep(LAST_WORDS).await;
        };
        tokio::select! {
            result = connection => {
                if let Err(error) = result {
                    tracing::debug!(error = %error, "connection ended");
                }
            }
            () = last_words => {}
        }
    }
}

//! One connection, from its handshake to its end.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderValue, Request, Response, header};
use futures::future::BoxFuture;
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;

use super::patience::{Patience, PatienceLimits};
use super::streams::{Pieces, StreamTasks};
use super::{ConnectionLimits, Endpoint, LAST_WORDS};
use crate::metrics::OpenConnection;
use activity::{Activity, Busy};

mod activity;

/// Requests that a client may have under way over one connection of HTTP/2.
const MOST_STREAMS: u32 = 1_024;

/// How long a client of HTTP/2 may leave open whether it is still there.
const SIGN_OF_LIFE: Duration = Duration::from_secs(20);

/// A connection that was accepted.
pub(super) struct Connection {
    endpoint: Arc<Endpoint>,
    _place: OwnedSemaphorePermit,
    _counted: OpenConnection,
}

impl Connection {
    pub(super) fn new(endpoint: Arc<Endpoint>, place: OwnedSemaphorePermit) -> Self {
        let counted = endpoint.metrics.connection();
        Self { endpoint, _place: place, _counted: counted }
    }

    /// Serves it to its end.
    pub(super) async fn serve(self, stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let limits = self.endpoint.limits;
        match &self.endpoint.certificates {
            None => {
                let socket = self.patient(stream, Some(limits.header_time));
                self.converse(socket).await;
            }
            Some(certificates) => {
                let socket = self.patient(stream, None);
                let handshake = certificates.acceptor().accept(socket);
                let in_time = tokio::time::timeout(limits.header_time, handshake);
                let shaken = tokio::select! {
                    shaken = in_time => shaken,
                    () = self.endpoint.shutdown.stop.cancelled() => return,
                };
                match shaken {
                    Ok(Ok(stream)) => {
                        let socket = self.patient(stream, Some(limits.header_time));
                        self.converse(socket).await;
                    }
                    Ok(Err(error)) => {
                        self.endpoint.metrics.connection_cut("handshake");
                        tracing::debug!(%error, "a client did not come to speak TLS");
                    }
                    Err(_) => self.endpoint.metrics.connection_cut("handshake"),
                }
            }
        }
    }

    fn patient<S>(&self, socket: S, silence: Option<Duration>) -> Patience<S> {
        let limits = PatienceLimits { silence, stall: self.endpoint.limits.stall };
        let metrics = self.endpoint.metrics.clone();
        Patience::new(socket, limits, move || metrics.connection_cut("stalled"))
    }

    /// Answers the requests that come over a socket.
    async fn converse<S>(&self, socket: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Endpoint { router, certificates, limits, shutdown, .. } = &*self.endpoint;
        let activity = Activity::default();
        let service = Answers {
            router: TowerToHyperService::new(router.clone()),
            activity: activity.clone(),
            is_tls: certificates.is_some(),
        };
        let builder = self.builder(limits);
        let mut connection =
            pin!(builder.serve_connection_with_upgrades(TokioIo::new(socket), service));
        let mut is_closing = false;
        let last_words = async {
            shutdown.cut.cancelled().await;
            tokio::time::sleep(LAST_WORDS).await;
        };
        let mut last_words = pin!(last_words);
        loop {
            tokio::select! {
                result = connection.as_mut() => {
                    if let Err(error) = result {
                        tracing::debug!(%error, "connection ended");
                    }
                    return;
                }
                () = shutdown.stop.cancelled(), if !is_closing => {}
                // A client that does not take its leave is left.
                () = activity.idle(limits.header_time) => if is_closing { return },
                () = &mut last_words => return,
            }
            connection.as_mut().graceful_shutdown();
            is_closing = true;
        }
    }

    fn builder(&self, limits: &ConnectionLimits) -> Builder<StreamTasks> {
        let metrics = self.endpoint.metrics.clone();
        let on_stall = Arc::new(move || metrics.connection_cut("stalled"));
        let mut builder = Builder::new(StreamTasks::new(limits.stall, on_stall));
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.header_time)
            .max_buf_size(limits.header_bytes);
        builder
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(SIGN_OF_LIFE)
            .keep_alive_timeout(SIGN_OF_LIFE)
            .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
            .max_send_buf_size(limits.header_bytes)
            .max_concurrent_streams(MOST_STREAMS);
        builder
    }
}

/// The router, whose answers are handed out in pieces and keep their connection awake.
#[derive(Clone)]
struct Answers {
    router: TowerToHyperService<Router>,
    activity: Activity,
    is_tls: bool,
}

impl Answers {
    /// Puts what is known of the connection where it is looked for, whichever version of HTTP is spoken.
    fn complete(&self, request: &mut Request<Incoming>) {
        if let Some(authority) = request.uri().authority()
            && !request.headers().contains_key(header::HOST)
            && let Ok(host) = HeaderValue::from_str(authority.as_str())
        {
            request.headers_mut().insert(header::HOST, host);
        }
        if self.is_tls {
            request.headers_mut().insert("x-forwarded-proto", HeaderValue::from_static("https"));
        }
    }
}

impl Service<Request<Incoming>> for Answers {
    type Response = Response<Pieces<Busy>>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        self.complete(&mut request);
        let (answer, busy) = (self.router.call(request), self.activity.begin());
        Box::pin(async move { Ok(answer.await?.map(|body| Pieces::new(body, busy))) })
    }
}

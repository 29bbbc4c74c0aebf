//! [`Server`]: the application on a port.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use axum::Router;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio_util::task::AbortOnDropHandle;

use crate::app::App;
use crate::cli::ServeRole;
use crate::config::{AuthMode, Config, Environment, ServerConfig};
use crate::http::{self, ConnectionLimits, Endpoint};
use crate::ingest::{Ingested, ingest};
use crate::tls::{self, Certificates};

/// A running server. Dropping it ends it at once; [`stop`](Self::stop) lets live streams finish.
pub struct Server {
    app: App,
    address: SocketAddr,
    metrics_address: Option<SocketAddr>,
    certificates: Option<Arc<Certificates>>,
    serving: Vec<JoinHandle<()>>,
    _following: Option<AbortOnDropHandle<()>>,
}

impl Server {
    /// Opens the data directory, listens, and serves.
    ///
    /// # Errors
    /// A public address without accounts, an address that is taken, a certificate that cannot be shown, and all of
    /// [`App::open`].
    pub async fn start(config: Config, environment: &Environment) -> Result<Self> {
        Self::start_as(ServeRole::All, config, environment).await
    }

    /// The same for a process that does a part of a server's work: one that only ingests has nothing but its metrics and
    /// whether it lives.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub(crate) async fn start_as(
        role: ServeRole,
        config: Config,
        environment: &Environment,
    ) -> Result<Self> {
        refuse_open_address(&config)?;
        let (listen, metrics) = (config.server.listen, config.metrics.listen);
        let certificates = certificates(&config.server).await?;
        let app = App::open(config, environment).await?;
        let (listener, address) = bind(listen).await?;
        let metrics = match metrics {
            Some(listen) => Some(bind(listen).await?),
            None => None,
        };
        let metrics_address = metrics.as_ref().map(|(_, address)| *address);
        let router = match role {
            ServeRole::Worker => http::operations_router(app.parts().clone(), address),
            ServeRole::All | ServeRole::Api => http::router(app.parts().clone()),
        };
        let everything = endpoint(&app, router, certificates.clone());
        let mut serving = vec![tokio::spawn(http::serve(listener, everything))];
        if let Some((listener, address)) = metrics {
            let router = http::operations_router(app.parts().clone(), address);
            serving.push(tokio::spawn(http::serve(listener, endpoint(&app, router, None))));
        }
        let following = certificates
            .clone()
            .map(|certificates| AbortOnDropHandle::new(tokio::spawn(tls::follow(certificates))));
        Ok(Self { app, address, metrics_address, certificates, serving, _following: following })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it is reached, on the address that it listens on.
    pub fn url(&self) -> String {
        let scheme = if self.certificates.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Where metrics are read without a key, if they have an address of their own.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics_address
    }

    /// Its parts.
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Takes over the providers, models, limits and tools of a configuration that was read again, and the certificate, for
    /// requests and connections that begin from now on. What is under way ends with what it began with. Tells in the log
    /// which settings only a restart takes over.
    ///
    /// # Errors
    /// What is wrong with the configuration; then what was there stays. A certificate that cannot be shown is no error:
    /// the log tells of it, and the one before goes on being shown.
    pub async fn reload(&self, config: Config, environment: &Environment) -> Result<()> {
        self.take_over(Ok(config), environment).await
    }

    /// The same of a configuration that may not have been read.
    pub(crate) async fn take_over(
        &self,
        config: Result<Config>,
        environment: &Environment,
    ) -> Result<()> {
        if let Some(certificates) = self.certificates.clone() {
            tls::report(spawn_blocking(move || certificates.reload()).await?);
        }
        let parts = self.app.parts();
        let taken = async {
            let config = config?;
            let left = config.needs_restart(&parts.current.load().config);
            parts.reload(config, environment).await?;
            Ok(left)
        };
        let taken = taken.await;
        parts.metrics.reloaded(if taken.is_ok() { "taken" } else { "refused" });
        match &taken {
            Ok(left) if left.is_empty() => tracing::info!("the configuration was read again"),
            Ok(left) => tracing::warn!(
                restart = left.join(", "),
                "the configuration was read again; these settings wait for a restart"
            ),
            Err(error) => tracing::error!(
                error = crate::error_line(error),
                "the configuration was read again and not taken over; the one before stays"
            ),
        }
        taken.map(drop)
    }

    /// Takes files and folders into the dataset `default`; what is there already is left alone.
    ///
    /// # Errors
    /// The store's. Files that fail are in the result.
    pub async fn ingest(&self, paths: &[PathBuf]) -> Result<Ingested> {
        ingest(&self.app, "default", paths).await
    }

    /// Takes no more connections, lets what runs finish for as long as configured, cuts the rest with an error event,
    /// and ends the threads.
    pub async fn stop(mut self) {
        self.app.shutdown.stop.cancel();
        let served = async {
            for serving in std::mem::take(&mut self.serving) {
                let _ = serving.await;
            }
        };
        // Turns have as long as connections, whether somebody reads them or not.
        tokio::join!(served, self.app.conversations.close(self.app.config.server.drain()));
        self.app.close().await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.app.shutdown.stop.cancel();
        self.app.shutdown.cut.cancel();
        self.app.conversations.interrupt();
        for serving in &self.serving {
            serving.abort();
        }
    }
}

fn refuse_open_address(config: &Config) -> Result<()> {
    let listen = config.server.listen;
    let local = config.auth.mode == AuthMode::Local;
    ensure!(
        !local || listen.ip().is_loopback(),
        "refusing to listen on {listen}: with auth.mode = \"local\" nobody is asked for a key, so only \
         addresses of this machine (127.0.0.1, [::1]) are allowed; set auth.mode = \"keys\" and make a key with \
         `api-server keys create NAME`"
    );
    Ok(())
}

async fn certificates(config: &ServerConfig) -> Result<Option<Arc<Certificates>>> {
    let Some(files) = config.tls.clone() else {
        return Ok(None);
    };
    Ok(Some(Arc::new(spawn_blocking(|| Certificates::open(files)).await??)))
}

async fn bind(listen: SocketAddr) -> Result<(TcpListener, SocketAddr)> {
    let listener =
        TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

fn endpoint(app: &App, router: Router, certificates: Option<Arc<Certificates>>) -> Endpoint {
    Endpoint {
        router,
        certificates,
        limits: ConnectionLimits::from(&app.config.server),
        metrics: app.metrics.clone(),
        shutdown: app.shutdown.clone(),
    }
}

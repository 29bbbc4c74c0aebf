//! [`Server`]: the application on a port.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::app::App;
use crate::config::{AuthMode, Config, Environment};
use crate::http;
use crate::ingest::{Ingested, ingest};

/// A running server. Dropping it ends it at once; [`stop`](Self::stop) lets live streams finish.
pub struct Server {
    app: App,
    address: SocketAddr,
    serving: Option<JoinHandle<()>>,
}

impl Server {
    /// Opens the data directory, listens, and serves.
    ///
    /// # Errors
    /// A public address without accounts, an address that is taken, and all of [`App::open`].
    pub async fn start(config: Config, environment: &Environment) -> Result<Self> {
        let listen = config.server.listen;
        let local = config.auth.mode == AuthMode::Local;
        ensure!(
            !local || listen.ip().is_loopback(),
            "refusing to listen on {listen}: with auth.mode = \"local\" nobody is asked for a key, so only \
             addresses of this machine (127.0.0.1, [::1]) are allowed; set auth.mode = \"keys\" and make a key with \
             `api-server keys create NAME`"
        );
        let app = App::open(config, environment).await?;
        let listener = TcpListener::bind(listen)
            .await
            .with_context(|| format!("cannot listen on {listen}"))?;
        let address = listener.local_addr()?;
        let router = http::router(app.parts().clone());
        let serving = tokio::spawn(http::serve(listener, router, app.shutdown.clone()));
        Ok(Self { app, address, serving: Some(serving) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its parts.
    pub fn app(&self) -> &App {
        &self.app
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
            if let Some(serving) = self.serving.take() {
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
        if let Some(serving) = self.serving.take() {
            serving.abort();
        }
    }
}

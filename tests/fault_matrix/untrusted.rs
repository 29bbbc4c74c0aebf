//! [`UntrustedServer`]: a server whose certificate nobody vouches for.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use rustls::pki_types::PrivateKeyDer;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;

/// Begins TLS with a certificate that it made itself, and never comes further. Dropping it stops it.
pub(crate) struct UntrustedServer {
    address: SocketAddr,
    task: AbortHandle,
}

impl UntrustedServer {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let acceptor = TlsAcceptor::from(Arc::new(config()?));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(accept(listener, acceptor)).abort_handle();
        Ok(Self { address, task })
    }

    pub(crate) fn base_url(&self) -> String {
        format!("https://{}/v1", self.address)
    }
}

impl Drop for UntrustedServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn config() -> anyhow::Result<rustls::ServerConfig> {
    let own = rcgen::generate_simple_self_signed([Ipv4Addr::LOCALHOST.to_string()])?;
    let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).map_err(io::Error::other)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key)?;
    Ok(config)
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor) {
    while let Ok((socket, _)) = listener.accept().await {
        // The client leaves when it sees the certificate.
        drop(acceptor.accept(socket).await);
    }
}

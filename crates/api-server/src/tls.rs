//! [`Certificates`]: the certificate that the server shows, read again when its files change.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::config::TlsConfig;

/// How often the files are looked at. What changed is read when it is the same at two looks, so that a certificate and
/// its key, which are written one after the other, are taken together.
const LOOKS: Duration = Duration::from_secs(1);

/// What connections are accepted with. Those that are open keep what they were accepted with.
pub(crate) struct Certificates {
    files: TlsConfig,
    current: ArcSwap<ServerConfig>,
    read: Mutex<Stamps>,
}

/// What tells that one of the files is another one than before.
type Stamps = Option<[(SystemTime, u64); 2]>;

impl Certificates {
    /// Reads the files. Blocks.
    ///
    /// # Errors
    /// What is wrong with which file, never what is in it.
    pub(crate) fn open(files: TlsConfig) -> Result<Self> {
        let read = Mutex::new(stamps(&files));
        let current = ArcSwap::from(server_config(&files)?);
        Ok(Self { files, current, read })
    }

    /// What the next connection is accepted with.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.current.load_full())
    }

    /// Reads the files again. Blocks.
    ///
    /// # Errors
    /// As [`open`](Self::open); connections go on being accepted with what was read before.
    pub(crate) fn reload(&self) -> Result<()> {
        let found = stamps(&self.files);
        // What cannot be used is not tried again until it changes.
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = found;
        self.current.store(server_config(&self.files)?);
        Ok(())
    }

    /// Whether the files are others than those that were read.
    fn changed(&self) -> Option<Stamps> {
        let found = stamps(&self.files);
        let read = *self.read.lock().unwrap_or_else(PoisonError::into_inner);
        (found != read).then_some(found)
    }
}

/// Reads the files again whenever they have changed. Dropping ends it.
pub(crate) async fn follow(certificates: Arc<Certificates>) {
    let mut looks = tokio::time::interval(LOOKS);
    let mut seen = None;
    loop {
        looks.tick().await;
        let (looked_at, before) = (certificates.clone(), seen);
        let look = move || {
            let found = looked_at.changed();
            if found.is_some() && found == before {
                report(looked_at.reload());
                return None;
            }
            found
        };
        seen = tokio::task::spawn_blocking(look).await.unwrap_or_default();
    }
}

/// Tells what came of reading the files again.
pub(crate) fn report(reloaded: Result<()>) {
    match reloaded {
        Ok(()) => tracing::info!("the certificate was read again; new connections get it"),
        Err(error) => tracing::warn!(
            error = crate::error_line(&error),
            "the certificate was not read again; the one before is still shown"
        ),
    }
}

/// TLS 1.3 and 1.2 with the same `ring` that providers are spoken to with, named outright.
fn server_config(files: &TlsConfig) -> Result<Arc<ServerConfig>> {
    let shown = files.certificate.display();
    let pem = read("certificate", &files.certificate)?;
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .with_context(|| format!("[server.tls] `certificate`: `{shown}` is no PEM"))?;
    if chain.is_empty() {
        bail!("[server.tls] `certificate`: the file `{shown}` holds no certificate in PEM");
    }
    let key = read("key", &files.key)?;
    // The error could quote the key, so it is left out.
    let Ok(key) = PrivateKeyDer::from_pem_slice(&key) else {
        let shown = files.key.display();
        bail!(
            "[server.tls] `key`: the file `{shown}` holds no private key in PEM, or an encrypted one"
        );
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .with_context(|| {
            let key = files.key.display();
            format!("[server.tls]: `{shown}` and the key `{key}` do not make a certificate to show")
        })?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn read(name: &str, path: &Path) -> Result<Vec<u8>> {
    let shown = path.display();
    fs::read(path).with_context(|| format!("[server.tls] `{name}`: cannot read the file `{shown}`"))
}

fn stamps(files: &TlsConfig) -> Stamps {
    let stamp = |path: &Path| -> io::Result<(SystemTime, u64)> {
        let metadata = fs::metadata(path)?;
        Ok((metadata.modified()?, metadata.len()))
    };
    Some([stamp(&files.certificate).ok()?, stamp(&files.key).ok()?])
}

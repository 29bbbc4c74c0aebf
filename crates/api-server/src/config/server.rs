//! How the server is reached, and what a connection and a request may take.

use std::net::SocketAddr;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use llm_core::Unsupported;
use serde::Deserialize;

use super::ConfigError;

/// The least that fits a head of a request; HTTP itself asks for no less.
const LEAST_HEADER_BYTES: usize = 8 << 10;
/// The most: a connection may hold as much for what it reads, and for what it writes.
const MOST_HEADER_BYTES: usize = 1 << 20;

/// `[server]`
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerConfig {
    /// Address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// The certificate to speak TLS with; left out, plain HTTP is spoken.
    pub tls: Option<TlsConfig>,
    /// The largest request body, in bytes.
    pub max_body_bytes: usize,
    /// Requests under way at once, of all callers; more are refused with 503.
    pub max_requests: usize,
    /// The share of `max_requests` that one tenant may take, where keys tell tenants apart.
    pub max_tenant_share: f64,
    /// Connections that are open at once; further ones wait in the system's queue until one ends.
    pub max_connections: NonZeroUsize,
    /// The largest head of a request, in bytes.
    pub max_header_bytes: usize,
    /// How long a client may take for a TLS handshake and for the head of a request, in seconds. A connection on which no
    /// request follows another for so long is closed.
    pub header_seconds: NonZeroU64,
    /// How long the body of a request may take to arrive, in seconds.
    pub body_seconds: NonZeroU64,
    /// How long a client may take nothing of an answer that is there for it, in seconds.
    pub stall_seconds: NonZeroU64,
    /// How long live streams may go on after a stop signal, in seconds.
    pub drain_seconds: u64,
    /// What to do with a parameter that a model does not take: leave it out and say so (`warn`), or `refuse` the call.
    /// A caller's header `x-colloquy-unsupported` goes before it.
    pub unsupported: Unsupported,
}

impl Default for ServerConfig {
    fn default() -> Self {
        let seconds = |seconds| NonZeroU64::new(seconds).unwrap_or(NonZeroU64::MIN);
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 9380)),
            data_dir: PathBuf::from("colloquy-data"),
            tls: None,
            max_body_bytes: 32 << 20,
            max_requests: 4_096,
            max_tenant_share: 0.5,
            max_connections: NonZeroUsize::new(16_384).unwrap_or(NonZeroUsize::MIN),
            max_header_bytes: 64 << 10,
            header_seconds: seconds(15),
            body_seconds: seconds(300),
            stall_seconds: seconds(60),
            drain_seconds: 20,
            unsupported: Unsupported::default(),
        }
    }
}

impl ServerConfig {
    /// [`drain_seconds`](Self::drain_seconds) as a duration.
    pub fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_seconds)
    }

    /// [`body_seconds`](Self::body_seconds) as a duration.
    pub fn body_time(&self) -> Duration {
        Duration::from_secs(self.body_seconds.get())
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let fail = |reason: String| Err(ConfigError::new("[server]", reason));
        if !(LEAST_HEADER_BYTES..=MOST_HEADER_BYTES).contains(&self.max_header_bytes) {
            return fail(format!(
                "`max_header_bytes` lies between {LEAST_HEADER_BYTES} and {MOST_HEADER_BYTES}"
            ));
        }
        if !(self.max_tenant_share > 0.0 && self.max_tenant_share <= 1.0) {
            return fail("`max_tenant_share` lies above 0 and is 1 at most".into());
        }
        Ok(())
    }
}

/// `[server.tls]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// A file with the server's certificate and those up to its authority, in PEM and in this order.
    pub certificate: PathBuf,
    /// A file with that certificate's private key, in PEM and not encrypted.
    pub key: PathBuf,
}

/// `[metrics]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MetricsConfig {
    /// An address of its own for `/metrics`, `/healthz` and `/readyz`, which asks for no key and speaks plain HTTP; port 0
    /// takes a free one. Left out, metrics are read where everything else is.
    pub listen: Option<SocketAddr>,
}

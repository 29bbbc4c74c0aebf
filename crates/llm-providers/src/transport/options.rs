//! [`TransportOptions`]: how a transport connects, and what it takes at most.

use std::sync::Arc;
use std::time::Duration;

use llm_core::RateLimitSink;

use crate::address_guard::AddressPolicy;
use crate::proxy::Proxy;
use crate::tls::ClientCertificate;

/// Limits and options of a [`Transport`](super::Transport). `Default` is safe to deploy; limits on a call as a whole (first event, idle,
/// total) are the guards' work in the layers above.
#[derive(Clone, Debug)]
pub struct TransportOptions {
    /// How long a connection may take to be made, TLS included.
    pub connect_timeout: Duration,
    /// How long a provider may be silent: a last resort against connections that are dead without a sign.
    pub read_timeout: Duration,
    /// How long an unused connection is kept.
    pub pool_idle_timeout: Duration,
    /// The most bytes of an error's body that are read; the rest is left.
    pub max_error_bytes: usize,
    /// The most bytes of an answer in one piece; more is an error.
    pub max_body_bytes: usize,
    /// The most bytes of one event of a stream; more is an error.
    pub max_event_bytes: usize,
    /// The most bytes of a form that is sent, files included; more is an error.
    pub max_form_bytes: usize,
    /// How long a connection may be silent until the system asks whether its peer is still there.
    pub tcp_keep_alive: Duration,
    /// Which addresses the base URL may lead to. [`AddressPolicy::Public`] takes no proxy but one that is
    /// [`trusted`](Proxy::trusted), and none of the system's.
    pub addresses: AddressPolicy,
    /// Send everything through this proxy.
    pub proxy: Option<Proxy>,
    /// Take the proxy from the system's settings (on Linux `HTTPS_PROXY` and its kin), unless one is named.
    pub system_proxy: bool,
    /// Further certificate authorities to trust, in PEM.
    pub ca_certificates: Vec<u8>,
    /// What to show to servers that ask for a certificate.
    pub client_certificate: Option<ClientCertificate>,
    /// Who hears what the heads of responses tell of the provider's limits
    /// ([`rate_limits`](crate::rate_limits::rate_limits)). Told for each response to a call of a model, failures too.
    pub rate_limits: Option<Arc<dyn RateLimitSink>>,
}

impl Default for TransportOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(600),
            pool_idle_timeout: Duration::from_secs(90),
            max_error_bytes: 1 << 20,
            max_body_bytes: 256 << 20,
            max_event_bytes: 8 << 20,
            max_form_bytes: 256 << 20,
            tcp_keep_alive: Duration::from_secs(60),
            addresses: AddressPolicy::Any,
            proxy: None,
            system_proxy: false,
            ca_certificates: Vec::new(),
            client_certificate: None,
            rate_limits: None,
        }
    }
}

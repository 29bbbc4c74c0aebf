//! [`Target`]: one place that calls go to, with or without a fault.

use std::sync::Arc;

use anyhow::Result;
use llm_core::{ChatModel, ModelInfo, ModelKind, ModelName};
use llm_providers::OpenAi;
use testkit::unreachable::{RefusingPort, unknown_host};
use testkit::{Behaviour, FakeUpstream};

use crate::faults::{Fault, Place};
use crate::untrusted::UntrustedServer;

/// A provider called by its place among the targets: `first`, `second`.
pub(crate) struct Target {
    base_url: String,
    server: Server,
}

enum Server {
    Upstream(FakeUpstream),
    Untrusted { _server: UntrustedServer },
    Refusing { _port: RefusingPort },
    Nowhere,
}

impl Target {
    /// One that always fails so.
    pub(crate) async fn failing(fault: &Fault) -> Result<Self> {
        match fault.place {
            Place::Upstream(behaviour) => Self::behaving(behaviour()).await,
            Place::RefusedConnection => {
                let port = RefusingPort::take()?;
                Ok(Self { base_url: port.base_url(), server: Server::Refusing { _port: port } })
            }
            Place::UnknownHost => Ok(Self { base_url: unknown_host(), server: Server::Nowhere }),
            Place::NoTls => {
                let mut target = Self::behaving(Behaviour::default()).await?;
                target.base_url = target.base_url.replacen("http:", "https:", 1);
                Ok(target)
            }
            Place::UntrustedCertificate => {
                let server = UntrustedServer::start().await?;
                let base_url = server.base_url();
                Ok(Self { base_url, server: Server::Untrusted { _server: server } })
            }
        }
    }

    /// One that always behaves so.
    pub(crate) async fn behaving(behaviour: Behaviour) -> Result<Self> {
        let upstream = FakeUpstream::start().await?;
        upstream.always(behaviour);
        Ok(Self { base_url: upstream.base_url(), server: Server::Upstream(upstream) })
    }

    /// One whose first call fails so, and no other. `None` where the fault is no behaviour.
    pub(crate) async fn recovering(fault: &Fault, then: Behaviour) -> Result<Option<Self>> {
        let Place::Upstream(behaviour) = fault.place else { return Ok(None) };
        let target = Self::behaving(then).await?;
        if let Server::Upstream(upstream) = &target.server {
            upstream.next(behaviour());
        }
        Ok(Some(target))
    }

    /// Its model, through the real client. It can go on with a text that another began.
    pub(crate) fn model(&self, provider: &str) -> Result<Arc<dyn ChatModel>> {
        let mut info = ModelInfo::new(ModelName::new(provider, "m"), ModelKind::Chat);
        info.capabilities.prefix = Some(true);
        Ok(OpenAi::builder(provider, &self.base_url).build()?.chat_with(info))
    }

    /// How many calls have reached it.
    pub(crate) fn calls(&self) -> usize {
        match &self.server {
            Server::Upstream(upstream) => upstream.calls(),
            Server::Untrusted { .. } | Server::Refusing { .. } | Server::Nowhere => 0,
        }
    }
}

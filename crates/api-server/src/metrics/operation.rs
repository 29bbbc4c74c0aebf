//! Connections, and configurations that are read while the server runs.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// What is counted of the server's operation.
#[derive(Debug, Default)]
pub(super) struct OperationMetrics {
    connections: Gauge,
    cut: Family<CutLabels, Counter>,
    reloads: Family<ReloadLabels, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CutLabels {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReloadLabels {
    outcome: &'static str,
}

impl OperationMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("connections", "Connections that are open", self.connections.clone());
        registry.register(
            "connections_cut",
            "Connections and streams that were ended because their clients kept the server waiting",
            self.cut.clone(),
        );
        registry.register(
            "config_reloads",
            "Configurations that were read while the server runs",
            self.reloads.clone(),
        );
    }
}

impl super::Metrics {
    /// Counts an open connection until the value is dropped.
    pub(crate) fn connection(&self) -> OpenConnection {
        self.operation.connections.inc();
        OpenConnection(self.operation.connections.clone())
    }

    /// A client kept the server waiting for too long, or did not speak TLS.
    pub(crate) fn connection_cut(&self, reason: &'static str) {
        self.operation.cut.get_or_create(&CutLabels { reason }).inc();
    }

    /// A configuration was read while the server runs.
    pub(crate) fn reloaded(&self, outcome: &'static str) {
        self.operation.reloads.get_or_create(&ReloadLabels { outcome }).inc();
    }
}

/// Counts one open connection while it exists.
#[derive(Debug)]
pub(crate) struct OpenConnection(Gauge);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}

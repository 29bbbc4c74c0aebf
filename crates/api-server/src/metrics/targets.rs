//! Gauges of the models that are asked: how busy they are, and whether they are left alone.

use llm_bundle::{BreakerStatus, TargetStatus};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Targets that are shown, at most.
const SHOWN: usize = 500;

/// The gauges of all targets.
#[derive(Debug, Default)]
pub(super) struct TargetGauges {
    live: Family<TargetLabels, Gauge>,
    waiting: Family<TargetLabels, Gauge>,
    limit: Family<TargetLabels, Gauge>,
    resting: Family<TargetLabels, Gauge>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TargetLabels {
    provider: String,
    model: String,
    kind: &'static str,
    key: u64,
}

impl TargetGauges {
    pub(super) fn register(&self, registry: &mut Registry) {
        for (name, help, family) in [
            ("target_live", "Answers of a model under way", &self.live),
            ("target_waiting", "Calls that wait for their turn at a model", &self.waiting),
            ("target_limit", "Answers of a model that may be under way at once", &self.limit),
            ("target_resting", "Whether a model is left alone because it failed", &self.resting),
        ] {
            registry.register(name, help, family.clone());
        }
    }

    /// Shows these, and no others.
    pub(super) fn set(&self, targets: &[TargetStatus]) {
        for family in [&self.live, &self.waiting, &self.limit, &self.resting] {
            family.clear();
        }
        for target in targets.iter().take(SHOWN) {
            let labels = TargetLabels {
                provider: target.name.provider.clone(),
                model: target.name.model.clone(),
                kind: target.kind.as_str(),
                key: target.key as u64,
            };
            let rests = !matches!(target.breaker, BreakerStatus::Closed);
            for (family, value) in [
                (&self.live, target.live),
                (&self.waiting, target.waiting),
                (&self.limit, target.pace.in_flight_limit),
                (&self.resting, usize::from(rests)),
            ] {
                let value = i64::try_from(value).unwrap_or(i64::MAX);
                family.get_or_create(&labels).set(value);
            }
        }
    }
}

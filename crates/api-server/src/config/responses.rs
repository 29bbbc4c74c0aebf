//! `[responses]`: answers of `/v1/responses` that callers may go on from by their id.

use response_store::Bounds;
use serde::Deserialize;

/// `[responses]`
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResponsesConfig {
    /// Whether a response is kept whose request does not say.
    pub store: bool,
    /// For how many days responses are kept.
    pub retention_days: u32,
    /// How many a tenant may have; the oldest go first.
    pub max_per_tenant: u32,
    /// How much room a tenant's may take, in MiB; the oldest go first.
    pub max_megabytes_per_tenant: u32,
}

impl Default for ResponsesConfig {
    fn default() -> Self {
        let bounds = Bounds::default();
        Self {
            store: true,
            retention_days: bounds.days,
            max_per_tenant: bounds.per_tenant,
            max_megabytes_per_tenant: (bounds.tenant_bytes >> 20) as u32,
        }
    }
}

impl ResponsesConfig {
    /// The same for the store.
    pub fn bounds(&self) -> Bounds {
        Bounds {
            days: self.retention_days,
            per_tenant: self.max_per_tenant,
            tenant_bytes: u64::from(self.max_megabytes_per_tenant) << 20,
            ..Bounds::default()
        }
    }
}

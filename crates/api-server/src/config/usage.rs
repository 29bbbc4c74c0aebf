//! `[usage]`: records of what model calls consumed.

use llm_usage::Retention;
use serde::Deserialize;

/// `[usage]`
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UsageConfig {
    /// Whether calls are recorded.
    pub enabled: bool,
    /// For how many days records are kept.
    pub retention_days: u32,
    /// How much room they may take, in MiB; the oldest go first.
    pub max_megabytes: u32,
}

impl Default for UsageConfig {
    fn default() -> Self {
        Self { enabled: true, retention_days: 90, max_megabytes: 4_096 }
    }
}

impl UsageConfig {
    /// How long records are kept.
    pub fn retention(&self) -> Retention {
        let max_bytes = u64::from(self.max_megabytes) << 20;
        Retention { days: self.retention_days, max_bytes }
    }
}

//! `[telemetry]`: spans and metrics for a collector of OpenTelemetry.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::SecretRef;

/// `[telemetry]`
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetryConfig {
    /// The collector's base URL, for OTLP over HTTP: `http://127.0.0.1:4318`. Left out, nothing is measured for it.
    pub otlp_endpoint: Option<String>,
    /// Headers of every request to it, such as its key.
    pub headers: BTreeMap<String, SecretRef>,
    /// What this server is called there.
    pub service_name: String,
    /// The share of traces that are sent, 0 to 1. A caller that sends a `traceparent` decides for its own.
    pub sample_ratio: f64,
    /// Whether prompts and answers are part of the spans.
    pub capture_content: bool,
    /// The most bytes of each prompt and each answer.
    pub max_content_bytes: usize,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self {
            otlp_endpoint: None,
            headers: BTreeMap::new(),
            service_name: "colloquy".into(),
            sample_ratio: 1.0,
            capture_content: false,
            max_content_bytes: 16 << 10,
        }
    }
}

impl TelemetryConfig {
    /// Whether there is a collector.
    pub fn is_on(&self) -> bool {
        self.otlp_endpoint.is_some()
    }
}

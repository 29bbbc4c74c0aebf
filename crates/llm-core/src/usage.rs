//! What a call consumed.

use serde::{Deserialize, Serialize};

/// Tokens (and money) that one call consumed. Every field is `None` where the provider did not tell.
///
/// Convention, whatever the provider's own: `input_tokens` *includes* tokens read from and written to the prompt
/// cache; `output_tokens` *includes* reasoning tokens. Adapters convert.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Usage {
    /// Tokens of the whole prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u64>,
    /// Tokens of the whole answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
    /// Prompt tokens served from the provider's cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_read_tokens: Option<u64>,
    /// Prompt tokens written to the provider's cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_tokens: Option<u64>,
    /// Answer tokens spent on reasoning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_tokens: Option<u64>,
    /// Prompt tokens of sound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio_input_tokens: Option<u64>,
    /// Answer tokens of sound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio_output_tokens: Option<u64>,
    /// Rerank and search units, where a provider bills by them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search_units: Option<u64>,
    /// What the provider says it charged, in US dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<f64>,
    /// Whether the counts are our estimate and not the provider's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub estimated: bool,
    /// The provider's own object, as last seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<serde_json::Value>,
}

impl Usage {
    /// Merges a later report of the *same* call: what the later one tells replaces what was known, field by field.
    /// Nothing is ever added up, since providers repeat running totals.
    pub fn merge(&mut self, later: Usage) {
        fn replace<T>(known: &mut Option<T>, later: Option<T>) {
            if later.is_some() {
                *known = later;
            }
        }
        replace(&mut self.input_tokens, later.input_tokens);
        replace(&mut self.output_tokens, later.output_tokens);
        replace(&mut self.cache_read_tokens, later.cache_read_tokens);
        replace(&mut self.cache_write_tokens, later.cache_write_tokens);
        replace(&mut self.reasoning_tokens, later.reasoning_tokens);
        replace(&mut self.audio_input_tokens, later.audio_input_tokens);
        replace(&mut self.audio_output_tokens, later.audio_output_tokens);
        replace(&mut self.search_units, later.search_units);
        replace(&mut self.cost, later.cost);
        replace(&mut self.raw, later.raw);
        self.estimated = later.estimated;
    }

    /// Prompt and answer tokens together, where at least one is known.
    pub fn total_tokens(&self) -> Option<u64> {
        match (self.input_tokens, self.output_tokens) {
            (None, None) => None,
            (input, output) => Some(input.unwrap_or(0).saturating_add(output.unwrap_or(0))),
        }
    }
}

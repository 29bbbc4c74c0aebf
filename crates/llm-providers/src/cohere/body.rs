//! [`Body`]: a request's body in the making, and what its model takes. Both versions name these parameters alike.

use llm_core::{ChatRequest, ModelError, Sampling};
use serde_json::{Map, Value};

use crate::Quirks;
use crate::notes::Notes;

/// A body in the making.
pub(super) struct Body<'a> {
    pub(super) map: Map<String, Value>,
    pub(super) notes: Notes,
    pub(super) model: &'a str,
    pub(super) quirks: &'a Quirks,
}

impl<'a> Body<'a> {
    pub(super) fn new(notes: Notes, model: &'a str, quirks: &'a Quirks) -> Self {
        Self { map: Map::new(), notes, model, quirks }
    }

    pub(super) fn insert(&mut self, name: &str, value: impl Into<Value>) {
        self.map.insert(name.to_owned(), value.into());
    }

    /// Inserts a parameter under the provider's name for it, or notes that the model does not take it.
    pub(super) fn put<T: Into<Value>>(
        &mut self,
        name: &str,
        value: Option<T>,
    ) -> Result<(), ModelError> {
        let Some(value) = value else {
            return Ok(());
        };
        if self.quirks.drops(self.model, name) {
            return self.notes.dropped_parameter(name);
        }
        let name = self.quirks.rename.get(name).map_or(name, String::as_str);
        self.insert(name, value);
        Ok(())
    }

    pub(super) fn drop_if(&mut self, is_given: bool, name: &str) -> Result<(), ModelError> {
        if is_given { self.notes.dropped_parameter(name) } else { Ok(()) }
    }

    /// Sampling, limits and stops: `p` and `k`, `max_tokens`, `stop_sequences`.
    pub(super) fn sampling(
        &mut self,
        sampling: Sampling,
        max_tokens: Option<u32>,
        stop: Vec<String>,
    ) -> Result<(), ModelError> {
        self.put("max_tokens", max_tokens)?;
        self.put("stop_sequences", (!stop.is_empty()).then_some(stop))?;
        self.put("temperature", sampling.temperature)?;
        self.put("p", sampling.top_p)?;
        self.put("k", sampling.top_k)?;
        self.put("frequency_penalty", sampling.frequency_penalty)?;
        self.put("presence_penalty", sampling.presence_penalty)?;
        self.put("seed", sampling.seed)?;
        self.drop_if(!sampling.logit_bias.is_empty(), "logit_bias")
    }

    /// What neither version has a word for.
    pub(super) fn without_words(&mut self, request: &ChatRequest) -> Result<(), ModelError> {
        let tier = request.service_tier.as_deref();
        self.drop_if(request.top_logprobs.is_some_and(|top| top > 0), "top_logprobs")?;
        self.drop_if(request.parallel_tool_calls == Some(false), "parallel_tool_calls")?;
        self.drop_if(tier.is_some_and(|tier| !matches!(tier, "auto" | "default")), "service_tier")?;
        self.drop_if(request.user.is_some(), "user")
    }
}

//! [`Reranker`]: a service that does nothing but rerank.

use std::sync::Arc;

use llm_core::RerankModel;
use secrecy::SecretString;

use super::quirks::RerankQuirks;
use crate::openai::{OpenAi, OpenAiBuilder};
use crate::transport::{BuildError, TransportOptions};

/// A service instance: one base URL, one key, one pool of connections, any number of models. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Reranker {
    client: OpenAi,
}

impl Reranker {
    /// Begins a service called `name` (the first half of its models' names) at `base_url` (what comes before `/rerank`).
    pub fn builder(name: impl Into<String>, base_url: impl Into<String>) -> RerankerBuilder {
        RerankerBuilder { builder: OpenAi::builder(name, base_url), quirks: Default::default() }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.client.name()
    }

    /// A model by the service's name for it. Nothing is sent.
    pub fn model(&self, model: impl Into<String>) -> Arc<dyn RerankModel> {
        self.client.rerank(model)
    }
}

/// Sets up a [`Reranker`].
#[derive(Clone, Debug)]
pub struct RerankerBuilder {
    builder: OpenAiBuilder,
    quirks: RerankQuirks,
}

impl RerankerBuilder {
    /// How the service wants to be asked.
    pub fn quirks(mut self, quirks: RerankQuirks) -> Self {
        self.quirks = quirks;
        self
    }

    /// The key, sent as `Authorization: Bearer`.
    pub fn api_key(mut self, key: SecretString) -> Self {
        self.builder = self.builder.api_key(key);
        self
    }

    /// A header for every request.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.builder = self.builder.header(name, value);
        self
    }

    /// Limits and options of its connections.
    pub fn transport(mut self, options: TransportOptions) -> Self {
        self.builder = self.builder.transport(options);
        self
    }

    /// Sets it up. Nothing is sent.
    ///
    /// # Errors
    /// When the base URL, a header or TLS is not in order.
    pub fn build(self) -> Result<Reranker, BuildError> {
        let quirks = crate::Quirks { rerank: self.quirks, ..crate::Quirks::default() };
        Ok(Reranker { client: self.builder.quirks(quirks).build()? })
    }
}

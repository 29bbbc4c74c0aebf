//! `[[web]]`: search engines that dialogs may ask.

use std::num::NonZeroU64;
use std::time::Duration;

use rag_web::{Engine, WebOptions, WebSearch};
use serde::Deserialize;

use super::{Environment, SecretRef};

/// `[[web]]`: a search engine.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebConfig {
    /// What dialogs call it.
    pub name: String,
    /// What it is.
    pub engine: Engine,
    /// Its address. Left out for Tavily: the public one.
    pub url: Option<String>,
    /// Its key.
    pub api_key: Option<SecretRef>,
    /// Pages that are asked for at most.
    pub pages: Option<usize>,
    /// How long an answer may take, in seconds.
    pub timeout_seconds: Option<NonZeroU64>,
}

impl WebConfig {
    /// The engine, which is not connected to yet.
    ///
    /// # Errors
    /// One line that names the key at fault, never a secret.
    pub fn engine(&self, environment: &Environment) -> Result<WebSearch, String> {
        const TAVILY: &str = "https://api.tavily.com";
        const MOST_PAGES: usize = 20;
        let url = match (&self.url, self.engine) {
            (Some(url), _) => url,
            (None, Engine::Tavily) => TAVILY,
            (None, _) => return Err("needs a `url`".into()),
        };
        let defaults = WebOptions::default();
        let pages = self.pages.unwrap_or(defaults.pages);
        if !(1..=MOST_PAGES).contains(&pages) {
            return Err(format!("`pages` lies between 1 and {MOST_PAGES}"));
        }
        let key = self.api_key.as_ref().map(|key| key.resolve(environment)).transpose();
        let timeout = self.timeout_seconds.map(|seconds| Duration::from_secs(seconds.get()));
        let options = WebOptions {
            key: key.map_err(|error| format!("`api_key`: {error}"))?,
            pages,
            timeout: timeout.unwrap_or(defaults.timeout),
        };
        WebSearch::new(self.engine, url, options).map_err(|error| error.to_string())
    }
}

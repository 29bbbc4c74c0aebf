//! `[[local_model]]`: embedding models that are computed here.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::Deserialize;

use super::ConfigError;

/// Names that `local/` has already.
const TAKEN: &[&str] = &["static", "lexical", "extractive"];

/// `[[local_model]]`: a sentence transformer, called `local/NAME`. Either `path` or `hub` says where it is.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalModelConfig {
    /// The name after `local/`.
    pub name: String,
    /// Its directory, as sentence-transformers writes it.
    pub path: Option<PathBuf>,
    /// Its name on the Hugging Face hub (`ORGANISATION/NAME`), for a model that was downloaded before.
    pub hub: Option<String>,
    /// What to put before questions; left out, what the model itself says.
    pub query_prompt: Option<String>,
    /// What to put before passages; left out, what the model itself says.
    pub document_prompt: Option<String>,
}

impl LocalModelConfig {
    /// What it is called in messages.
    pub(crate) fn place(&self) -> String {
        format!("[[local_model]] `{}`", self.name)
    }
}

/// What types alone cannot say.
pub(super) fn check(models: &[LocalModelConfig]) -> Result<(), ConfigError> {
    let mut names: BTreeSet<&str> = TAKEN.iter().copied().collect();
    for model in models {
        let fail = |reason: &str| Err(ConfigError::new(model.place(), reason));
        if model.name.is_empty() || model.name.contains('/') {
            return fail("choose a name without a slash");
        }
        if !names.insert(&model.name) {
            return fail("there is another local model of this name");
        }
        if model.path.is_some() == model.hub.is_some() {
            return fail("say where it is by one of `path` and `hub`");
        }
    }
    Ok(())
}

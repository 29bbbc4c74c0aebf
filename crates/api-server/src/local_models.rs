//! Embedding models that the operator brings along, read from disk.

use std::path::PathBuf;
use std::sync::Arc;

use llm_bundle::{Adapted, BatchOptions, Batched, SyncPool};
use llm_core::{EmbeddingModel, SyncEmbeddingModel};
use llm_local::sentence_transformer::find_in_hub_cache;
use llm_local::{SentenceTransformer, SentenceTransformerOptions};

use crate::causes_line;
use crate::config::{ConfigError, Environment, LocalModelConfig};

/// Reads the models; takes as long as their weights take to read. Each call of one computes on one thread, so that the
/// pool that runs them bounds the cores that they use.
///
/// # Errors
/// The first that is not there or cannot be used.
pub(crate) fn load(
    models: &[LocalModelConfig],
    environment: &Environment,
) -> Result<Vec<Arc<dyn SyncEmbeddingModel>>, ConfigError> {
    let load = |config: &LocalModelConfig| -> Result<Arc<dyn SyncEmbeddingModel>, String> {
        let options = SentenceTransformerOptions {
            query_prompt: config.query_prompt.clone(),
            document_prompt: config.document_prompt.clone(),
            ..SentenceTransformerOptions::default()
        };
        let directory = directory(config, environment)?;
        let model = SentenceTransformer::load(&config.name, &directory, options);
        Ok(Arc::new(model.map_err(|error| causes_line(&error))?))
    };
    let fail = |config: &LocalModelConfig, reason| ConfigError::new(config.place(), reason);
    models.iter().map(|config| load(config).map_err(|reason| fail(config, reason))).collect()
}

/// The model as an async one: run on `pool`, calls that come at the same time joined.
pub(crate) fn adapted(
    model: &Arc<dyn SyncEmbeddingModel>,
    pool: &SyncPool,
) -> Arc<dyn EmbeddingModel> {
    let adapted = Arc::new(Adapted::new(model.clone(), pool.clone()));
    Arc::new(Batched::new(adapted, BatchOptions::local()))
}

fn directory(config: &LocalModelConfig, environment: &Environment) -> Result<PathBuf, String> {
    match (&config.path, &config.hub) {
        (Some(path), _) => Ok(path.clone()),
        (None, Some(name)) => {
            hub_cache(environment).and_then(|cache| find_in_hub_cache(&cache, name)).ok_or_else(
                || format!("is not in the hub's cache; download it with `hf download {name}`"),
            )
        }
        (None, None) => Err("say where it is by `path` or `hub`".into()),
    }
}

/// Where the hub's own tools keep what they download.
fn hub_cache(environment: &Environment) -> Option<PathBuf> {
    let set = |name: &str| environment.get(name).filter(|value| !value.is_empty());
    let home = || Some(PathBuf::from(set("HOME")?).join(".cache"));
    set("HF_HUB_CACHE").map(PathBuf::from).or_else(|| {
        let caches = || set("XDG_CACHE_HOME").map(PathBuf::from).or_else(home);
        let base = set("HF_HOME").map(PathBuf::from);
        Some(base.or_else(|| Some(caches()?.join("huggingface")))?.join("hub"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hubs_cache_is_where_its_tools_have_it() {
        for (variables, expected) in [
            (&[("HOME", "/h")][..], Some("/h/.cache/huggingface/hub")),
            (&[("HOME", "/h"), ("XDG_CACHE_HOME", "/c")], Some("/c/huggingface/hub")),
            (&[("HOME", "/h"), ("HF_HOME", "/f")], Some("/f/hub")),
            (&[("HF_HOME", "/f"), ("HF_HUB_CACHE", "/x")], Some("/x")),
            (&[("HF_HOME", "")], None),
        ] {
            let environment =
                variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
            assert_eq!(hub_cache(&environment), expected.map(PathBuf::from), "{variables:?}");
        }
    }

    #[test]
    fn what_is_not_there_is_told_with_the_way_out() {
        let check = |config: &str, expected: &str| {
            let config: crate::config::Config = toml::from_str(config).unwrap();
            let environment = [("HF_HOME".into(), "nowhere".into())].into();
            let error = load(&config.local_model, &environment).err().unwrap().to_string();
            assert!(error.contains(expected), "{error}");
        };
        check(
            "[[local_model]]\nname = \"m\"\npath = \"nowhere\"",
            "[[local_model]] `m`: cannot read nowhere/config.json",
        );
        check(
            "[[local_model]]\nname = \"m\"\nhub = \"org/model\"",
            "download it with `hf download org/model`",
        );
    }
}

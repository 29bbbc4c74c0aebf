//! `[models]`: what is known of models besides the built-in list.

use std::fs::File;
use std::path::PathBuf;

use llm_core::{Capabilities, Limits, ModelInfo, ModelKind, ModelName, Prices};
use llm_providers::ModelCatalogue;
use serde::Deserialize;

use super::{ConfigError, chat};
use crate::causes_line;

/// `[models]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelsConfig {
    /// A list in the form of the built-in one; what it says of a model goes before what that says. Read at start.
    pub file: Option<PathBuf>,
    /// What the operator says of single models; goes before both lists, field by field.
    pub known: Vec<KnownModel>,
}

/// `[[models.known]]`: what is left out stays as the lists say.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownModel {
    /// Its name, `provider/model`.
    pub name: ModelName,
    /// What it does.
    #[serde(default = "chat")]
    pub kind: ModelKind,
    /// Tokens of prompt and answer together, or of one input.
    pub context_tokens: Option<u32>,
    /// Tokens of an answer.
    pub output_tokens: Option<u32>,
    /// Length of the vectors.
    pub dimensions: Option<u32>,
    /// Inputs in one call.
    pub batch: Option<u32>,
    /// Whether it takes tools.
    pub tools: Option<bool>,
    /// Whether it takes pictures.
    pub image_input: Option<bool>,
    /// Whether it takes sound.
    pub audio_input: Option<bool>,
    /// Whether it takes files.
    pub file_input: Option<bool>,
    /// Whether it answers in JSON by a schema.
    pub json_schema: Option<bool>,
    /// Whether it reasons.
    pub reasoning: Option<bool>,
    /// US dollars for a million tokens of the prompt.
    pub input_price: Option<f64>,
    /// US dollars for a million tokens of the answer.
    pub output_price: Option<f64>,
    /// US dollars for a million tokens of the prompt that the provider's cache held.
    pub cache_read_price: Option<f64>,
    /// US dollars for a million tokens of the prompt that the provider's cache takes up.
    pub cache_write_price: Option<f64>,
}

impl ModelsConfig {
    /// All that is known of models; `None` is the built-in list, which is read when it is first needed.
    ///
    /// # Errors
    /// A file that cannot be read or is not in order.
    pub fn catalogue(&self) -> Result<Option<ModelCatalogue>, ConfigError> {
        if self.file.is_none() && self.known.is_empty() {
            return Ok(None);
        }
        let mut models = ModelCatalogue::built_in().clone();
        if let Some(path) = &self.file {
            let fail = |reason| ConfigError::new(format!("`{}`", path.display()), reason);
            let file = File::open(path).map_err(|error| fail(error.to_string()))?;
            let list = ModelCatalogue::from_reader(file);
            models.extend(list.map_err(|error| fail(causes_line(&error)))?);
        }
        for model in &self.known {
            models.refine(model.info());
        }
        Ok(Some(models))
    }
}

impl KnownModel {
    fn info(&self) -> ModelInfo {
        let price = |for_a_million: Option<f64>| for_a_million.map(|price| price / 1e6);
        let prices = Prices {
            input: price(self.input_price),
            output: price(self.output_price),
            cache_read: price(self.cache_read_price),
            cache_write: price(self.cache_write_price),
            ..Prices::default()
        };
        ModelInfo {
            limits: Limits {
                context_tokens: self.context_tokens,
                output_tokens: self.output_tokens,
                dimensions: self.dimensions,
                batch: self.batch,
            },
            capabilities: Capabilities {
                tools: self.tools,
                image_input: self.image_input,
                audio_input: self.audio_input,
                file_input: self.file_input,
                json_schema: self.json_schema,
                reasoning: self.reasoning,
                ..Capabilities::default()
            },
            prices: (prices != Prices::default()).then_some(prices),
            ..ModelInfo::new(self.name.clone(), self.kind)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(config: &str, list: &str) -> Result<ModelCatalogue, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("models.tsv");
        std::fs::write(&path, list).unwrap();
        let config = config.replace("LIST", &path.display().to_string());
        let config: ModelsConfig = toml::from_str(&config).map_err(|error| error.to_string())?;
        let models = config.catalogue().map_err(|error| error.to_string())?;
        Ok(models.expect("something is configured"))
    }

    #[test]
    fn the_operators_word_goes_before_the_file_before_the_built_in_list() {
        let config =
            "file = \"LIST\"\n[[known]]\nname = \"p/m\"\noutput_tokens = 5\ninput_price = 3.0";
        let models = check(config, "p\tm\tchat\t100\t50\n").unwrap();
        let info = models.find("p", "m").unwrap();
        assert_eq!((info.limits.context_tokens, info.limits.output_tokens), (Some(100), Some(5)));
        assert_eq!(info.prices.unwrap().input, Some(3e-6));
        assert!(models.len() > ModelCatalogue::built_in().len());
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (config, list, expected) in [
            ("file = \"LIST.no\"", "", "models.tsv.no`: "),
            ("file = \"LIST\"", "p\tm", "models.tsv`: line 1 of the list of models"),
            ("[[known]]\nname = \"m\"", "", "write provider/model"),
            ("[[known]]\nname = \"p/m\"\ncontext = 1", "", "unknown field `context`"),
        ] {
            let error = check(config, list).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}

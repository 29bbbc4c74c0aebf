//! The search engines of the configuration.

use std::collections::BTreeMap;
use std::sync::Arc;

use dialog_service::{EvidenceSource, Sources};
use llm_core::{ErrorKind, ModelError, Operation};
use rag_web::WebSearch;

use crate::config::{ConfigError, Environment, WebConfig};

/// The engines, by name. None is connected to before it is asked.
#[derive(Debug, Default)]
pub(crate) struct WebEngines(BTreeMap<String, WebSearch>);

impl WebEngines {
    /// The engines of the configuration.
    ///
    /// # Errors
    /// One that cannot be used, or whose name is taken.
    pub(crate) fn new(
        configured: &[WebConfig],
        environment: &Environment,
    ) -> Result<Self, ConfigError> {
        let mut engines = BTreeMap::new();
        for config in configured {
            let fail = |reason| ConfigError::new(format!("[[web]] `{}`", config.name), reason);
            let engine = config.engine(environment).map_err(fail)?;
            if engines.insert(config.name.clone(), engine).is_some() {
                return Err(fail("is there twice".into()));
            }
        }
        Ok(Self(engines))
    }

    /// Whether there is an engine of that name.
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The engines that a dialog names.
    ///
    /// # Errors
    /// One that is not there any more.
    pub(crate) fn of_dialog(&self, names: &[String]) -> Result<Sources, ModelError> {
        let source = |name: &String| {
            let engine = self.0.get(name).ok_or_else(|| {
                let message =
                    format!("the dialog searches the web with `{name}`, which is not configured");
                ModelError::new(ErrorKind::NotFound, Operation::Chat, message).with_param("web")
            })?;
            Ok((name.clone(), Arc::new(engine.clone()) as Arc<dyn EvidenceSource>))
        };
        names.iter().map(source).collect::<Result<Vec<_>, _>>().map(Sources)
    }
}

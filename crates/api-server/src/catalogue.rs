//! What can be asked: models that are known by name, and dialogs.

use llm_core::{ErrorKind, ModelError, ModelInfo, Operation};
use rag_core::{MetadataStore, TenantId};

use crate::app::App;
use crate::dialogs;

/// One line of the list.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// The name to ask for it by.
    pub(crate) id: String,
    /// Its provider, or whose name it is.
    pub(crate) owner: String,
    /// `dialog`, or the model's kind.
    pub(crate) kind: &'static str,
    /// What is known of the model.
    pub(crate) info: Option<ModelInfo>,
}

/// Dialogs first, then models, each by name.
pub(crate) async fn entries(app: &App) -> Result<Vec<Entry>, ModelError> {
    let store = app.store.clone();
    let datasets = app
        .on_thread(Operation::ListModels, move || store.datasets(&TenantId::local()))
        .await?
        .map_err(|error| {
            let message = "the datasets cannot be listed";
            ModelError::new(ErrorKind::Internal, Operation::ListModels, message).with_source(error)
        })?;
    let dialogs = datasets.into_iter().map(|dataset| Entry {
        id: format!("{}{}", dialogs::PREFIX, dataset.name),
        owner: "colloquy".into(),
        kind: "dialog",
        info: None,
    });
    let models = app.bundle.registry().list().into_iter().map(|model| Entry {
        owner: match &model.info {
            Some(info) if model.targets.is_empty() => info.name.provider.clone(),
            _ => "colloquy".into(),
        },
        id: model.name,
        kind: model.kind.as_str(),
        info: model.info,
    });
    Ok(dialogs.chain(models).collect())
}

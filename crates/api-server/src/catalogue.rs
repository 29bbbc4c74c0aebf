//! What can be asked: models that are known by name, and dialogs.

use llm_core::{ModelError, ModelInfo};

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

/// What the caller may ask: dialogs first, then models, each by name.
pub(crate) async fn entries(app: &App) -> Result<Vec<Entry>, ModelError> {
    let dialogs = dialogs::list(app).await?.into_iter().map(|dialog| Entry {
        id: format!("{}{}", dialogs::PREFIX, dialog.name),
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
    Ok(dialogs.chain(models).filter(|entry| app.may_ask(&entry.id)).collect())
}

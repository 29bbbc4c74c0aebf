//! Dialogs that are kept; and for each dataset without one, the dialog over it.

use std::collections::BTreeMap;

use dialog_service::Prompts;
use llm_core::{ErrorKind, ModelError, Operation};
use rag_core::{Dataset, SavedDialog, Store, StoreError, TenantId};

use super::DialogSettings;
use crate::app::App;
use crate::conversations::now;

/// A dialog by its name.
#[derive(Clone, Debug)]
pub(crate) struct ListedDialog {
    /// Its name.
    pub(crate) name: String,
    /// How it answers.
    pub(crate) settings: DialogSettings,
    /// Whether it is just there because a dataset of its name is.
    pub(crate) is_implied: bool,
}

/// The dialogs of the tenant by name.
///
/// # Errors
/// The store's.
pub(crate) async fn list(app: &App) -> Result<Vec<ListedDialog>, ModelError> {
    let (store, tenant) = (app.store.clone(), app.tenant());
    let found = app.on_thread(Operation::ListModels, move || {
        Ok((store.dialogs(&tenant)?, store.datasets(&tenant)?))
    });
    let (saved, datasets) = found.await?.map_err(failed)?;
    let implied = datasets.into_iter().map(|dataset| ListedDialog {
        settings: over(&dataset.name),
        name: dataset.name,
        is_implied: true,
    });
    let mut dialogs: BTreeMap<String, ListedDialog> =
        implied.map(|dialog| (dialog.name.clone(), dialog)).collect();
    for dialog in saved {
        let listed =
            ListedDialog { settings: read(&dialog)?, name: dialog.name.clone(), is_implied: false };
        dialogs.insert(dialog.name, listed);
    }
    Ok(dialogs.into_values().collect())
}

/// A dialog with what it needs to answer.
#[derive(Debug)]
pub(crate) struct Found {
    /// How it answers.
    pub(crate) settings: DialogSettings,
    /// Its datasets.
    pub(crate) datasets: Vec<Dataset>,
    /// Its templates, where it has one of its own.
    pub(crate) prompts: Option<Prompts>,
}

/// The dialog of that name, if there is one. Its template is read on the thread that reads it from the store.
///
/// # Errors
/// The store's; a dataset of it that is not there; a template that this version cannot read.
pub(crate) async fn find(app: &App, name: &str) -> Result<Option<Found>, ModelError> {
    let (store, tenant, asked) = (app.store.clone(), app.tenant(), name.to_owned());
    let found = app.on_thread(Operation::Chat, move || {
        let Some(saved) = store.dialog(&tenant, &asked).map_err(failed)? else {
            let dataset = store.dataset(&tenant, &asked).map_err(failed)?;
            return Ok(dataset.map(|dataset| Found {
                settings: over(&asked),
                datasets: vec![dataset],
                prompts: None,
            }));
        };
        resolved(&*store, &tenant, read(&saved)?).map(Some)
    });
    found.await?.map(|found| found.filter(|found| may_search(app, found)))
}

/// Whether the caller may search all of a dialog's datasets.
fn may_search(app: &App, found: &Found) -> bool {
    found.datasets.iter().all(|dataset| app.may_search(&dataset.name))
}

/// A dialog of these settings that is kept nowhere.
///
/// # Errors
/// As [`find`].
pub(crate) async fn unnamed(app: &App, settings: DialogSettings) -> Result<Found, ModelError> {
    let (store, tenant) = (app.store.clone(), app.tenant());
    if let Some(name) = settings.datasets.iter().find(|name| !app.may_search(name)) {
        return Err(no_dataset(name));
    }
    let found = app.on_thread(Operation::Chat, move || resolved(&*store, &tenant, settings));
    found.await?
}

fn resolved(
    store: &dyn Store,
    tenant: &TenantId,
    settings: DialogSettings,
) -> Result<Found, ModelError> {
    let mut datasets = Vec::new();
    for name in &settings.datasets {
        let dataset = store.dataset(tenant, name).map_err(failed)?;
        datasets.push(dataset.ok_or_else(|| no_dataset(name))?);
    }
    let prompts = settings.prompts().map_err(|error| {
        let message = "the prompt of the dialog is broken";
        ModelError::new(ErrorKind::Internal, Operation::Chat, message).with_source(error)
    })?;
    Ok(Found { settings, datasets, prompts })
}

/// Keeps a dialog in place of the one of that name. Whether it is new.
///
/// # Errors
/// The store's; a dataset that is not there.
pub(crate) async fn save(
    app: &App,
    name: &str,
    settings: &DialogSettings,
) -> Result<bool, ModelError> {
    let text = serde_json::to_string(settings).map_err(|error| {
        ModelError::new(ErrorKind::Internal, Operation::Chat, "the settings cannot be written")
            .with_source(error)
    })?;
    let now = now();
    let dialog = SavedDialog {
        tenant: app.tenant(),
        name: name.to_owned(),
        settings: text,
        created_at: now,
        updated_at: now,
    };
    let (store, datasets) = (app.store.clone(), settings.datasets.clone());
    let saved = app.on_thread(Operation::Chat, move || {
        for name in &datasets {
            if store.dataset(&dialog.tenant, name).map_err(failed)?.is_none() {
                return Err(no_dataset(name));
            }
        }
        store.save_dialog(&dialog).map_err(failed)
    });
    saved.await?
}

/// Deletes a dialog. Whether there was one that is kept.
///
/// # Errors
/// The store's.
pub(crate) async fn delete(app: &App, name: &str) -> Result<bool, ModelError> {
    let (store, tenant, name) = (app.store.clone(), app.tenant(), name.to_owned());
    let deleted = app.on_thread(Operation::Chat, move || store.delete_dialog(&tenant, &name));
    deleted.await?.map_err(failed)
}

fn over(dataset: &str) -> DialogSettings {
    DialogSettings { datasets: vec![dataset.to_owned()], ..DialogSettings::default() }
}

fn read(dialog: &SavedDialog) -> Result<DialogSettings, ModelError> {
    serde_json::from_str(&dialog.settings).map_err(|error| {
        let message = format!("the settings of the dialog `{}` cannot be read", dialog.name);
        ModelError::new(ErrorKind::Internal, Operation::Chat, message).with_source(error)
    })
}

fn no_dataset(name: &str) -> ModelError {
    let message = format!("there is no dataset `{name}`; ingesting makes it");
    ModelError::new(ErrorKind::NotFound, Operation::Chat, message).with_param("datasets")
}

fn failed(error: StoreError) -> ModelError {
    ModelError::new(ErrorKind::Internal, Operation::Chat, error.to_string()).with_source(error)
}

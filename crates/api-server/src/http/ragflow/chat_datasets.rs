//! Dialogs follow the datasets that they search when these get other names.

use super::envelope::Refusal;
use crate::app::App;
use crate::dialogs;

/// Has every dialog that searches the dataset `from` search `to` instead.
pub(super) async fn rename(app: &App, from: &str, to: &str) -> Result<(), Refusal> {
    for dialog in dialogs::list(app).await? {
        let mut settings = dialog.settings;
        if dialog.is_implied || !settings.datasets.iter().any(|name| name == from) {
            continue;
        }
        for name in settings.datasets.iter_mut().filter(|name| *name == from) {
            *name = to.to_owned();
        }
        dialogs::save(app, &dialog.name, &settings).await?;
    }
    Ok(())
}

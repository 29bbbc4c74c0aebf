//! Where files are kept that were sent over HTTP: below the data directory, since ingestion reads them when their turn
//! comes, and again whenever it is asked to.

use std::io;
use std::path::{Path, PathBuf};

use rag_core::{DatasetId, Document, DocumentSource};
use tokio::fs;
use uuid::Uuid;

use crate::app::App;

/// The folder in the data directory.
pub(crate) const FOLDER: &str = "uploads";

/// Where the files of a dataset are, as its documents name them. The folder need not be there.
///
/// # Errors
/// The data directory cannot be reached.
pub(crate) async fn folder(app: &App, dataset: &DatasetId) -> io::Result<PathBuf> {
    let data = fs::canonicalize(&app.config.server.data_dir).await?;
    Ok(data.join(FOLDER).join(dataset.as_str()))
}

/// Where a file of this name is written: over the one that the document of this name was sent as before, if it was; else
/// under its name, unless a document that is called otherwise by now has its file there.
pub(crate) async fn place(folder: &Path, name: &str, before: Option<&Document>) -> PathBuf {
    if let Some(DocumentSource::File { path }) = before.and_then(|before| before.source.as_ref())
        && path.starts_with(folder)
    {
        return path.clone();
    }
    let usual = folder.join(name);
    match fs::try_exists(&usual).await {
        Ok(false) => usual,
        _ => folder.join(Uuid::now_v7().simple().to_string()),
    }
}

/// Removes the file of a document that is deleted, if it was sent.
///
/// # Errors
/// The file cannot be removed; one that is not there is no error.
pub(crate) async fn forget(app: &App, document: &Document) -> io::Result<()> {
    let Some(DocumentSource::File { path }) = &document.source else { return Ok(()) };
    match path.starts_with(folder(app, &document.dataset).await?) {
        true => gone(fs::remove_file(path).await),
        false => Ok(()),
    }
}

/// Removes the files of a dataset that is deleted.
///
/// # Errors
/// As [`forget`].
pub(crate) async fn forget_all(app: &App, dataset: &DatasetId) -> io::Result<()> {
    gone(fs::remove_dir_all(folder(app, dataset).await?).await)
}

fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

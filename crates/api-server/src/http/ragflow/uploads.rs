//! Files that are sent: written to the data directory as they come, and removed with their documents.

use std::path::{Path, PathBuf};

use axum::extract::multipart::{Field, MultipartRejection};
use axum::extract::{Multipart, Path as Address};
use rag_core::{Dataset, DatasetId, Document, DocumentId};
use rag_parse::ParseLimits;
use serde_json::Value;
use tokio::fs::{self, File};
use tokio::io::AsyncWriteExt;
use uuid::Uuid;

use super::caller::RagflowCaller;
use super::document_shape::shown;
use super::envelope::{Refusal, Reply, data};
use super::names::with_number;
use super::schemas::ListAnswer;
use super::schemas::documents as schemas;
use super::schemas::documents::Files;
use super::{datasets, with_store};
use crate::app::App;
use crate::uploads::{self, folder};

/// Files of one request.
const MOST_FILES: usize = 256;
/// Bytes of a name.
const MOST_NAME: usize = 255;

/// Takes files in as documents that are kept until their parsing is asked for.
#[utoipa::path(
    post,
    path = "/api/v1/datasets/{dataset}/documents",
    request_body(content = Files, content_type = "multipart/form-data"),
    responses((status = 200, description = "What was asked for", body = ListAnswer<schemas::Document>)),
)]
pub(super) async fn upload(
    app: App,
    caller: RagflowCaller,
    Address(dataset): Address<String>,
    form: Result<Multipart, MultipartRejection>,
) -> Reply {
    let dataset = datasets::find(&app, &caller, &dataset).await?;
    let mut form = form.map_err(|error| Refusal::argument(error.body_text()))?;
    let mut documents = Vec::new();
    while let Some(field) = form.next_field().await.map_err(unreadable)? {
        if field.name() != Some("file") {
            continue;
        }
        if documents.len() == MOST_FILES {
            return Err(Refusal::data(format!("a request has {MOST_FILES} files at most")));
        }
        documents.push(take(&app, &dataset, field).await?);
    }
    if documents.is_empty() {
        return Err(Refusal::argument("No file part!"));
    }
    let shown: Vec<Value> = documents.iter().map(|it| shown(it, &dataset)).collect();
    data(shown)
}

async fn take(app: &App, dataset: &Dataset, field: Field<'_>) -> Result<Document, Refusal> {
    let name = field.file_name().unwrap_or_default().trim().to_owned();
    check_name(&name)?;
    let file = Upload::begin(app, &dataset.id).await?;
    let file = file.write(field).await?;
    let document = keep(app, dataset, &name, &file.path).await?;
    file.stay();
    let found = with_store(app, move |store| store.document(&document)).await?;
    found.ok_or_else(|| Refusal::data("the document was deleted meanwhile"))
}

/// Notes the file under its name, or, where that is taken, under one with a number.
async fn keep(
    app: &App,
    dataset: &Dataset,
    name: &str,
    path: &Path,
) -> Result<DocumentId, Refusal> {
    let id = dataset.id.clone();
    let taken = with_store(app, move |store| store.documents(&id)).await?;
    let name = with_number(name, |name| taken.iter().any(|document| document.name == name));
    Ok(app.pipeline.keep(&dataset.id, name, path.to_owned()).await?)
}

/// Names of documents are what people see; paths they are not.
pub(super) fn check_name(name: &str) -> Result<(), Refusal> {
    if name.is_empty() {
        return Err(Refusal::argument("No file selected!"));
    }
    if name.len() > MOST_NAME {
        return Err(Refusal::argument(format!("File name must be {MOST_NAME} bytes or less.")));
    }
    match name.chars().any(char::is_control) {
        true => Err(Refusal::argument("a file's name has no control characters")),
        false => Ok(()),
    }
}

/// A file that is being written; removed unless it may [stay](Self::stay).
struct Upload {
    path: PathBuf,
    is_kept: bool,
}

impl Upload {
    async fn begin(app: &App, dataset: &DatasetId) -> Result<Self, Refusal> {
        let folder = folder(app, dataset).await.map_err(|error| unwritable(&error))?;
        fs::create_dir_all(&folder).await.map_err(|error| unwritable(&error))?;
        let path = folder.join(Uuid::now_v7().simple().to_string());
        Ok(Self { path, is_kept: false })
    }

    async fn write(self, mut field: Field<'_>) -> Result<Self, Refusal> {
        let most = ParseLimits::default().file_bytes();
        let mut file = File::create(&self.path).await.map_err(|error| unwritable(&error))?;
        let mut length = 0;
        while let Some(piece) = field.chunk().await.map_err(unreadable)? {
            length += piece.len() as u64;
            if length > most {
                return Err(Refusal::data(format!(
                    "File exceeds the maximum size of {} MiB",
                    most >> 20
                )));
            }
            file.write_all(&piece).await.map_err(|error| unwritable(&error))?;
        }
        file.sync_all().await.map_err(|error| unwritable(&error))?;
        Ok(self)
    }

    fn stay(mut self) {
        self.is_kept = true;
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if !self.is_kept {
            // One call, and only when something went wrong.
            drop(std::fs::remove_file(&self.path));
        }
    }
}

fn unreadable(error: axum::extract::multipart::MultipartError) -> Refusal {
    Refusal::argument(error.body_text())
}

fn unwritable(error: &std::io::Error) -> Refusal {
    tracing::error!(error = error as &dyn std::error::Error, "an upload was not written");
    Refusal::new(Refusal::EXCEPTION, "the file could not be kept; the server's log tells why")
}

/// Removes the file of a document that is deleted, if it was sent. What cannot be removed is logged.
pub(super) async fn forget(app: &App, document: &Document) {
    note(uploads::forget(app, document).await);
}

/// Removes the files of a dataset that is deleted.
pub(super) async fn forget_dataset(app: &App, dataset: &DatasetId) {
    note(uploads::forget_all(app, dataset).await);
}

fn note(removed: std::io::Result<()>) {
    if let Err(error) = removed {
        tracing::warn!(%error, "what was sent could not be removed");
    }
}

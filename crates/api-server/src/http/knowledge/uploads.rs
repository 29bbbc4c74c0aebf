//! Files that are sent to a dataset.

use std::io::Write;
use std::path::Path as FilePath;

use axum::Json;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use bytes::Bytes;
use rag_core::{Document, DocumentParser};
use rag_ingest::{FoundFile, Scan, SubmitOptions, Urgency};
use serde::Deserialize;

use super::super::problem::Problem;
use super::{datasets, with_store};
use crate::app::App;
use crate::http::schemas::FileBytes;
use crate::http::schemas::refusals::{Conflict, Invalid, Missing};
use crate::uploads;

/// The longest name, and the longest part of one between slashes.
const MOST_NAME: usize = 1024;
const MOST_PART: usize = 200;

/// What a sent file is called.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Named {
    name: String,
}

/// Takes the body as a file of this name, in place of the one that was sent under it before.
#[utoipa::path(
    post,
    path = "/api/v2/datasets/{name}/documents",
    params(Named),
    request_body(content = FileBytes, content_type = "application/octet-stream"),
    responses((status = 200, description = "It is as before", body = Document), (status = 202, description = "It is queued", body = Document), Invalid, Missing, Conflict),
)]
pub(crate) async fn upload(
    app: App,
    Path(dataset): Path<String>,
    named: Result<Query<Named>, QueryRejection>,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<Document>), Problem> {
    let Query(Named { name }) = named.map_err(|wrong| Problem::invalid(wrong.body_text()))?;
    let body = body.map_err(|wrong| Problem::invalid(wrong.body_text()))?;
    check_name(&name)?;
    if !app.parser.takes(&name) {
        return Err(Problem::invalid(format!("`name`: files like `{name}` are not read")));
    }
    let dataset = datasets::find(&app, dataset).await?;
    let folder = uploads::folder(&app, &dataset.id).await;
    let folder = folder.map_err(|error| Problem::internal(&error.into()))?;
    let (id, wanted) = (dataset.id.clone(), name.clone());
    let before = with_store(&app, move |store| store.document_by_name(&id, &wanted)).await?;
    let path = uploads::place(&folder, &name, before.as_ref()).await;
    let file = path.clone();
    let kept = app.callers.run(move || keep(&file, &body)).await;
    kept.map_err(|error| Problem::internal(&error.into()))?
        .map_err(|error| Problem::internal(&error.into()))?;

    let found = FoundFile { name, path };
    let scan = Scan { files: vec![found], ..Scan::default() };
    let options = SubmitOptions { urgency: Urgency::Upload, ..SubmitOptions::default() };
    let submission = app.pipeline.submit(&dataset.id, scan, options).await;
    let submission = submission.map_err(|error| Problem::internal(&error.into()))?;
    if let Some((_, reason)) = submission.failed.into_iter().next() {
        return Err(Problem::invalid(reason));
    }
    let name = submission.names.into_iter().next().unwrap_or_default();
    let find = move |store: &dyn rag_core::Store| store.document_by_name(&dataset.id, &name);
    let document = with_store(&app, find).await?;
    let document = document.ok_or_else(|| Problem::conflict("the file was deleted meanwhile"))?;
    let status = if submission.queued > 0 { StatusCode::ACCEPTED } else { StatusCode::OK };
    Ok((status, Json(document)))
}

/// Writes it beside its place first, so that nobody reads half of it.
fn keep(path: &FilePath, body: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(FilePath::new("."));
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(body)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// Names become paths below the folder, and nothing else.
pub(super) fn check_name(name: &str) -> Result<(), Problem> {
    let is_part = |part: &str| {
        !matches!(part, "" | "." | "..")
            && part.len() <= MOST_PART
            && !part.chars().any(|c| c.is_control() || matches!(c, '\\' | ':'))
    };
    match name.len() <= MOST_NAME && name.split('/').all(is_part) {
        true => Ok(()),
        false => Err(Problem::invalid(
            "`name` is a file's name, or a path with `/` whose parts are neither empty nor `..`",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_below_the_folder() {
        let long = "a".repeat(300);
        for (name, is_fine) in [
            ("guide.md", true),
            ("docs/guide.md", true),
            ("Über uns <b>.html", true),
            ("", false),
            ("/etc/passwd", false),
            ("a//b.md", false),
            ("../b.md", false),
            ("a/../../b.md", false),
            ("a\\b.md", false),
            ("c:b.md", false),
            ("a\0.md", false),
            (long.as_str(), false),
        ] {
            assert_eq!(check_name(name).is_ok(), is_fine, "{name:?}");
        }
    }
}

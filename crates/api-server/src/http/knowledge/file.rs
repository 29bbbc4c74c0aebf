//! The file that a document was made of: to be kept, or drawn by a program that takes it for data. Whatever it is, no
//! browser shows it as a page of ours.

use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use futures::{Stream, stream};
use llm_core::Operation;
use rag_core::Document;
use rag_ingest::original;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, Take};

use super::super::problem::Problem;
use super::documents::{Address, find};
use crate::app::App;
use crate::http::schemas::refusals::Missing;

/// Bytes that are read at once.
const PIECE: usize = 256 << 10;

/// What is not active in a browser, by the end of its name; anything else is bytes.
const MEDIA_TYPES: [(&str, &str); 18] = [
    ("pdf", "application/pdf"),
    ("txt", "text/plain; charset=utf-8"),
    ("md", "text/markdown; charset=utf-8"),
    ("markdown", "text/markdown; charset=utf-8"),
    ("csv", "text/csv; charset=utf-8"),
    ("json", "application/json"),
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    ("odt", "application/vnd.oasis.opendocument.text"),
    ("ods", "application/vnd.oasis.opendocument.spreadsheet"),
    ("epub", "application/epub+zip"),
    ("eml", "message/rfc822"),
];

/// What browsers may do with it, should they show it after all: nothing.
const HARMLESS: [(HeaderName, &str); 4] = [
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (header::CACHE_CONTROL, "private, no-store"),
];

/// The bytes that a document was made of, as long as they are where they were, unchanged.
#[utoipa::path(
    get,
    path = "/api/v2/documents/{id}/file",
    responses((status = 200, description = "The bytes", body = Vec<u8>, content_type = "application/octet-stream"), Missing),
)]
pub(crate) async fn download(app: App, Path(asked): Path<Address>) -> Result<Response, Problem> {
    let (_, document) = find(&app, &asked).await?;
    let wanted = document.clone();
    let found = app.on_thread(Operation::Raw, move || original(&wanted)).await;
    let found = found.map_err(|error| Problem::model(&error))?;
    let found = found.map_err(|error| Problem::internal(&error.into()))?;
    let file = found.ok_or_else(|| {
        Problem::not_found("the document's file is not there any more, or has changed since")
    })?;
    let bytes = pieces(File::from_std(file).take(document.bytes));
    let mut response = Response::new(Body::from_stream(bytes));
    let headers = response.headers_mut();
    for (name, value) in HARMLESS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type(&document.name)));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(document.bytes));
    headers.insert(header::CONTENT_DISPOSITION, disposition(&document));
    Ok(response)
}

/// The file piece by piece, each read when the one before is on its way.
fn pieces(file: Take<File>) -> impl Stream<Item = std::io::Result<Bytes>> + Send {
    stream::try_unfold(file, |mut file| async move {
        let mut piece = BytesMut::with_capacity(PIECE);
        let read = file.read_buf(&mut piece).await?;
        Ok((read > 0).then(|| (piece.freeze(), file)))
    })
}

fn media_type(name: &str) -> &'static str {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    let known = MEDIA_TYPES.iter().find(|(known, _)| ending.as_deref() == Some(*known));
    known.map_or("application/octet-stream", |(_, media_type)| media_type)
}

/// To be kept under the document's name without its folders: once in ASCII, once as RFC 8187 has it.
fn disposition(document: &Document) -> HeaderValue {
    let name = document.name.rsplit('/').next().unwrap_or_default();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let plain: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    let encoded: String = name
        .bytes()
        .map(|byte| match is_plain(char::from(byte)) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect();
    let value = format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}");
    HeaderValue::from_str(&value).unwrap_or(HeaderValue::from_static("attachment"))
}

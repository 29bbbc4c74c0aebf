//! Files that come with a question.

use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use dialog_service::{Attachment, AttachmentContent};
use rag_core::{DocumentParser, ParseErrorKind, ParseRequest};
use serde::Deserialize;

use crate::app::App;

/// The most files of a question.
const MOST: usize = 16;
/// The most pictures of a file that is nothing else: pages of a scan.
const MOST_PICTURES: usize = 8;

/// A file as it is given.
#[derive(Clone, Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GivenFile {
    /// Its name; the ending is a hint, the content decides.
    name: String,
    /// Its bytes in standard base64 …
    #[serde(default)]
    data: Option<String>,
    /// … or its text.
    #[serde(default)]
    text: Option<String>,
}

/// Why files were not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AttachmentError {
    /// Which file, and what is wrong with it.
    #[error("{0}")]
    Unreadable(String),
    /// The threads failed.
    #[error("the attachments could not be read")]
    Failed(#[source] anyhow::Error),
}

/// Reads files as ingestion reads them, one after the other, on a thread of the callers: texts, or pictures where there is
/// no text.
///
/// # Errors
/// [`AttachmentError`]: the first file that cannot be read.
pub(crate) async fn read(
    app: &App,
    files: Vec<GivenFile>,
) -> Result<Vec<Attachment>, AttachmentError> {
    if files.is_empty() {
        return Ok(Vec::new());
    }
    if files.len() > MOST {
        return Err(AttachmentError::Unreadable(format!("`attachments` are {MOST} at most")));
    }
    let parser: Arc<dyn DocumentParser> = app.parser.clone();
    let read = app.callers.run(move || {
        let mut attachments = Vec::new();
        for file in files {
            attachments.extend(read_one(&*parser, file).map_err(AttachmentError::Unreadable)?);
        }
        Ok(attachments)
    });
    read.await.map_err(|error| AttachmentError::Failed(error.into()))?
}

fn read_one(parser: &dyn DocumentParser, file: GivenFile) -> Result<Vec<Attachment>, String> {
    let GivenFile { name, data, text } = file;
    let data = match (data, text) {
        (None, Some(text)) => {
            return Ok(vec![Attachment { name, content: AttachmentContent::Text(text) }]);
        }
        (Some(data), None) => data,
        _ => return Err(format!("the attachment `{name}` has either `data` or `text`")),
    };
    let bytes = BASE64_STANDARD.decode(data);
    let bytes = bytes.map_err(|error| format!("the `data` of `{name}` is no base64: {error}"))?;
    let request = ParseRequest { pictures: true, ..ParseRequest::new(&name, &bytes) };
    let parsed = parser.parse(&request).map_err(|error| match error.kind {
        ParseErrorKind::Unsupported => format!("`{name}` is of a kind that is not read here"),
        _ => format!("`{name}` cannot be read: {}", error.reason),
    })?;
    if !parsed.text.trim().is_empty() {
        return Ok(vec![Attachment { name, content: AttachmentContent::Text(parsed.text) }]);
    }
    let pictures = parsed.pictures.into_iter().take(MOST_PICTURES);
    let pictures = pictures.map(|picture| Attachment {
        name: name.clone(),
        content: AttachmentContent::Image {
            media_type: picture.media_type,
            base64: BASE64_STANDARD.encode(picture.bytes),
        },
    });
    Ok(pictures.collect())
}

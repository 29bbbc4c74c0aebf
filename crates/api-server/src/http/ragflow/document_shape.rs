//! A document as this dialect shows it.

use rag_core::{Dataset, Document, DocumentStatus, IngestStage};
use serde_json::{Value, json};

use super::names::split;
use super::paging::{Timed, date, made_at};
use super::parser_config;

impl Timed for Document {
    fn created_at(&self) -> i64 {
        made_at(self.id.as_str()).unwrap_or(self.updated_at)
    }

    fn updated_at(&self) -> i64 {
        self.updated_at
    }

    fn name(&self) -> &str {
        &self.name
    }
}

/// How far it is, in a word of the dialect.
pub(super) fn run(status: &DocumentStatus) -> &'static str {
    match status {
        DocumentStatus::Kept => "UNSTART",
        DocumentStatus::Queued | DocumentStatus::Running { .. } => "RUNNING",
        DocumentStatus::Ready => "DONE",
        DocumentStatus::Failed { .. } => "FAIL",
        DocumentStatus::Cancelled => "CANCEL",
    }
}

/// How far it is, as a share; a failure is -1.
fn progress(status: &DocumentStatus) -> f64 {
    match status {
        DocumentStatus::Ready => 1.0,
        DocumentStatus::Failed { .. } => -1.0,
        DocumentStatus::Running { stage } => match stage {
            IngestStage::Read => 0.05,
            IngestStage::Parse => 0.1,
            IngestStage::Describe => 0.3,
            IngestStage::Chunk => 0.4,
            IngestStage::Enrich => 0.5,
            IngestStage::Embed => 0.7,
            IngestStage::Index => 0.95,
        },
        _ => 0.0,
    }
}

fn progress_message(status: &DocumentStatus) -> String {
    match status {
        DocumentStatus::Queued => "queued".to_owned(),
        DocumentStatus::Running { stage } => stage.as_str().to_owned(),
        DocumentStatus::Failed { reason } => reason.clone(),
        _ => String::new(),
    }
}

/// What kind of file it is, by its name's ending.
pub(super) fn kind(ending: &str) -> &'static str {
    match ending {
        "pdf" => "pdf",
        "jpg" | "jpeg" | "png" | "gif" | "bmp" | "tif" | "tiff" | "webp" | "svg" => "visual",
        "mp3" | "wav" | "flac" | "ogg" | "aac" | "m4a" => "aural",
        "" => "other",
        _ => "doc",
    }
}

/// The ending of its name, without the dot.
pub(super) fn ending(document: &Document) -> String {
    split(&document.name).1.trim_start_matches('.').to_ascii_lowercase()
}

/// A document of this dataset.
pub(super) fn shown(document: &Document, dataset: &Dataset) -> Value {
    let cut = document.chunking.as_ref().unwrap_or(&dataset.settings.chunking);
    let ending = ending(document);
    let created_at = document.created_at();
    json!({
        "id": document.id,
        "dataset_id": document.dataset,
        "name": document.name,
        "location": document.name,
        "type": kind(&ending),
        "suffix": ending,
        "source_type": "local",
        "created_by": dataset.tenant,
        "size": document.bytes,
        "chunk_method": parser_config::method_name(cut.method),
        "parser_config": parser_config::cut(cut),
        "chunk_count": document.chunks,
        "token_count": document.tokens,
        "run": run(&document.status),
        "progress": progress(&document.status),
        "progress_msg": progress_message(&document.status),
        "process_begin_at": null,
        "process_duration": 0.0,
        "status": if document.disabled { "0" } else { "1" },
        "thumbnail": "",
        "meta_fields": document.metadata,
        "create_time": created_at,
        "create_date": date(created_at),
        "update_time": document.updated_at,
        "update_date": date(document.updated_at),
    })
}

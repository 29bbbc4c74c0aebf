//! A dataset as this dialect shows it, and what of it is kept for that.

use rag_core::{Dataset, DatasetSettings, DatasetTotals};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::paging::{Timed, date};
use super::{model_names, parser_config};

/// The label under which this dialect keeps what it needs besides.
pub(super) const LABEL: &str = "ragflow";

/// What is kept with a dataset only to be shown again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct DatasetNote {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) avatar: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) language: String,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub(super) parser_config: Map<String, Value>,
}

impl DatasetNote {
    /// What is kept with these settings.
    pub(super) fn of(settings: &DatasetSettings) -> Self {
        let note = settings.labels.get(LABEL).and_then(|note| serde_json::from_str(note).ok());
        note.unwrap_or_default()
    }

    /// Keeps it with these settings.
    pub(super) fn keep(&self, settings: &mut DatasetSettings) {
        // Texts as keys, which JSON has.
        let note = serde_json::to_string(self).unwrap_or_default();
        match *self == Self::default() {
            true => settings.labels.remove(LABEL),
            false => settings.labels.insert(LABEL.to_owned(), note),
        };
    }
}

/// A dataset with how much it holds.
#[derive(Clone, Debug)]
pub(super) struct Counted {
    pub(super) dataset: Dataset,
    pub(super) totals: DatasetTotals,
}

impl Timed for Counted {
    fn created_at(&self) -> i64 {
        self.dataset.created_at
    }

    fn updated_at(&self) -> i64 {
        self.dataset.created_at.max(self.totals.updated_at)
    }

    fn name(&self) -> &str {
        &self.dataset.name
    }
}

impl Counted {
    pub(super) fn shown(&self) -> Value {
        let Dataset { id, tenant, name, embedding, settings, created_at } = &self.dataset;
        let note = DatasetNote::of(settings);
        let updated_at = self.updated_at();
        json!({
            "id": id,
            "name": name,
            "tenant_id": tenant,
            "created_by": tenant,
            "avatar": note.avatar,
            "description": settings.description,
            "language": if note.language.is_empty() { "English" } else { &note.language },
            "embedding_model": model_names::theirs(&embedding.model),
            "permission": "me",
            "chunk_method": parser_config::method_name(settings.chunking.method),
            "parser_config": parser_config::shown(settings, &note.parser_config),
            "pagerank": settings.page_rank,
            "document_count": self.totals.documents,
            "chunk_count": self.totals.chunks,
            "token_num": self.totals.tokens,
            "similarity_threshold": 0.2,
            "vector_similarity_weight": 0.3,
            "status": "1",
            "create_time": created_at,
            "create_date": date(*created_at),
            "update_time": updated_at,
            "update_date": date(updated_at),
        })
    }
}

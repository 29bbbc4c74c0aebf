//! Datasets: collections of documents that are searched together.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{ChunkingOptions, DatasetId, EnrichmentOptions, TenantId};

/// A collection of documents, bound to one embedding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Dataset {
    /// Its id.
    pub id: DatasetId,
    /// Who owns it.
    pub tenant: TenantId,
    /// Its name, unique within the tenant.
    pub name: String,
    /// What its vectors mean.
    pub embedding: EmbeddingIdentity,
    /// How its documents are cut, enriched and ranked.
    pub settings: DatasetSettings,
    /// Milliseconds since the epoch.
    pub created_at: i64,
}

/// How a dataset's documents are cut, enriched and ranked. A change applies to documents ingested from then on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct DatasetSettings {
    /// How documents are cut, unless one has options of its own.
    pub chunking: ChunkingOptions,
    /// What models add.
    pub enrichment: EnrichmentOptions,
    /// Whose models may see its text.
    #[serde(skip_serializing_if = "AllowedProviders::is_any")]
    pub providers: AllowedProviders,
    /// Adds to the score of each of its chunks, in hundredths: 0 to 100.
    #[cfg_attr(feature = "openapi", schema(maximum = 100))]
    pub page_rank: u8,
    /// What it is, for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// What client programs keep with it, by a name of theirs; nothing else reads it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// Whose models may see a text, by the names of providers. Models that run in this process, whose provider is `local`,
/// always may. Where nothing is said, all may.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(transparent)]
#[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<String>>))]
pub struct AllowedProviders(Option<BTreeSet<String>>);

impl AllowedProviders {
    /// Only these, and what runs here.
    pub fn only<N: Into<String>>(names: impl IntoIterator<Item = N>) -> Self {
        Self(Some(names.into_iter().map(Into::into).collect()))
    }

    /// Those that may see what comes of all these datasets.
    pub fn of_all<'a>(datasets: impl IntoIterator<Item = &'a Dataset>) -> Self {
        let each = datasets.into_iter().map(|dataset| &dataset.settings.providers);
        each.fold(Self::default(), Self::and)
    }

    /// Whether all may see it.
    pub fn is_any(&self) -> bool {
        self.0.is_none()
    }

    /// Those that may see both this and the other.
    pub fn and(self, other: &Self) -> Self {
        match (self.0, &other.0) {
            (Some(names), Some(others)) => Self(Some(&names & others)),
            (names, others) => Self(names.or_else(|| others.clone())),
        }
    }

    /// Their names; `None`: all.
    pub fn names(&self) -> Option<&BTreeSet<String>> {
        self.0.as_ref()
    }
}

/// What makes vectors comparable. A dataset refuses vectors of any other identity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EmbeddingIdentity {
    /// The model, as `provider/model`.
    pub model: String,
    /// Length of the vectors.
    pub dimensions: u32,
    /// What is written before each text of a document, for models that were trained so.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub document_prefix: String,
    /// What is written before each question.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub query_prefix: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_two_datasets_is_for_those_who_may_see_both() {
        let (any, ab) = (AllowedProviders::default(), AllowedProviders::only(["a", "b"]));
        let bc = AllowedProviders::only(["b", "c"]);
        let both = any.clone().and(&ab).and(&any).and(&bc);
        assert_eq!(both, AllowedProviders::only(["b"]));
        assert_eq!(both.names().map(|names| names.len()), Some(1));
        assert!(any.and(&AllowedProviders::default()).is_any());
    }
}

//! [`ApiKey`]: what is known of a key, all but the key itself.

use jiff::Timestamp;
use rag_core::TenantId;
use serde::{Deserialize, Serialize};

use crate::Role;

/// What is known of an API key, all but the key itself.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ApiKey {
    /// Names it, also in usage records and limits.
    pub id: String,
    /// Whose data it opens.
    pub tenant: TenantId,
    /// What its holder calls it.
    pub name: String,
    /// How it begins.
    pub shown: String,
    /// What its holder may do.
    pub role: Role,
    /// The id of the person who made it; `None`: a command did.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub made_by: Option<String>,
    /// What it opens.
    pub scope: KeyScope,
    /// When it was made.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub created_at: Timestamp,
    /// From when on it opens nothing; `None`: it does not expire.
    #[cfg_attr(feature = "openapi", schema(required, value_type = Option<String>, format = DateTime))]
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    #[cfg_attr(feature = "openapi", schema(required, value_type = Option<String>, format = DateTime))]
    pub revoked_at: Option<Timestamp>,
    /// When it was last used, to the minute or so.
    #[cfg_attr(feature = "openapi", schema(required, value_type = Option<String>, format = DateTime))]
    pub last_used_at: Option<Timestamp>,
}

/// What a key opens of what its role may see. `None` is everything, an empty list is nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct KeyScope {
    /// Names of models that may be asked by name; a `*` at the end stands for any ending (`openai/*`, `dialog/*`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub models: Option<Vec<String>>,
    /// Names of datasets that may be searched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub datasets: Option<Vec<String>>,
    /// Calls of models in any minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u64>,
    /// Tokens of prompts and answers in any minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_minute: Option<u64>,
    /// Answers under way at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrent: Option<u64>,
    /// US dollars in a day (UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dollars_per_day: Option<f64>,
}

impl KeyScope {
    /// Whether the model of this name may be asked by name.
    pub fn allows_model(&self, name: &str) -> bool {
        let matches = |pattern: &String| match pattern.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning),
            None => name == pattern,
        };
        self.models.as_ref().is_none_or(|patterns| patterns.iter().any(matches))
    }

    /// Whether the dataset of this name may be searched.
    pub fn allows_dataset(&self, name: &str) -> bool {
        self.datasets.as_ref().is_none_or(|names| names.iter().any(|own| own == name))
    }
}

/// Whether a key opens anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum KeyStatus {
    /// It does.
    Active,
    /// Its time is over.
    Expired,
    /// It was revoked.
    Revoked,
}

impl KeyStatus {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

impl ApiKey {
    /// Whether it opens anything at this time.
    pub fn status(&self, now: Timestamp) -> KeyStatus {
        if self.revoked_at.is_some() {
            KeyStatus::Revoked
        } else if self.expires_at.is_some_and(|expires_at| expires_at <= now) {
            KeyStatus::Expired
        } else {
            KeyStatus::Active
        }
    }
}

/// A key that shall be made.
#[derive(Clone, Debug)]
pub struct KeyRequest {
    /// Whose data it opens.
    pub tenant: TenantId,
    /// What its holder calls it; at most 100 characters.
    pub name: String,
    /// What its holder may do.
    pub role: Role,
    /// The id of the person who makes it.
    pub made_by: Option<String>,
    /// What it opens.
    pub scope: KeyScope,
    /// From when on it opens nothing.
    pub expires_at: Option<Timestamp>,
}

impl KeyRequest {
    /// One that opens everything of the tenant, and does not expire.
    pub fn new(tenant: TenantId, name: impl Into<String>) -> Self {
        Self {
            tenant,
            name: name.into(),
            role: Role::Admin,
            made_by: None,
            scope: KeyScope::default(),
            expires_at: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::KeyScope;

    #[test]
    fn a_scope_names_what_it_opens() {
        let list = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
        let scope = KeyScope {
            models: list(&["smart", "dialog/*"]),
            datasets: list(&["docs"]),
            ..KeyScope::default()
        };
        assert!(scope.allows_model("smart") && scope.allows_model("dialog/help"));
        assert!(!scope.allows_model("smarter") && !scope.allows_model("openai/gpt-5"));
        assert!(scope.allows_dataset("docs") && !scope.allows_dataset("doc"));
        assert!(KeyScope::default().allows_model("any") && KeyScope::default().allows_dataset(""));
        assert!(!KeyScope { models: list(&[]), ..KeyScope::default() }.allows_model("any"));
    }
}

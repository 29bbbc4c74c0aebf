//! [`ApiKey`]: what is known of a key, all but the key itself.

use jiff::Timestamp;
use rag_core::TenantId;
use serde::Serialize;

/// What is known of an API key, all but the key itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ApiKey {
    /// Names it, also in usage records and limits.
    pub id: String,
    /// Whose data it opens.
    pub tenant: TenantId,
    /// What its holder calls it.
    pub name: String,
    /// How it begins.
    pub shown: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it opens nothing; `None`: it does not expire.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// When it was last used, to the minute or so.
    pub last_used_at: Option<Timestamp>,
}

/// Whether a key opens anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
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
    /// From when on it opens nothing.
    pub expires_at: Option<Timestamp>,
}

impl KeyRequest {
    /// One that does not expire.
    pub fn new(tenant: TenantId, name: impl Into<String>) -> Self {
        Self { tenant, name: name.into(), expires_at: None }
    }
}

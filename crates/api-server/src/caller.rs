//! [`Caller`]: on whose behalf something is done.

use accounts::ApiKey;
use rag_core::TenantId;

/// On whose behalf something is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// Whose data is seen.
    pub(crate) tenant: TenantId,
    /// The id of the key that the request came with.
    pub(crate) key: Option<String>,
}

impl Caller {
    /// Whoever works on this machine: the owner of the data of a server without accounts.
    pub(crate) fn local() -> Self {
        Self { tenant: TenantId::local(), key: None }
    }

    /// Who holds this key.
    pub(crate) fn with_key(key: &ApiKey) -> Self {
        Self { tenant: key.tenant.clone(), key: Some(key.id.clone()) }
    }
}

//! Providers of models that tenants bring, with sealed keys.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rag_core::TenantId;
use rusqlite::{OptionalExtension, Row, params};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::account_store::{AccountStore, damaged, now, tenant, time};
use crate::{AccountsError, MasterKey};

/// Providers that a tenant may have.
const MOST: i64 = 50;
/// Bytes of a provider's name.
const MOST_NAME: usize = 64;
/// Bytes of a key, and of its settings.
const MOST_BYTES: usize = 16 << 10;
/// How much of a key's end is shown.
const SHOWN: usize = 4;

/// A provider that a tenant brings, all but its key.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OwnProvider {
    /// Whose it is.
    pub tenant: TenantId,
    /// The name before the slash of its models.
    pub name: String,
    /// How it is reached.
    #[serde(flatten)]
    pub settings: OwnProviderSettings,
    /// How its key ends; `None`: it has none.
    pub key_ends: Option<String>,
    /// When it was changed last.
    pub changed_at: Timestamp,
}

/// How a provider that a tenant brings is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OwnProviderSettings {
    /// The well-known name that fills in what is left out, where the provider's own is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub like: Option<String>,
    /// The name of the dialect that it speaks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dialect: Option<String>,
    /// Where its API begins, up to and including the version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// The chat model to use when none is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_model: Option<String>,
    /// What differs between its customers and is no secret.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, String>,
}

/// What becomes of a provider's key.
#[derive(Clone, Debug)]
pub enum KeyChange {
    /// It stays what it is.
    Keep,
    /// It has none.
    Remove,
    /// It is this.
    Set(SecretString),
}

const PROVIDER: &str = "tenant, name, settings, key_ends, changed_at";

impl AccountStore {
    /// Makes the tenant's provider of this name, or replaces it.
    ///
    /// # Errors
    /// A name, key or settings out of bounds, more providers than a tenant may have; the file's.
    pub fn save_provider(
        &self,
        tenant: &TenantId,
        name: &str,
        settings: &OwnProviderSettings,
        key: &KeyChange,
        master: &MasterKey,
    ) -> Result<(), AccountsError> {
        let settings = serde_json::to_string(settings).unwrap_or_default();
        check(name, &settings, key)?;
        let sealed = match key {
            KeyChange::Set(key) => Some(master.seal(key, &place(tenant, name))?),
            KeyChange::Keep | KeyChange::Remove => None,
        };
        let ends = match key {
            KeyChange::Set(key) => Some(end(key)),
            KeyChange::Keep | KeyChange::Remove => None,
        };
        let keeps = matches!(key, KeyChange::Keep);
        self.transaction(|connection| {
            let saved = connection.execute(
                "INSERT INTO provider (tenant, name, settings, sealed, key_ends, changed_at)
                 SELECT ?1, ?2, ?3, ?4, ?5, ?6
                 WHERE (SELECT count(*) FROM provider WHERE tenant = ?1 AND name <> ?2) < ?8
                 ON CONFLICT (tenant, name) DO UPDATE SET
                     settings = excluded.settings, changed_at = excluded.changed_at,
                     sealed = CASE WHEN ?7 THEN sealed ELSE excluded.sealed END,
                     key_ends = CASE WHEN ?7 THEN key_ends ELSE excluded.key_ends END",
                params![
                    tenant.as_str(),
                    name,
                    settings,
                    sealed,
                    ends,
                    now().as_millisecond(),
                    keeps,
                    MOST
                ],
            )?;
            if saved == 0 {
                let message = format!("a tenant has at most {MOST} providers of its own");
                return Err(AccountsError::Invalid(message).into());
            }
            Ok(())
        })
    }

    /// The tenant's providers by name.
    ///
    /// # Errors
    /// The file's.
    pub fn providers(&self, tenant: &TenantId) -> Result<Vec<OwnProvider>, AccountsError> {
        self.read(|connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT {PROVIDER} FROM provider WHERE tenant = ?1 ORDER BY name"
                ))?
                .query_map([tenant.as_str()], provider)?
                .collect()
        })
    }

    /// The tenants that have providers of their own.
    ///
    /// # Errors
    /// The file's.
    pub fn tenants_with_providers(&self) -> Result<Vec<TenantId>, AccountsError> {
        self.read(|connection| {
            connection
                .prepare_cached("SELECT DISTINCT tenant FROM provider ORDER BY tenant")?
                .query_map([], tenant)?
                .collect()
        })
    }

    /// The key of the tenant's provider, if it has one.
    ///
    /// # Errors
    /// [`AccountsError::Sealed`] when it was sealed with another master key; the file's.
    pub fn provider_key(
        &self,
        tenant: &TenantId,
        name: &str,
        master: &MasterKey,
    ) -> Result<Option<SecretString>, AccountsError> {
        let sealed: Option<Option<Vec<u8>>> = self.read(|connection| {
            connection
                .prepare_cached("SELECT sealed FROM provider WHERE tenant = ?1 AND name = ?2")?
                .query_row([tenant.as_str(), name], |row| row.get(0))
                .optional()
        })?;
        let sealed = sealed.flatten();
        sealed.map(|sealed| master.open(&sealed, &place(tenant, name))).transpose()
    }

    /// Forgets the tenant's provider. Whether there was one.
    ///
    /// # Errors
    /// The file's.
    pub fn delete_provider(&self, tenant: &TenantId, name: &str) -> Result<bool, AccountsError> {
        self.transaction(|connection| {
            let deleted = connection.execute(
                "DELETE FROM provider WHERE tenant = ?1 AND name = ?2",
                [tenant.as_str(), name],
            )?;
            Ok(deleted > 0)
        })
    }
}

/// What a key is sealed for.
fn place(tenant: &TenantId, name: &str) -> String {
    format!("{tenant}/{name}")
}

/// How a key ends, where enough of it stays untold.
fn end(key: &SecretString) -> String {
    let text = key.expose_secret();
    let letters = text.chars().count();
    text.chars().skip(letters.saturating_sub(SHOWN)).filter(|_| letters >= 4 * SHOWN).collect()
}

fn check(name: &str, settings: &str, key: &KeyChange) -> Result<(), AccountsError> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let key_bytes = match key {
        KeyChange::Set(key) => key.expose_secret().len(),
        KeyChange::Keep | KeyChange::Remove => 0,
    };
    let message = if name.is_empty() || name.len() > MOST_NAME || !name.bytes().all(is_plain) {
        format!("a provider's name has 1 to {MOST_NAME} letters, digits, `-`, `_` and `.`")
    } else if settings.len() > MOST_BYTES || key_bytes > MOST_BYTES {
        format!("settings and key have {MOST_BYTES} bytes at most")
    } else {
        return Ok(());
    };
    Err(AccountsError::Invalid(message))
}

fn provider(row: &Row<'_>) -> rusqlite::Result<OwnProvider> {
    let settings: String = row.get("settings")?;
    Ok(OwnProvider {
        tenant: tenant(row)?,
        name: row.get("name")?,
        settings: serde_json::from_str(&settings).map_err(damaged)?,
        key_ends: row.get("key_ends")?,
        changed_at: time(row, "changed_at")?.unwrap_or_default(),
    })
}

//! [`OwnProviders`]: providers of models that tenants bring.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use accounts::{
    AccountStore, AccountsError, KeyChange, MasterKey, OwnProvider, OwnProviderSettings,
};
use anyhow::{Context, Result};
use llm_bundle::Bundle;
use llm_providers::AddressPolicy;
use rag_core::TenantId;
use secrecy::{ExposeSecret, SecretString};

use crate::config::{AuthMode, Config, Environment};
use crate::providers::Provider;
use crate::setup::{Ground, Setup};

/// The file of the master key in the data directory, where the configuration names no other place. It is in no backup.
const FILE: &str = "master.key";

/// Models as one tenant has them: those of all, and those of its own providers.
pub(crate) struct TenantModels {
    /// On nobody's behalf.
    pub(crate) bundle: Bundle,
    /// The tenant's own.
    pub(crate) providers: Vec<Provider>,
}

impl TenantModels {
    /// The chat model to use when none is named: that of the first own provider that says one.
    pub(crate) fn default_chat(&self) -> Option<String> {
        let mut named = self.providers.iter().filter_map(|provider| {
            Some(format!("{}/{}", provider.name, provider.default_model.as_ref()?))
        });
        named.next()
    }
}

/// The tenants that bring providers.
pub(crate) type ByTenant = HashMap<TenantId, Arc<TenantModels>>;

/// Providers of models that tenants bring. All methods block.
pub(crate) struct OwnProviders {
    store: Arc<AccountStore>,
    master: MasterKey,
    addresses: AddressPolicy,
}

impl OwnProviders {
    /// Reads the master key, and makes one where there is none. On a server that asks who somebody is, base URLs of tenants
    /// lead to public addresses only.
    ///
    /// # Errors
    /// A master key that cannot be read or written.
    pub(crate) fn open(
        config: &Config,
        environment: &Environment,
        store: Arc<AccountStore>,
    ) -> Result<Self> {
        let written = match &config.auth.master_key {
            Some(reference) => reference.resolve(environment).map_err(anyhow::Error::msg),
            None => master_key(&config.server.data_dir.join(FILE)),
        };
        let written = written.context("`auth.master_key` cannot be read")?;
        let addresses = match config.auth.mode {
            AuthMode::Local => AddressPolicy::Any,
            AuthMode::Keys => AddressPolicy::Public,
        };
        Ok(Self { store, master: MasterKey::parse(&written)?, addresses })
    }

    /// The models of all tenants that bring some, upon what is set up for all.
    ///
    /// # Errors
    /// The file's. A provider that cannot be set up any more is left out, with a line in the log.
    pub(crate) fn of_all(&self, ground: &Ground, setup: &Setup) -> Result<ByTenant> {
        let tenants = self.store.tenants_with_providers()?.into_iter();
        let models = tenants.map(|tenant| {
            let models = self.of_tenant(ground, setup, &tenant)?;
            Ok((tenant, Arc::new(models)))
        });
        models.collect()
    }

    /// The models of one tenant.
    ///
    /// # Errors
    /// As [`of_all`](Self::of_all).
    pub(crate) fn of_tenant(
        &self,
        ground: &Ground,
        setup: &Setup,
        tenant: &TenantId,
    ) -> Result<TenantModels> {
        let mut providers = Vec::new();
        for own in self.store.providers(tenant)? {
            match self.connected(ground, setup, &own) {
                Ok(provider) => providers.push(provider),
                Err(reason) => {
                    tracing::warn!(%tenant, provider = own.name, reason, "a provider is left out");
                }
            }
        }
        Ok(TenantModels { bundle: ground.bundle_with(setup, &providers)?, providers })
    }

    /// Saves a tenant's provider that can be set up.
    ///
    /// # Errors
    /// Settings that lead to no provider, a name that is taken, what the store refuses.
    pub(crate) fn save(
        &self,
        ground: &Ground,
        setup: &Setup,
        own: (&TenantId, &str, &OwnProviderSettings),
        key: &KeyChange,
    ) -> Result<(), AccountsError> {
        let (tenant, name, settings) = own;
        let tried = match key {
            KeyChange::Set(key) => Some(key.clone()),
            KeyChange::Remove => None,
            KeyChange::Keep => self.store.provider_key(tenant, name, &self.master)?,
        };
        self.provider(ground, setup, name, settings, tried).map_err(AccountsError::Invalid)?;
        self.store.save_provider(tenant, name, settings, key, &self.master)
    }

    fn connected(
        &self,
        ground: &Ground,
        setup: &Setup,
        own: &OwnProvider,
    ) -> Result<Provider, String> {
        let key = self.store.provider_key(&own.tenant, &own.name, &self.master);
        let key = key.map_err(|error| error.to_string())?;
        self.provider(ground, setup, &own.name, &own.settings, key)
    }

    fn provider(
        &self,
        ground: &Ground,
        setup: &Setup,
        name: &str,
        settings: &OwnProviderSettings,
        key: Option<SecretString>,
    ) -> Result<Provider, String> {
        if setup.providers.iter().any(|provider| provider.name == name) {
            return Err(format!("the server has a provider `{name}` already; choose another name"));
        }
        ground.own_provider(name, settings, key, self.addresses)
    }
}

/// The master key of this file, which is made, for nobody else to read, where there is none.
fn master_key(file: &Path) -> Result<SecretString> {
    if let Ok(text) = fs::read_to_string(file) {
        return Ok(text.trim().to_owned().into());
    }
    let key = MasterKey::generate()?;
    let mut made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .with_context(|| format!("making `{}`", file.display()))?;
    made.write_all(key.expose_secret().as_bytes())?;
    made.sync_all()?;
    Ok(key)
}

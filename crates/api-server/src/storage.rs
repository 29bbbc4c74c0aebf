//! Opens the store that the configuration names.

use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use rag_core::{Store, StoreError};
use rag_postgres::{PostgresOptions, PostgresStore};
use rag_store::{EmbeddedStore, StoreOptions};

use crate::config::{Config, ConfigError, Environment};

/// Opens the store. What this process alone can have left behind is cleared up: in the data directory, whoever held a
/// job or answered a turn before is dead; of a database that processes share, the store knows whose is whose.
pub(crate) fn open(config: &Config, environment: &Environment) -> Result<Arc<dyn Store>> {
    let address = config.storage.postgres().map_err(|error| anyhow!(error))?;
    let data_dir = &config.server.data_dir;
    let store: Arc<dyn Store> = match address {
        None => EmbeddedStore::open(data_dir, StoreOptions::default())
            .with_context(|| format!("cannot open the data directory `{}`", data_dir.display()))?,
        Some(address) => {
            let fail = |reason: String| ConfigError::new("[storage] `metadata`", reason);
            let url = address.resolve(environment).map_err(fail)?;
            std::fs::create_dir_all(data_dir).with_context(|| {
                format!("cannot make the data directory `{}`", data_dir.display())
            })?;
            PostgresStore::open(PostgresOptions::new(url)).context("cannot open the database")?
        }
    };
    clear_up(&*store).context("clearing up after the last run")?;
    Ok(store)
}

fn clear_up(store: &dyn Store) -> Result<(), StoreError> {
    store.release_leases()?;
    let interrupted = store.interrupt_turns()?;
    if interrupted > 0 {
        tracing::warn!(interrupted, "turns ended when the server did last time");
    }
    Ok(())
}

//! `keys`

use std::io::Write;
use std::process::ExitCode;

use accounts::{ApiKey, KeyRequest, KeyStore};
use anyhow::{Context, Result, bail};
use jiff::{SignedDuration, Timestamp};
use rag_core::TenantId;
use serde_json::json;

use crate::cli::{KeysArgs, KeysCommand};
use crate::config::Config;
use crate::key_ring::FILE;

/// Makes, lists and revokes the API keys of a data directory, also beside a server that runs.
pub(crate) fn keys(args: KeysArgs, config: &Config) -> Result<ExitCode> {
    let data_dir = &config.server.data_dir;
    std::fs::create_dir_all(data_dir)
        .with_context(|| format!("cannot make the data directory `{}`", data_dir.display()))?;
    let store = KeyStore::open(&data_dir.join(FILE))?;
    match args.command {
        KeysCommand::Create { name, expires_days, json } => {
            create(&store, name, expires_days, json)
        }
        KeysCommand::List { json } => list(&store, json),
        KeysCommand::Revoke { id } => revoke(&store, &id),
    }
}

fn create(store: &KeyStore, name: String, days: Option<u32>, json: bool) -> Result<ExitCode> {
    let expires_at = days
        .map(|days| Timestamp::now().checked_add(SignedDuration::from_hours(24 * i64::from(days))))
        .transpose()
        .context("`--expires-days` is too far away")?;
    let (key, secret) =
        store.create(&KeyRequest { expires_at, ..KeyRequest::new(TenantId::local(), name) })?;
    let mut stdout = std::io::stdout().lock();
    if json {
        let mut line = described(&key);
        line["key"] = json!(secret.expose());
        writeln!(stdout, "{line}")?;
    } else {
        writeln!(stdout, "{}", secret.expose())?;
        eprintln!("this is the only time that the key is shown; its id is {}", key.id);
    }
    Ok(ExitCode::SUCCESS)
}

fn list(store: &KeyStore, json: bool) -> Result<ExitCode> {
    let mut stdout = std::io::stdout().lock();
    for key in store.list(&TenantId::local())? {
        if json {
            writeln!(stdout, "{}", described(&key))?;
        } else {
            let status = key.status(Timestamp::now()).as_str();
            writeln!(stdout, "{}  {}…  {status:<7}  {}", key.id, key.shown, key.name)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn revoke(store: &KeyStore, id: &str) -> Result<ExitCode> {
    if !store.revoke(&TenantId::local(), id)? {
        bail!("there is no key `{id}` that could be revoked; `api-server keys list` shows them");
    }
    eprintln!("{id} is revoked; a server that runs takes it for five seconds at most");
    Ok(ExitCode::SUCCESS)
}

fn described(key: &ApiKey) -> serde_json::Value {
    let mut line = json!(key);
    line["status"] = json!(key.status(Timestamp::now()));
    line
}

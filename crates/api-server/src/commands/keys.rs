//! `keys`

use std::io::Write;
use std::process::ExitCode;

use accounts::{AccountStore, ApiKey, KeyRequest, KeyScope};
use anyhow::{Context, Result, bail};
use jiff::{SignedDuration, Timestamp};
use rag_core::TenantId;
use serde_json::json;

use crate::cli::{KeysArgs, KeysCommand, NewKeyArgs};
use crate::config::Config;
use crate::door::FILE;

/// Makes, lists and revokes the API keys of a data directory, also beside a server that runs.
pub(crate) fn keys(args: KeysArgs, config: &Config) -> Result<ExitCode> {
    let store = accounts_of(config)?;
    match args.command {
        KeysCommand::Create(new) => create(&store, args.tenant, new),
        KeysCommand::List { json } => list(&store, &args.tenant, json),
        KeysCommand::Revoke { id, json } => revoke(&store, &args.tenant, &id, json),
    }
}

/// The accounts of the data directory, which is made where there is none.
pub(super) fn accounts_of(config: &Config) -> Result<AccountStore> {
    let data_dir = &config.server.data_dir;
    std::fs::create_dir_all(data_dir)
        .with_context(|| format!("cannot make the data directory `{}`", data_dir.display()))?;
    Ok(AccountStore::open(&data_dir.join(FILE))?)
}

fn create(store: &AccountStore, tenant: TenantId, new: NewKeyArgs) -> Result<ExitCode> {
    let days = new.expires_days;
    let expires_at = days
        .map(|days| Timestamp::now().checked_add(SignedDuration::from_hours(24 * i64::from(days))))
        .transpose()
        .context("`--expires-days` is too far away")?;
    let listed = |names: Vec<String>| (!names.is_empty()).then_some(names);
    let scope = KeyScope {
        models: listed(new.models),
        datasets: listed(new.datasets),
        requests_per_minute: new.requests_per_minute,
        tokens_per_minute: new.tokens_per_minute,
        concurrent: new.concurrent,
        dollars_per_day: new.dollars_per_day,
    };
    let request =
        KeyRequest { role: new.role, scope, expires_at, ..KeyRequest::new(tenant, new.name) };
    let (key, secret) = store.create_key(&request)?;
    let json = new.json;
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

fn list(store: &AccountStore, tenant: &TenantId, json: bool) -> Result<ExitCode> {
    let mut stdout = std::io::stdout().lock();
    for key in store.keys(tenant)? {
        if json {
            writeln!(stdout, "{}", described(&key))?;
        } else {
            let status = key.status(Timestamp::now()).as_str();
            let role = key.role.as_str();
            writeln!(stdout, "{}  {}…  {status:<7}  {role:<6}  {}", key.id, key.shown, key.name)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn revoke(store: &AccountStore, tenant: &TenantId, id: &str, json: bool) -> Result<ExitCode> {
    if !store.revoke_key(tenant, id)? {
        bail!("there is no key `{id}` that could be revoked; `api-server keys list` shows them");
    }
    if json {
        writeln!(std::io::stdout(), "{}", json!({ "id": id, "revoked": true }))?;
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("{id} is revoked; a server that runs takes it for five seconds at most");
    Ok(ExitCode::SUCCESS)
}

fn described(key: &ApiKey) -> serde_json::Value {
    let mut line = json!(key);
    line["status"] = json!(key.status(Timestamp::now()));
    line
}

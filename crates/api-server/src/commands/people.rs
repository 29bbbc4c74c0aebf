//! `people`

use std::io::Write;
use std::process::ExitCode;

use accounts::{AccountStore, Role};
use anyhow::{Result, bail};
use rag_core::TenantId;
use serde_json::json;

use super::keys::accounts_of;
use crate::cli::{PeopleArgs, PeopleCommand};
use crate::config::Config;

/// Invites, lists and removes the people of a tenant, also beside a server that runs.
pub(crate) fn people(args: PeopleArgs, config: &Config) -> Result<ExitCode> {
    let store = accounts_of(config)?;
    match args.command {
        PeopleCommand::Invite { email, role, json } => {
            invite(&store, &args.tenant, &email, role, json)
        }
        PeopleCommand::List { json } => list(&store, &args.tenant, json),
        PeopleCommand::Remove { email, json } => remove(&store, &args.tenant, &email, json),
    }
}

fn invite(
    store: &AccountStore,
    tenant: &TenantId,
    email: &str,
    role: Role,
    json: bool,
) -> Result<ExitCode> {
    let (invitation, secret) = store.invite(tenant, email, role)?;
    let mut stdout = std::io::stdout().lock();
    if json {
        let mut line = json!(invitation);
        line["invitation"] = json!(secret.expose());
        writeln!(stdout, "{line}")?;
    } else {
        writeln!(stdout, "{}", secret.expose())?;
        eprintln!(
            "give this to {}, who joins with it in the console; it can be used once, until {}",
            invitation.email, invitation.expires_at
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn list(store: &AccountStore, tenant: &TenantId, json: bool) -> Result<ExitCode> {
    let mut stdout = std::io::stdout().lock();
    for member in store.members(tenant)? {
        match json {
            true => writeln!(stdout, "{}", json!(member))?,
            false => {
                let role = member.role.as_str();
                writeln!(stdout, "{role:<6}  {}  {}", member.person.email, member.person.name)?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn remove(store: &AccountStore, tenant: &TenantId, email: &str, json: bool) -> Result<ExitCode> {
    let wanted = email.trim().to_lowercase();
    let members = store.members(tenant)?;
    let Some(member) = members.iter().find(|member| member.person.email == wanted) else {
        bail!(
            "nobody of the tenant has the address `{email}`; `api-server people list` shows them"
        );
    };
    store.remove_member(tenant, &member.person.id)?;
    if json {
        writeln!(std::io::stdout(), "{}", json!({ "email": wanted, "removed": true }))?;
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!(
        "{wanted} belongs to {tenant} no more; a server that runs knows in five seconds at most"
    );
    Ok(ExitCode::SUCCESS)
}

//! `keys` and `people`

use accounts::Role;
use clap::{Args, Subcommand};
use rag_core::TenantId;

use super::CommonArgs;

/// `keys`
#[derive(Args, Clone, Debug)]
pub struct KeysArgs {
    #[allow(missing_docs)]
    #[command(flatten)]
    pub common: CommonArgs,
    /// Whose data they open
    #[arg(long, default_value = "local", global = true)]
    pub tenant: TenantId,
    /// What to do with them
    #[command(subcommand)]
    pub command: KeysCommand,
}

/// What to do with API keys.
#[derive(Clone, Debug, Subcommand)]
pub enum KeysCommand {
    /// Make a key, and print it: it is never shown again
    Create(NewKeyArgs),
    /// List the keys, without what is secret of them
    List {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Revoke a key for good
    Revoke {
        /// Its id
        id: String,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
}

/// `keys create`
#[derive(Args, Clone, Debug)]
pub struct NewKeyArgs {
    /// What to call it
    pub name: String,
    /// What its holder may do: reader, member or admin
    #[arg(long, default_value = "admin")]
    pub role: Role,
    /// A model that may be asked, `openai/*` or `dialog/NAME` for example (repeatable) [default: all]
    #[arg(long = "model", value_name = "NAME")]
    pub models: Vec<String>,
    /// A dataset that may be searched (repeatable) [default: all]
    #[arg(long = "dataset", value_name = "NAME")]
    pub datasets: Vec<String>,
    /// Calls of models in any minute
    #[arg(long, value_name = "N")]
    pub requests_per_minute: Option<u64>,
    /// Tokens of prompts and answers in any minute
    #[arg(long, value_name = "N")]
    pub tokens_per_minute: Option<u64>,
    /// Answers under way at once
    #[arg(long, value_name = "N")]
    pub concurrent: Option<u64>,
    /// US dollars in a day (UTC)
    #[arg(long, value_name = "DOLLARS")]
    pub dollars_per_day: Option<f64>,
    /// Days after which it opens nothing any more; left out: it does not expire
    #[arg(long, value_name = "DAYS")]
    pub expires_days: Option<u32>,
    /// One JSON object
    #[arg(long)]
    pub json: bool,
}

/// `people`
#[derive(Args, Clone, Debug)]
pub struct PeopleArgs {
    #[allow(missing_docs)]
    #[command(flatten)]
    pub common: CommonArgs,
    /// What they belong to
    #[arg(long, default_value = "local", global = true)]
    pub tenant: TenantId,
    /// What to do
    #[command(subcommand)]
    pub command: PeopleCommand,
}

/// What to do with people.
#[derive(Clone, Debug, Subcommand)]
pub enum PeopleCommand {
    /// Print an invitation, with which somebody joins in the console: it is never shown again
    Invite {
        /// Whom
        email: String,
        /// As what: reader, member or admin
        #[arg(long, default_value = "admin")]
        role: Role,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// List who belongs to the tenant
    List {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Let somebody belong to the tenant no more
    Remove {
        /// Whom
        email: String,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
}

//! `serve`

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{CommonArgs, RecordingArgs};

/// `serve`
#[derive(Args, Clone, Debug, Default)]
pub struct ServeArgs {
    #[allow(missing_docs)]
    #[command(flatten)]
    pub common: CommonArgs,
    /// Address to listen on; port 0 takes a free one [default: 127.0.0.1:9380]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// What this process does of a server's work
    #[arg(long, value_enum, default_value_t)]
    pub role: ServeRole,
    /// File or folder to ingest into the dataset `default` (repeatable)
    #[arg(long, value_name = "PATH")]
    pub ingest: Vec<PathBuf>,
    /// Go on following what changes in the ingested folders; documents whose files are removed are removed
    #[arg(long, requires = "ingest")]
    pub watch: bool,
    #[allow(missing_docs)]
    #[command(flatten)]
    pub recordings: RecordingArgs,
}

/// What a process does of a server's work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ServeRole {
    /// Answers requests and ingests.
    #[default]
    All,
    /// Answers requests; others ingest. Needs a store that processes share.
    Api,
    /// Ingests; others answer. Needs a store that processes share.
    Worker,
}

//! The command line.

mod accounts;
mod serve;

use std::path::PathBuf;
use std::time::Duration;

pub use accounts::{KeysArgs, KeysCommand, NewKeyArgs, PeopleArgs, PeopleCommand};
use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use llm_usage::Dimension;
use rag_core::{ChunkMethod, MetadataFilter};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error as Malformed, StrDeserializer};
pub use serve::{ServeArgs, ServeRole};

/// A RAG dialog server: ingests documents, retrieves, and streams cited answers over any provider.
#[derive(Debug, Parser)]
#[command(name = "api-server", version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// What to do; `serve` when left out.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Options of `serve` when no command is named.
    #[command(flatten)]
    pub serve: ServeArgs,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the HTTP API and the web console
    Serve(ServeArgs),
    /// Answer one question about documents, with sources
    Ask(AskArgs),
    /// Ingest files and folders
    Ingest(IngestArgs),
    /// Move a dataset to another embedding model
    Reembed(ReembedArgs),
    /// Search without answering, and show scores
    Search(SearchArgs),
    /// List the models that can be reached
    Models(ModelsArgs),
    /// Read the configuration, and ask each provider for one cheap answer
    Check(CheckArgs),
    /// Show what model calls consumed and cost
    Usage(UsageArgs),
    /// Copy the whole data directory into one file, also while a server runs
    Backup(BackupArgs),
    /// Make the data directory from a backup
    Restore(RestoreArgs),
    /// Make, list and revoke the API keys that open a server with auth.mode = "keys", also while it runs
    Keys(KeysArgs),
    /// Invite, list and remove people, who log in with a password
    People(PeopleArgs),
    /// Print the description of the HTTP interface (OpenAPI 3.1, JSON)
    Openapi,
    /// Print a script that completes commands and options in a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Reads files for a parent process over a pipe
    #[command(hide = true)]
    ParseWorker,
}

/// What every command takes.
#[derive(Args, Clone, Debug, Default)]
pub struct CommonArgs {
    /// Configuration file [default: colloquy.toml, where there is one]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where everything is kept [default: ./colloquy-data]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Form of the log on standard error
    #[arg(long, value_enum, default_value_t)]
    pub log_format: LogFormat,
}

/// Form of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Pretty,
    /// One JSON object a line.
    Json,
}

/// Recording calls to providers, and answering from recordings
#[derive(Args, Clone, Debug, Default)]
pub struct RecordingArgs {
    /// Record calls to providers, without their secrets, in this folder
    #[arg(long, value_name = "DIR", conflicts_with = "replay")]
    pub record: Option<PathBuf>,
    /// Answer from the recordings in this folder: no key is needed, nothing leaves this machine
    #[arg(long, value_name = "DIR")]
    pub replay: Option<PathBuf>,
}

/// `ask`
#[derive(Args, Clone, Debug)]
pub struct AskArgs {
    #[allow(missing_docs)]
    #[command(flatten)]
    pub common: CommonArgs,
    /// The question
    pub question: String,
    /// File or folder to answer from (repeatable); what changed is ingested first. Left out, the whole dataset is used
    #[arg(long, value_name = "PATH")]
    pub docs: Vec<PathBuf>,
    /// The dataset
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub dataset: String,
    /// The model: `provider/model`, or a name of the configuration
    #[arg(long, value_name = "REF")]
    pub model: Option<String>,
    /// Print one JSON event a line
    #[arg(long)]
    pub json: bool,
    #[allow(missing_docs)]
    #[command(flatten)]
    pub recordings: RecordingArgs,
}

/// `ingest`
#[derive(Args, Clone, Debug)]
pub struct IngestArgs {
    #[allow(missing_docs)]
    #[command(flatten)]
    pub common: CommonArgs,
    /// Files and folders
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// The dataset
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub dataset: String,
    /// How files that are new or changed are cut: naive, qa, table, paper, book, laws, manual, presentation, one, email,
    /// picture, tag [default: the dataset's]
    #[arg(long, value_name = "METHOD", value_parser = chunk_method)]
    pub method: Option<ChunkMethod>,
    /// The most tokens of a passage of these files [default: the dataset's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(16..=8192))]
    pub chunk_tokens: Option<u32>,
    /// Go on following what changes in the folders; documents whose files are removed are removed
    #[arg(long)]
    pub watch: bool,
    /// Print one JSON event a line
    #[arg(long)]
    pub json: bool,
}

/// `reembed`
#[derive(Args, Clone, Debug)]
pub struct ReembedArgs {
    #[allow(missing_docs)]
    #[command(flatten)]
    pub common: CommonArgs,
    /// The dataset
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub dataset: String,
    /// The embedding model: `provider/model`, or a name of the configuration
    #[arg(long, value_name = "REF")]
    pub model: String,
    /// Print one JSON event a line
    #[arg(long)]
    pub json: bool,
}

fn chunk_method(name: &str) -> Result<ChunkMethod, String> {
    let name: StrDeserializer<'_, Malformed> = name.into_deserializer();
    ChunkMethod::deserialize(name).map_err(|error| error.to_string())
}

/// `search`
#[derive(Args, Clone, Debug)]
pub struct SearchArgs {
    #[allow(missing_docs)]
    #[command(flatten)]
    pub common: CommonArgs,
    /// What to look for
    pub query: String,
    /// The dataset (repeatable)
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub dataset: Vec<String>,
    /// Only documents whose metadata pass: `year >= 2020 and author contains "smith"`
    #[arg(long, value_name = "FILTER")]
    pub filter: Option<MetadataFilter>,
    /// How many passages
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub top: usize,
    /// The best passages to leave out, for further pages
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub skip: usize,
    /// Weight of the vectors against full text, 0 to 1 [default: the one measured for the embedding model]
    #[arg(long, value_name = "SHARE")]
    pub vector_weight: Option<f32>,
    /// The least relevance, 0 to 1 [default: that of dialogs]
    #[arg(long, value_name = "SHARE")]
    pub threshold: Option<f32>,
    /// A rerank model that orders the best hits anew
    #[arg(long, value_name = "REF")]
    pub rerank: Option<String>,
    /// How much a passage loses by saying what better ones say, 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub diversity: f32,
    /// Chunks before and after each passage to show with it
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub neighbours: u32,
    /// Only passages that hold every phrase in quotation marks
    #[arg(long)]
    pub exact: bool,
    /// Show what each score is made of
    #[arg(long)]
    pub explain: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `models`
#[derive(Args, Clone, Debug)]
pub struct ModelsArgs {
    #[allow(missing_docs)]
    #[command(flatten)]
    pub common: CommonArgs,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `check`
#[derive(Args, Clone, Debug)]
pub struct CheckArgs {
    #[allow(missing_docs)]
    #[command(flatten)]
    pub common: CommonArgs,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `usage`
#[derive(Args, Clone, Debug)]
pub struct UsageArgs {
    #[allow(missing_docs)]
    #[command(flatten)]
    pub common: CommonArgs,
    /// Sum by: tenant, key, route, provider, model, operation, outcome, error, priority, day, hour (repeatable, or with commas)
    #[arg(long, value_name = "WHAT", value_delimiter = ',', default_value = "model")]
    pub by: Vec<Dimension>,
    /// How far back: 90m, 24h, 7d, 4w
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = crate::commands::span)]
    pub since: Duration,
    /// Print one JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// `backup`
#[derive(Args, Clone, Debug)]
pub struct BackupArgs {
    #[allow(missing_docs)]
    #[command(flatten)]
    pub common: CommonArgs,
    /// Where to
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Print one JSON object that tells what was written
    #[arg(long)]
    pub json: bool,
}

/// `restore`
#[derive(Args, Clone, Debug)]
pub struct RestoreArgs {
    #[allow(missing_docs)]
    #[command(flatten)]
    pub common: CommonArgs,
    /// The backup
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Replace everything that is there
    #[arg(long)]
    pub replace: bool,
}

impl Cli {
    /// The command line of this process. One that cannot be understood ends it with code 2 and one line that says what to do;
    /// `--help` and `--version` end it, too.
    pub fn of_process() -> Self {
        Self::try_parse().unwrap_or_else(|error| {
            if !error.use_stderr() {
                error.exit()
            }
            eprintln!("{}", in_one_line(&error));
            std::process::exit(2)
        })
    }

    /// The command, `serve` where none was named.
    pub fn command(self) -> Command {
        self.command.unwrap_or(Command::Serve(self.serve))
    }
}

/// What is wrong and what would be right, without how all is used.
fn in_one_line(error: &clap::Error) -> String {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return "error: say what to do, by a subcommand; `--help` tells more".into();
    }
    let text = error.render().to_string();
    let told = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let told = told.take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
    let told = told
        .map(|line| line.replace("tip: ", ""))
        .collect::<Vec<_>>()
        .join("; ")
        .replace(":; ", ": ");
    format!("{told}; `--help` tells more")
}

impl Command {
    /// Where calls to providers are recorded or come from, if the command line says so.
    pub fn recordings(&self) -> Option<RecordingArgs> {
        let recordings = match self {
            Command::Serve(args) => &args.recordings,
            Command::Ask(args) => &args.recordings,
            _ => return None,
        };
        let is_said = recordings.record.is_some() || recordings.replay.is_some();
        is_said.then(|| recordings.clone())
    }

    /// What every command takes.
    pub fn common(&self) -> CommonArgs {
        match self {
            Command::Serve(args) => args.common.clone(),
            Command::Ask(args) => args.common.clone(),
            Command::Ingest(args) => args.common.clone(),
            Command::Reembed(args) => args.common.clone(),
            Command::Search(args) => args.common.clone(),
            Command::Models(args) => args.common.clone(),
            Command::Check(args) => args.common.clone(),
            Command::Usage(args) => args.common.clone(),
            Command::Backup(args) => args.common.clone(),
            Command::Restore(args) => args.common.clone(),
            Command::Keys(args) => args.common.clone(),
            Command::People(args) => args.common.clone(),
            Command::Completions { .. } | Command::Openapi | Command::ParseWorker => {
                CommonArgs::default()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_said_in_one_line() {
        for (args, expected) in [
            ("api-server serve --lisen x", "similar argument exists: '--listen'"),
            ("api-server sreve", "unrecognized subcommand 'sreve'"),
            ("api-server keys", "say what to do"),
            ("api-server ask", "were not provided: <QUESTION>"),
            ("api-server serve --role both", "[possible values: all, api, worker]"),
        ] {
            let error = Cli::try_parse_from(args.split(' ')).unwrap_err();
            let line = in_one_line(&error);
            assert!(line.starts_with("error: ") && line.contains(expected), "{line}");
            assert!(line.ends_with("; `--help` tells more") && !line.contains('\n'), "{line}");
        }
    }

    #[test]
    fn recording_and_replaying_exclude_each_other() {
        let parse = |args: &str| Cli::try_parse_from(args.split(' '));
        assert!(parse("api-server serve --record a --replay b").is_err());
        for args in ["api-server --replay a", "api-server ask --replay a why"] {
            let recordings = parse(args).unwrap().command().recordings().unwrap();
            assert_eq!(recordings.replay.unwrap(), PathBuf::from("a"), "{args}");
        }
        assert!(parse("api-server serve").unwrap().command().recordings().is_none());
    }
}

//! The Colloquy server as a library: the binary is a thin shell around [`run`], and tests start a whole [`Server`] on a
//! free port.
//!
//! ```no_run
//! use api_server::{Server, config::Config};
//!
//! # async fn example() -> anyhow::Result<()> {
//! let mut config = Config::default();
//! config.server.listen = "127.0.0.1:0".parse()?;
//! let server = Server::start(config, &Default::default()).await?;
//! println!("listening on http://{}", server.address());
//! server.stop().await;
//! # Ok(())
//! # }
//! ```

pub mod app;
mod attachments;
mod backup;
mod bundle;
mod cache;
mod caller;
mod catalogue;
mod chunk_text;
pub mod cli;
mod commands;
pub mod config;
mod conversations;
mod detour;
mod dialogs;
mod door;
mod http;
mod ingest;
mod limits;
mod local_models;
mod log;
mod mcp;
pub mod metrics;
mod own_providers;
mod parts;
mod providers;
mod readiness;
mod records;
mod responses;
mod search;
mod server;
mod setup;
mod storage;
mod tables;
mod telemetry;
mod tls;
mod trial;
mod uploads;
mod usage;
mod web;

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};

use cli::{Cli, Command, RecordingArgs};
use config::{Config, Environment, RecordingsConfig};
pub use http::Shutdown;
pub use ingest::{Ingested, ingest};
pub use parts::Parts;
pub use readiness::Readiness;
pub use server::Server;
use telemetry::Telemetry;

/// Runs the command of a command line to its end. `began` is when the process did.
///
/// # Errors
/// What is to be shown before the process ends with code 1; see [`error_line`].
pub fn run(cli: Cli, environment: Environment, began: Instant) -> Result<ExitCode> {
    let command = cli.command();
    if matches!(command, Command::ParseWorker) {
        rag_parse::isolated::worker_main(std::io::stdin().lock(), std::io::stdout().lock())?;
        return Ok(ExitCode::SUCCESS);
    }
    if matches!(command, Command::Openapi) {
        std::io::stdout().lock().write_all(http::description().as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Command::Completions { shell } = command {
        commands::completions(shell)?;
        return Ok(ExitCode::SUCCESS);
    }
    let common = command.common();
    let mut config = config::load(common.config.as_deref(), &environment)?;
    if let Some(data_dir) = common.data_dir {
        config.server.data_dir = data_dir;
    }
    if let Some(RecordingArgs { record, replay }) = command.recordings() {
        config.recordings = RecordingsConfig { record, replay };
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("runtime")
        .build()
        .context("starting the runtime")?;
    let telemetry = {
        let _home = runtime.enter();
        Telemetry::start(&config.telemetry, &environment)?
    };
    log::start(common.log_format, &command, &environment, telemetry.as_ref());
    let code = runtime.block_on(execute(command, config, environment, began));
    if let Some(telemetry) = telemetry {
        telemetry.stop();
    }
    runtime.shutdown_background();
    code
}

async fn execute(
    command: Command,
    config: Config,
    environment: Environment,
    began: Instant,
) -> Result<ExitCode> {
    match command {
        Command::Serve(args) => commands::serve(args, config, environment, began).await,
        Command::Ask(args) => commands::ask(args, config, environment).await,
        Command::Ingest(args) => commands::ingest(args, config, environment).await,
        Command::Reembed(args) => commands::reembed(args, config, environment).await,
        Command::Search(args) => commands::search(args, config, environment).await,
        Command::Models(args) => commands::models(args, config, environment).await,
        Command::Check(args) => commands::check(args, config, environment).await,
        Command::Usage(args) => commands::usage(args, config),
        Command::Backup(args) => commands::backup(args, &config),
        Command::Restore(args) => commands::restore(args, &config),
        Command::Keys(args) => commands::keys(args, &config),
        Command::People(args) => commands::people(args, &config),
        Command::Completions { .. } | Command::Openapi | Command::ParseWorker => {
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// An error and its causes in one line.
pub fn error_line(error: &anyhow::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    for cause in error.chain() {
        let text = cause.to_string().replace('\n', " ");
        // Some causes repeat what the error above them said.
        if !parts.last().is_some_and(|above| above.contains(&text)) {
            parts.push(text);
        }
    }
    parts.join(": ")
}

/// As [`error_line`], for any error.
pub(crate) fn causes_line(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text.replace('\n', " ")
}

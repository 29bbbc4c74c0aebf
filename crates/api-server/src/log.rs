//! The log, on standard error.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::cli::{Command, LogFormat};
use crate::config::Environment;

/// Starts logging. `COLLOQUY_LOG` (else `RUST_LOG`) selects what; a server tells what it serves, other commands only
/// what goes wrong.
pub(crate) fn start(format: LogFormat, command: &Command, environment: &Environment) {
    let default = match command {
        Command::Serve(_) => "warn,access=info,api_server=info",
        _ => "error",
    };
    let chosen = ["COLLOQUY_LOG", "RUST_LOG"].iter().find_map(|name| environment.get(*name));
    let filter = EnvFilter::try_new(chosen.map_or(default, String::as_str))
        .unwrap_or_else(|_| EnvFilter::new(default));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    // A second start (in tests) keeps the first.
    let _ = match format {
        LogFormat::Pretty => log.try_init(),
        LogFormat::Json => log.json().try_init(),
    };
}

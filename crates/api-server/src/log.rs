//! The log, on standard error.

use std::io::IsTerminal;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::cli::{Command, LogFormat};
use crate::config::Environment;
use crate::telemetry::Telemetry;

/// Starts logging, and telemetry beside it. `COLLOQUY_LOG` (else `RUST_LOG`) selects what; a server tells what it serves, other commands only
/// what goes wrong.
pub(crate) fn start(
    format: LogFormat,
    command: &Command,
    environment: &Environment,
    telemetry: Option<&Telemetry>,
) {
    let default = match command {
        Command::Serve(_) => "warn,access=info,api_server=info",
        _ => "error",
    };
    let chosen = ["COLLOQUY_LOG", "RUST_LOG"].iter().find_map(|name| environment.get(*name));
    let filter = EnvFilter::try_new(chosen.map_or(default, String::as_str))
        .unwrap_or_else(|_| EnvFilter::new(default));
    let plain = environment.get("NO_COLOR").is_some_and(|value| !value.is_empty());
    let log = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::stderr().is_terminal() && !plain)
        .with_writer(std::io::stderr);
    let log = match format {
        LogFormat::Pretty => log.boxed(),
        LogFormat::Json => log.json().boxed(),
    };
    let telemetry = telemetry.map(Telemetry::layer);
    // A second start (in tests) keeps the first.
    let _ = tracing_subscriber::registry().with(log.with_filter(filter)).with(telemetry).try_init();
}

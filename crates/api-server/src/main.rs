//! The `api-server` binary: reads the command line and the environment once, and runs the command.

use std::io;
use std::process::ExitCode;

use api_server::cli::Cli;
use api_server::config::Environment;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let began = std::time::Instant::now();
    let cli = Cli::of_process();
    let environment: Environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    match api_server::run(cli, environment, began) {
        Ok(code) => code,
        // Whoever reads has read enough: `api-server ask … | head`.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", api_server::error_line(&error));
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let broken = |cause: &io::Error| cause.kind() == io::ErrorKind::BrokenPipe;
    error.root_cause().downcast_ref().is_some_and(broken)
}

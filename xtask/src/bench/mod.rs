//! Measures speed.

mod ingest;
mod pages;

use anyhow::Result;
use clap::Subcommand;

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Ingestion from end to end, and how long a question takes meanwhile
    Ingest(ingest::Args),
}

/// Measures and prints.
pub(crate) fn run(args: Args) -> Result<()> {
    match args.what {
        What::Ingest(args) => ingest::run(&args),
    }
}

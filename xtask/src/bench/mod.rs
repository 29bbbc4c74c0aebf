//! Measures speed.

mod gateway;
mod ingest;
mod pages;
mod retrieval;
mod turns;

use anyhow::Result;
use clap::Subcommand;

/// The server's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// What a chat costs that goes through the server, beside nginx and the upstream itself
    Gateway(gateway::Args),
    /// Ingestion from end to end, and how long a question takes meanwhile
    Ingest(ingest::Args),
    /// How long searches take over 100,000 and 1,000,000 chunks, and over many datasets
    Retrieval(retrieval::Args),
    /// What a turn costs besides its model and its search, and whether many at once disturb each other
    Turns(turns::Args),
}

/// Measures and prints.
pub(crate) fn run(args: Args) -> Result<()> {
    match args.what {
        What::Gateway(args) => gateway::run(&args),
        What::Ingest(args) => ingest::run(&args),
        What::Retrieval(args) => retrieval::run(&args),
        What::Turns(args) => turns::run(&args),
    }
}

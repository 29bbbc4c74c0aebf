//! Measures quality on labelled data.

mod answers;
mod chunking;
mod evidence;
mod library;
mod overlap;
pub(crate) mod parsing;
mod quality;
mod retrieval;
mod retrieval_set;

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
    /// Whether replies hold the labelled answers, and citations lead to where those stand
    Answers(answers::Args),
    /// How much of the evidence for questions is in the passages found, by how documents are cut
    Chunking(chunking::Args),
    /// Whether documents are read as expected, and how close their text is to ground truths, for each format
    Parsing(parsing::Args),
    /// nDCG@10 and recall@5 of full text, vectors and both, for each labelled set
    Retrieval(retrieval::Args),
}

/// Measures and prints.
pub(crate) fn run(args: Args) -> Result<()> {
    match args.what {
        What::Answers(args) => answers::run(&args),
        What::Chunking(args) => chunking::run(&args),
        What::Parsing(args) => parsing::run(&args),
        What::Retrieval(args) => retrieval::run(&args),
    }
}

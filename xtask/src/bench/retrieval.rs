//! `bench retrieval`: how long searches take over how many chunks. It runs `rag-store`'s example `latency`, which can
//! be run alone, too.

use anyhow::Result;

use crate::run;

/// Chunks, dimensions and datasets of the usual runs: a large library, a very large one, many small ones, one of these.
const USUAL: [Size; 4] = [
    Size { chunks: 100_000, dimensions: 384, datasets: 1 },
    Size { chunks: 1_000_000, dimensions: 384, datasets: 1 },
    Size { chunks: 100_000, dimensions: 384, datasets: 1000 },
    Size { chunks: 100, dimensions: 384, datasets: 1 },
];

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Chunks altogether [default: one run each with 100,000, 1,000,000, 1,000 datasets of 100, and 100]
    #[arg(long)]
    chunks: Option<usize>,
    /// Dimensions of vectors
    #[arg(long, default_value_t = 384)]
    dimensions: usize,
    /// Datasets that they are in
    #[arg(long, default_value_t = 1)]
    datasets: usize,
}

#[derive(Clone, Copy)]
struct Size {
    chunks: usize,
    dimensions: usize,
    datasets: usize,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let &Args { dimensions, datasets, .. } = args;
    match args.chunks {
        Some(chunks) => measure(Size { chunks, dimensions, datasets }),
        None => USUAL.into_iter().try_for_each(measure),
    }
}

fn measure(size: Size) -> Result<()> {
    let numbers = [size.chunks, size.dimensions, size.datasets].map(|number| number.to_string());
    let example = ["run", "--quiet", "--release", "-p", "rag-store", "--example", "latency", "--"];
    let arguments: Vec<&str> =
        example.into_iter().chain(numbers.iter().map(String::as_str)).collect();
    run::cargo(&arguments)
}

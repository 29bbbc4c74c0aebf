//! `cargo xtask eval retrieval`: how well full text, vectors and both together find the passages that answer questions.
//! What is measured is what runs: the embedded store, the models of `llm-local`, and the retriever with its defaults.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result};
use llm_core::SyncEmbeddingModel;
use llm_local::{SentenceTransformer, SentenceTransformerOptions, StaticEmbedding};
use serde::Serialize;

use super::library::Library;
use super::quality::Quality;
use super::retrieval_set::{self, RetrievalSet};
use crate::weights;

/// What to measure, and how to print it.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Labelled sets, or directories of them [default: the shared ones beside the workspace]
    directories: Vec<PathBuf>,
    /// A sentence-transformers directory to measure besides local/static [default: all-MiniLM-L6-v2, where it can be had]
    #[arg(long)]
    model: Option<PathBuf>,
    /// Tell each document so many of the questions that it answers, and ask only the others: what enrichment with
    /// questions is worth
    #[arg(long, default_value_t = 0)]
    questions: usize,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Row {
    set: String,
    method: String,
    #[serde(flatten)]
    quality: Quality,
    questions: usize,
    milliseconds_per_question: f64,
}

/// Measures every set and prints a row for each method.
pub(crate) fn run(args: &Args) -> Result<()> {
    let mut models: Vec<Arc<dyn SyncEmbeddingModel>> = vec![Arc::new(StaticEmbedding::new())];
    models.extend(trained(args.model.as_deref())?);
    if !args.json {
        println!(
            "{:14} {:34} {:>8} {:>9} {:>9} {:>7}",
            "set", "method", "nDCG@10", "recall@5", "questions", "ms"
        );
    }
    for directory in retrieval_set::find(&args.directories)? {
        let mut set = RetrievalSet::load(&directory)?;
        if args.questions > 0 {
            set.tell(args.questions);
            let told = Library::of(&set.documents, models[0].clone())?;
            let row = measure(&set, "full text, questions told".into(), |text| told.by_text(text))?;
            print(&row, args.json)?;
            set.forget();
        }
        for (index, model) in models.iter().enumerate() {
            let library = Library::of(&set.documents, model.clone())?;
            let name = &model.info().name;
            if index == 0 {
                let row = measure(&set, "full text".into(), |text| library.by_text(text))?;
                print(&row, args.json)?;
            }
            let row = measure(&set, name.to_string(), |text| library.by_vector(text))?;
            print(&row, args.json)?;
            let row = measure(&set, format!("hybrid {name}"), |text| library.by_both(text))?;
            print(&row, args.json)?;
        }
    }
    Ok(())
}

/// The model in this directory; without one all-MiniLM-L6-v2, or nothing where that cannot be had.
pub(crate) fn trained(directory: Option<&Path>) -> Result<Option<Arc<dyn SyncEmbeddingModel>>> {
    let directory = match directory {
        Some(directory) => directory.to_owned(),
        None => match weights::minilm() {
            Ok(directory) => directory,
            Err(error) => {
                eprintln!("only local/static is measured: {error:#}");
                return Ok(None);
            }
        },
    };
    let threads = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let options = SentenceTransformerOptions { threads, ..SentenceTransformerOptions::default() };
    let name = directory.file_name().unwrap_or_default().to_string_lossy();
    let model = SentenceTransformer::load(&name, &directory, options)
        .with_context(|| format!("reading the model {}", directory.display()))?;
    Ok(Some(Arc::new(model)))
}

fn print(row: &Row, json: bool) -> Result<()> {
    if json {
        println!("{}", serde_json::to_string(row)?);
        return Ok(());
    }
    println!(
        "{:14} {:34} {:8.4} {:9.4} {:9} {:7.2}",
        row.set,
        row.method,
        row.quality.ndcg_at_10,
        row.quality.recall_at_5,
        row.questions,
        row.milliseconds_per_question
    );
    Ok(())
}

fn measure(
    set: &RetrievalSet,
    method: String,
    rank: impl Fn(&str) -> Result<Vec<usize>>,
) -> Result<Row> {
    let began = Instant::now();
    let rankings =
        set.questions.iter().map(|question| rank(&question.text)).collect::<Result<Vec<_>>>()?;
    let took = began.elapsed();
    let relevant = set.questions.iter().map(|question| &question.relevant);
    Ok(Row {
        set: set.name.clone(),
        method,
        quality: Quality::mean(rankings.into_iter().zip(relevant)),
        questions: set.questions.len(),
        milliseconds_per_question: took.as_secs_f64() * 1e3 / set.questions.len() as f64,
    })
}

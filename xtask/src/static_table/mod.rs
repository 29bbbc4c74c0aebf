//! `static-table`: rebuilds the embedding table of `local/static` from a sentence encoder.
//!
//! Every word piece is put through the encoder alone and weighted by how rare it is in real text;
//! then the table is taught to put paragraphs and sentences where the encoder puts them.

mod corpus;
mod evaluate;
mod lessons;
mod principal;
mod teacher;
mod train;

use std::{fs, path::PathBuf, time::Instant};

use anyhow::{Context, Result};
use llm_local::{static_table::StaticTable, word_piece::WordPiece};

use corpus::Corpus;
use evaluate::RetrievalSet;
use lessons::Lesson;
use principal::Projection;
use teacher::Teacher;
use train::{Example, Settings, Student};

/// Rebuild the embedding table of local/static.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The sentence encoder: a directory with config.json, vocab.txt and model.safetensors
    #[arg(long)]
    model: PathBuf,
    /// Directories of .txt files to learn from, paragraphs separated by blank lines
    #[arg(long, num_args = 1.., required = true)]
    text: Vec<PathBuf>,
    /// The table to write
    #[arg(long)]
    out: PathBuf,
    /// The length of an embedding
    #[arg(long, default_value_t = 256)]
    dims: usize,
    /// How many paragraphs to learn from
    #[arg(long, default_value_t = 90_000)]
    lessons: usize,
    /// A file that keeps the encoder's embeddings, so that the work can be stopped and repeated
    #[arg(long)]
    cache: Option<PathBuf>,
    /// Labelled retrieval sets to measure on; nothing is learned from them
    #[arg(long, num_args = 1..)]
    evaluate: Vec<PathBuf>,
    /// Measure the encoder on the sets too
    #[arg(long)]
    teacher: bool,
    #[command(flatten)]
    settings: Settings,
}

/// Runs the command.
///
/// # Errors
/// When a file is missing or malformed; the message names it.
pub fn run(args: Args) -> Result<()> {
    let start = Instant::now();
    let model = Teacher::load(&args.model)?;
    let words = WordPiece::new(model.vocabulary());
    let sets =
        args.evaluate.iter().map(|path| RetrievalSet::load(path)).collect::<Result<Vec<_>>>()?;
    if args.teacher {
        for set in &sets {
            let embed = |texts: &[String]| {
                model.embed(&texts.iter().map(|text| words.split(text)).collect::<Vec<_>>())
            };
            println!("encoder  {}", set.measure(embed)?);
        }
    }

    let corpus = Corpus::load(&args.text, &words)?;
    eprintln!("{} paragraphs read, {:.0?}", corpus.paragraphs(), start.elapsed());
    let lessons = lessons::teach(&model, corpus.excerpts(args.lessons), args.cache.as_deref())?;
    let plane = Projection::fit(
        &lessons.iter().map(|lesson| &lesson.embedding[..]).collect::<Vec<_>>(),
        args.dims,
    )?;
    eprintln!("{} dimensions hold {:.3} of the variance", args.dims, plane.kept);

    let mut student = Student::new(&distilled(&model, &corpus, &plane)?);
    let examples: Vec<Example> = lessons.iter().map(|lesson| example(lesson, &plane)).collect();
    student.learn(&examples, &args.settings, |epoch, distance| {
        eprintln!("epoch {epoch}: distance {distance:.4}, {:.0?}", start.elapsed());
    });
    student.carry_over();

    let bytes = encoded(&model.vocabulary(), &student.rows())?;
    fs::write(&args.out, &bytes).with_context(|| format!("writing {}", args.out.display()))?;
    println!("{}: {} bytes, {:.0?}", args.out.display(), bytes.len(), start.elapsed());
    let table = StaticTable::parse(&bytes)?;
    for set in &sets {
        let embed = |texts: &[String]| Ok(texts.iter().map(|text| table.embed_one(text)).collect());
        println!("table    {}", set.measure(embed)?);
    }
    Ok(())
}

/// Every word piece where the encoder puts it when it stands alone, as long as it is rare.
fn distilled(model: &Teacher, corpus: &Corpus, plane: &Projection) -> Result<Vec<Vec<f32>>> {
    let alone: Vec<Vec<u32>> =
        (0..).zip(model.vocabulary()).map(|(piece, _)| vec![piece]).collect();
    let paragraphs = corpus.paragraphs() as f32;
    let weighted = model
        .embed(&alone)?
        .iter()
        .zip(corpus.document_frequencies(alone.len()))
        .map(|(embedding, frequency)| {
            let rarity = ((paragraphs + 1.0) / (frequency as f32 + 1.0)).ln();
            plane.apply(embedding).into_iter().map(|value| value * rarity).collect()
        })
        .collect();
    Ok(weighted)
}

fn example(lesson: &Lesson, plane: &Projection) -> Example {
    Example::new(&lesson.text, plane.apply(&lesson.embedding))
}

/// The table of all pieces that a text can have, strongest components first.
fn encoded(vocabulary: &[&str], rows: &[Vec<f32>]) -> Result<Vec<u8>> {
    let kept: Vec<(&str, &[f32])> = vocabulary
        .iter()
        .zip(rows)
        .filter(|(piece, _)| !is_special(piece))
        .map(|(piece, row)| (*piece, row.as_slice()))
        .collect();
    let (pieces, rows): (Vec<&str>, Vec<&[f32]>) = kept.into_iter().unzip();
    let axes = Projection::fit(&rows, rows.first().map_or(0, |row| row.len()))?;
    let turned: Vec<Vec<f32>> = rows.iter().map(|row| axes.turn(row)).collect();
    Ok(StaticTable::encode(&pieces, &turned)?)
}

/// `[CLS]`, `[unused7]` and the like, which no text has; `[UNK]` marks what has no piece.
fn is_special(piece: &str) -> bool {
    let bracketed = piece.len() > 2 && piece.starts_with('[') && piece.ends_with(']');
    bracketed && piece != "[UNK]"
}

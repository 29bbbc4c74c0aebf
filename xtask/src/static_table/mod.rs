//! `static-table`: rebuilds the embedding table of `local/static` from a sentence encoder.

mod corpus;
mod evaluate;
mod lessons;
mod minilm;
mod principal;
mod train;

use std::{fs, path::PathBuf, time::Instant};

use anyhow::Result;
use clap::Args as ClapArgs;
use llm_local::{static_table::StaticTable, word_piece::WordPiece};

use corpus::Corpus;
use evaluate::RetrievalSet;
use minilm::MiniLm;
use principal::Projection;
use train::{Settings, Student, Task};

/// Rebuild the embedding table of local/static.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// The sentence encoder: a directory with config.json, vocab.txt and model.safetensors.
    #[arg(long)]
    model: PathBuf,
    /// Directories of .txt files to learn from, paragraphs separated by blank lines (repeatable).
    #[arg(long, num_args = 1..)]
    text: Vec<PathBuf>,
    /// The table to write.
    #[arg(long)]
    out: PathBuf,
    /// The length of an embedding.
    #[arg(long, default_value_t = 256)]
    dims: usize,
    /// Labelled retrieval sets to measure on, never to learn from (repeatable).
    #[arg(long, num_args = 1..)]
    evaluate: Vec<PathBuf>,
    /// How many paragraphs to learn from.
    #[arg(long, default_value_t = 80_000)]
    lessons: usize,
    /// A file that keeps the encoder's embeddings between runs.
    #[arg(long)]
    cache: Option<PathBuf>,
    /// Measure the encoder itself too.
    #[arg(long)]
    teacher: bool,
    /// Use only the lessons in the cache.
    #[arg(long)]
    cached_only: bool,
    #[command(flatten)]
    settings: Settings,
}

/// Runs the command.
pub fn run(args: Args) -> Result<()> {
    let start = Instant::now();
    let model = MiniLm::load(&args.model)?;
    let vocabulary = model.vocabulary();
    let words = WordPiece::new(vocabulary.iter().copied());
    let sets =
        args.evaluate.iter().map(|path| RetrievalSet::load(path)).collect::<Result<Vec<_>>>()?;
    let corpus = Corpus::load(&args.text, &words)?;
    eprintln!("{} paragraphs {:?}", corpus.paragraphs(), start.elapsed());
    let excerpts = corpus.excerpts(args.lessons);
    let lessons = lessons::teach(&model, excerpts, args.cache.as_deref(), args.cached_only)?;
    eprintln!("{} lessons {:?}", lessons.len(), start.elapsed());
    let frequencies = corpus.document_frequencies(vocabulary.len());
    let vectors = match std::fs::read("/tmp/st/pieces.cache") {
        Ok(b) => b
            .chunks_exact(4 * 384)
            .map(|r| {
                r.chunks_exact(4).map(|c| f32::from_le_bytes([c[0], c[1], c[2], c[3]])).collect()
            })
            .collect(),
        Err(_) => {
            let alone: Vec<Vec<u32>> =
                (0..vocabulary.len() as u32).map(|index| vec![index]).collect();
            let v = model.embed(&alone, |_| ());
            fs::write(
                "/tmp/st/pieces.cache",
                v.iter().flatten().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>(),
            )?;
            v
        }
    };
    let sentences: Vec<Vec<f32>> =
        lessons.iter().flat_map(|l| [l.paragraph.clone(), l.sentence.clone()]).collect();
    let projection = Projection::fit(&sentences, args.dims)?;
    eprintln!("kept {} {:?}", projection.kept, start.elapsed());
    let piece_projection = &projection;
    let count = corpus.paragraphs() as f32;
    let rows: Vec<Vec<f32>> = frequencies
        .iter()
        .zip(&vectors)
        .map(|(&frequency, vector): (_, &Vec<f32>)| {
            let idf = ((count + 1.0) / (frequency as f32 + 1.0)).ln();
            piece_projection.apply(vector).into_iter().map(|value| value * idf).collect()
        })
        .collect();
    let mut student = Student::new(&rows);
    report(&student.rows(), &words, &sets);
    let unit = |v: Vec<f32>| {
        let n = v.iter().map(|x| x * x).sum::<f32>().sqrt();
        v.into_iter().map(|x| x / n).collect::<Vec<f32>>()
    };
    let (taught, held) = lessons.split_at(lessons.len() - 1000);
    let tasks: Vec<Task<'_>> = taught
        .iter()
        .map(|lesson| Task {
            lesson,
            paragraph: unit(projection.apply(&lesson.paragraph)),
            sentence: unit(projection.apply(&lesson.sentence)),
        })
        .collect();
    let mrr = |p: &[Vec<f32>], s: &[Vec<f32>]| {
        s.iter()
            .enumerate()
            .map(|(i, s)| {
                let d = |a: &[f32]| a.iter().zip(s).map(|(x, y)| x * y).sum::<f32>();
                let own = d(&p[i]);
                1.0 / (1.0 + p.iter().filter(|q| d(q) > own).count() as f32)
            })
            .sum::<f32>()
            / s.len() as f32
    };
    eprintln!(
        "teacher held mrr {}",
        mrr(
            &held.iter().map(|l| l.paragraph.clone()).collect::<Vec<_>>(),
            &held.iter().map(|l| l.sentence.clone()).collect::<Vec<_>>()
        )
    );
    student.learn(&tasks, &args.settings, |epoch, loss, student| {
        let p: Vec<_> = held.iter().map(|l| student.place(&l.excerpt.paragraph)).collect();
        let s: Vec<_> = held.iter().map(|l| student.place(&l.excerpt.sentence)).collect();
        eprintln!("epoch {epoch} loss {loss:.4} held {:.4} {:.0?}", mrr(&p, &s), start.elapsed());
        if epoch % 2 == 1 {
            report(&student.rows(), &words, &sets);
        }
    });
    let rows = student.rows();
    let kept: Vec<usize> = (0..vocabulary.len())
        .filter(|&index| {
            let piece = vocabulary[index];
            piece == "[UNK]" || !(piece.starts_with('[') && piece.ends_with(']') && piece.len() > 2)
        })
        .collect();
    let pieces: Vec<&str> = kept.iter().map(|&index| vocabulary[index]).collect();
    let kept_rows: Vec<Vec<f32>> = kept.iter().map(|&index| rows[index].clone()).collect();
    let bytes = StaticTable::encode(&pieces, &kept_rows)?;
    eprintln!("{} bytes", bytes.len());
    fs::write(&args.out, &bytes)?;
    let table = StaticTable::parse(&bytes)?;
    for set in &sets {
        let embed =
            |texts: &[String]| table.embed(&texts.iter().map(String::as_str).collect::<Vec<_>>());
        let quality = set.quality(&embed(&set.documents), &embed(&set.questions));
        eprintln!("{quality:?} {:?}", start.elapsed());
    }
    Ok(())
}

fn report(rows: &[Vec<f32>], words: &WordPiece<'_>, sets: &[RetrievalSet]) {
    let student = Student::new(rows);
    let unk = words.unknown().unwrap_or(0);
    for set in sets {
        let embed = |texts: &[String]| -> Vec<Vec<f32>> {
            texts
                .iter()
                .map(|t| {
                    let mut p = words.split(t);
                    p.retain(|&x| x != unk);
                    student.place(&p)
                })
                .collect()
        };
        let q = set.quality(&embed(&set.documents), &embed(&set.questions));
        eprint!("  {:.3} ({:.3})", q.ndcg_at_10, q.recall_at_5);
    }
    eprintln!();
}

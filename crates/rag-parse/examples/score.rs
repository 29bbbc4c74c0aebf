//! Scores the parsers on a folder of documents with a `MANIFEST.csv` (columns `file`, `category`, `expectation`,
//! `expected_file`, `poppler_reference`, `must_contain`):
//!
//! ```text
//! cargo run --release -p rag-parse --example score -- DIR [CATEGORY…]
//! ```
//!
//! Per file: words found of those expected (F1 over words, F1 over runs of three words, which feels the order), blocks,
//! chunks and milliseconds; per category the means. It is its own parse worker.

use std::collections::HashMap;
use std::error::Error;
use std::path::Path;
use std::time::Instant;

use rag_core::{
    BlockKind, ChunkingOptions, DocumentChunker, DocumentParser, ParseRequest, ParsedDocument,
};
use rag_parse::isolated::{IsolatedParser, worker_main};
use rag_parse::{ParseLimits, StructuralChunker};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|arg| arg == "parse-worker") {
        return Ok(worker_main(std::io::stdin().lock(), std::io::stdout())?);
    }
    let Some((folder, categories)) = args.split_first() else {
        return Err("usage: score DIR [CATEGORY…]".into());
    };
    let folder = Path::new(folder);
    let manifest = std::fs::read_to_string(folder.join("MANIFEST.csv"))?;
    let parser =
        IsolatedParser::new(std::env::current_exe()?, ["parse-worker"], ParseLimits::default());
    let mut sums: Vec<(String, Sum)> = Vec::new();
    for row in rows(&manifest) {
        let category = &row["category"];
        if !categories.is_empty() && !categories.contains(category) {
            continue;
        }
        let score = score(&parser, folder, &row)?;
        match sums.iter_mut().find(|(name, _)| name == category) {
            Some((_, sum)) => sum.add(&score),
            None => {
                let mut sum = Sum::default();
                sum.add(&score);
                sums.push((category.clone(), sum));
            }
        }
    }
    println!();
    for (category, sum) in &sums {
        println!("{category:18} {sum}");
    }
    Ok(())
}

struct Score {
    words: Option<f64>,
    order: Option<f64>,
    seconds: f64,
    failed: bool,
}

fn score(
    parser: &IsolatedParser,
    folder: &Path,
    row: &HashMap<String, String>,
) -> Result<Score, Box<dyn Error>> {
    let name = &row["file"];
    let bytes = std::fs::read(folder.join(name))?;
    let started = Instant::now();
    let parsed = parser.parse(&ParseRequest::new(name, &bytes));
    let seconds = started.elapsed().as_secs_f64();
    let expected = [&row["expected_file"], &row["poppler_reference"]]
        .into_iter()
        .find(|name| !name.is_empty())
        .map(|name| std::fs::read(folder.join(name)).map(|bytes| visible_text(name, &bytes)))
        .transpose()?;
    let summary = match &parsed {
        Ok(parsed) => summary(parsed),
        Err(error) => format!("{:?}: {}", error.kind, error.reason),
    };
    let found = words(parsed.as_ref().map_or("", |parsed| &parsed.text));
    let expects_text = !matches!(
        row["expectation"].as_str(),
        "error" | "password" | "password-unknown" | "needs-ocr"
    );
    let scores = expected.filter(|_| expects_text).map(|text| {
        let expected = words(&text);
        (f1(&found, &expected), f1(&triples(&found), &triples(&expected)))
    });
    let (words, order) = (scores.map(|s| s.0), scores.map(|s| s.1));
    let cell = |score: Option<f64>| score.map_or("    ".to_owned(), |score| format!("{score:.2}"));
    println!(
        "{name:55} {:14} {} {} {:7.1} ms  {summary}",
        row["expectation"],
        cell(words),
        cell(order),
        seconds * 1e3
    );
    Ok(Score { words, order, seconds, failed: parsed.is_err() })
}

fn summary(parsed: &ParsedDocument) -> String {
    let count = |test: fn(&BlockKind) -> bool| {
        parsed.blocks.iter().filter(|block| test(&block.kind)).count()
    };
    let headings = count(|kind| matches!(kind, BlockKind::Heading { .. }));
    let tables = count(|kind| matches!(kind, BlockKind::Table));
    let (dataset, document) = ("set".parse().expect("an id"), "doc".parse().expect("an id"));
    let chunks = StructuralChunker::default().chunk(
        &dataset,
        &document,
        parsed,
        &ChunkingOptions::default(),
    );
    format!(
        "{} blocks, {headings} headings, {tables} tables, {} chunks, {} pages",
        parsed.blocks.len(),
        chunks.len(),
        parsed.pages
    )
}

/// Ground truths in HTML count by their text.
fn visible_text(name: &str, bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes).into_owned();
    if !name.ends_with(".html") {
        return text;
    }
    let mut visible = String::new();
    let mut in_tag = false;
    for c in text.chars() {
        match c {
            '<' => in_tag = true,
            '>' if in_tag => {
                in_tag = false;
                visible.push(' ');
            }
            c if !in_tag => visible.push(c),
            _ => {}
        }
    }
    visible.replace("&nbsp;", " ").replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">")
}

/// Words without Markdown's marks and the targets of its links.
fn words(text: &str) -> Vec<String> {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("](") {
        plain.push_str(before);
        plain.push(' ');
        rest = after.split_once(')').map_or(after, |(_, after)| after);
    }
    plain.push_str(rest);
    let words = plain.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

fn triples(words: &[String]) -> Vec<String> {
    match words.len() {
        0 => Vec::new(),
        1 | 2 => vec![words.join(" ")],
        _ => words.windows(3).map(|triple| triple.join(" ")).collect(),
    }
}

fn f1(found: &[String], expected: &[String]) -> f64 {
    let mut counts: HashMap<&str, i64> = HashMap::new();
    expected.iter().for_each(|word| *counts.entry(word).or_default() += 1);
    let mut common = 0;
    for word in found {
        if let Some(count) = counts.get_mut(word.as_str()).filter(|count| **count > 0) {
            *count -= 1;
            common += 1;
        }
    }
    match found.len() + expected.len() {
        0 => 1.0,
        total => 2.0 * f64::from(common) / total as f64,
    }
}

#[derive(Default)]
struct Sum {
    files: usize,
    failed: usize,
    words: Vec<f64>,
    order: Vec<f64>,
    seconds: f64,
}

impl Sum {
    fn add(&mut self, score: &Score) {
        self.files += 1;
        self.failed += usize::from(score.failed);
        self.words.extend(score.words);
        self.order.extend(score.order);
        self.seconds += score.seconds;
    }
}

impl std::fmt::Display for Sum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mean = |scores: &[f64]| scores.iter().sum::<f64>() / scores.len().max(1) as f64;
        write!(
            f,
            "{:4} files, {:3} refused, {:3} scored: words {:.3}, order {:.3}; {:.2} s",
            self.files,
            self.failed,
            self.words.len(),
            mean(&self.words),
            mean(&self.order),
            self.seconds
        )
    }
}

/// The rows of a CSV text by the names of its first row.
fn rows(text: &str) -> Vec<HashMap<String, String>> {
    let mut records = records(text).into_iter();
    let header = records.next().unwrap_or_default();
    records.map(|record| header.iter().cloned().zip(record).collect()).collect()
}

fn records(text: &str) -> Vec<Vec<String>> {
    let (mut records, mut record, mut field) = (Vec::new(), Vec::new(), String::new());
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => field.extend(chars.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => record.push(std::mem::take(&mut field)),
            '\n' if !quoted => {
                record.push(std::mem::take(&mut field).trim_end_matches('\r').to_owned());
                records.push(std::mem::take(&mut record));
            }
            c => field.push(c),
        }
    }
    records
}

//! `cargo xtask eval parsing`: whether files are read as expected, and how close their text is to what people or other
//! readers made of them.
//!
//! Files are read as the server reads them: the formats that can bring a parser down in a process of their own, which
//! is this program started again.

mod manifest;
mod score;
mod verdict;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use rag_core::{DocumentParser, ParseError, ParseErrorKind, ParseRequest, ParsedDocument};
use rag_parse::ParseLimits;
use rag_parse::isolated::IsolatedParser;
use serde::Serialize;

use self::manifest::Entry;
use self::score::Score;

/// Where the documents are when no folder is named.
const USUAL_PLACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/documents");

/// The hidden subcommand that serves as a parse worker.
pub(crate) const WORKER: &str = "parse-worker";

/// What to read, and how to print it.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A folder with a MANIFEST.csv [default: the shared documents beside the workspace]
    directory: Option<PathBuf>,
    /// Only these categories of the manifest
    #[arg(long)]
    only: Vec<String>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    /// A row for each file as well
    #[arg(long)]
    verbose: bool,
}

/// How one file went.
#[derive(Serialize)]
struct FileRow<'a> {
    file: &'a str,
    expectation: &'a str,
    /// Why it is not as expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    unexpected: Option<String>,
    /// Why it was not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    unreadable: Option<String>,
    #[serde(skip)]
    kind: Option<ParseErrorKind>,
    /// Against the ground truth.
    #[serde(skip_serializing_if = "Option::is_none")]
    truth: Option<Score>,
    /// Against what poppler reads.
    #[serde(skip_serializing_if = "Option::is_none")]
    poppler: Option<Score>,
    blocks: usize,
    seconds: f64,
}

/// How the files of a category went.
#[derive(Default, Serialize)]
struct FormatRow {
    format: String,
    files: usize,
    as_expected: usize,
    /// Files with a ground truth, and their mean score.
    with_truth: usize,
    truth: Option<Score>,
    /// Files with a text by poppler, and their mean score.
    with_poppler: usize,
    poppler: Option<Score>,
    seconds: f64,
    crashes: usize,
    hangs: usize,
}

/// Reads every file of the manifest, prints a row for each format, then every file that could not be read, with the
/// reason.
///
/// # Errors
/// When a file brought a parser down or took longer than allowed.
pub(crate) fn run(args: &Args) -> Result<()> {
    let directory = args.directory.as_deref().unwrap_or(Path::new(USUAL_PLACE));
    let entries = manifest::load(directory)?;
    let wanted = |entry: &&Entry| args.only.is_empty() || args.only.contains(&entry.category);
    let entries: Vec<&Entry> = entries.iter().filter(wanted).collect();
    let program = std::env::current_exe().context("the path of this program")?;
    let parser = IsolatedParser::new(program, [WORKER], ParseLimits::default());

    let mut files = Vec::with_capacity(entries.len());
    for entry in &entries {
        let row = measure(&parser, directory, entry)?;
        if args.verbose {
            print_file(&row, args.json)?;
        }
        files.push(row);
    }
    let formats = formats(&entries, &files);
    match args.json {
        true => print_json(&formats, &files, args.verbose)?,
        false => print_table(&formats, &files),
    }
    let failed: usize = formats.iter().map(|row| row.crashes + row.hangs).sum();
    ensure!(failed == 0, "{failed} files brought a parser down or took too long");
    Ok(())
}

fn measure<'a>(parser: &IsolatedParser, directory: &Path, entry: &'a Entry) -> Result<FileRow<'a>> {
    let bytes = manifest::read(directory, &entry.file)?;
    let began = Instant::now();
    let outcome = parser.parse(&ParseRequest::new(&entry.file, &bytes));
    let seconds = began.elapsed().as_secs_f64();

    let score = |reference: &str| -> Result<Option<Score>> {
        if reference.is_empty() || !verdict::is_scored(entry, &outcome) {
            return Ok(None);
        }
        let reference_text = manifest::read_text(directory, reference)?;
        Ok(Some(Score::of(text(&outcome), &reference_text)))
    };
    let (truth, poppler) = (score(&entry.expected_file)?, score(&entry.poppler_reference)?);
    let exact = match &*entry.expectation {
        "exact-text" => Some(manifest::read_exactly(directory, &entry.expected_file)?),
        _ => None,
    };
    Ok(FileRow {
        file: &entry.file,
        expectation: &entry.expectation,
        unexpected: verdict::unexpected(entry, &outcome, exact.as_deref(), truth),
        unreadable: outcome.as_ref().err().map(|error| format!("{:?}: {error}", error.kind)),
        kind: outcome.as_ref().err().map(|error| error.kind),
        truth,
        poppler,
        blocks: outcome.as_ref().map_or(0, |parsed| parsed.blocks.len()),
        seconds,
    })
}

fn text(outcome: &Result<ParsedDocument, ParseError>) -> &str {
    outcome.as_ref().map_or("", |parsed| &parsed.text)
}

/// One row per category, in the manifest's order.
fn formats(entries: &[&Entry], files: &[FileRow<'_>]) -> Vec<FormatRow> {
    let mut formats: Vec<FormatRow> = Vec::new();
    for (entry, file) in entries.iter().zip(files) {
        let place = formats.iter().position(|row| row.format == entry.category);
        let place = place.unwrap_or_else(|| {
            formats.push(FormatRow { format: entry.category.clone(), ..FormatRow::default() });
            formats.len() - 1
        });
        formats[place].add(file);
    }
    formats
}

impl FormatRow {
    fn add(&mut self, file: &FileRow<'_>) {
        self.files += 1;
        self.as_expected += usize::from(file.unexpected.is_none());
        self.seconds += file.seconds;
        self.crashes += usize::from(file.kind == Some(ParseErrorKind::Crashed));
        self.hangs += usize::from(file.kind == Some(ParseErrorKind::Timeout));
        score::add_to_mean(&mut self.truth, &mut self.with_truth, file.truth);
        score::add_to_mean(&mut self.poppler, &mut self.with_poppler, file.poppler);
    }
}

fn print_file(row: &FileRow<'_>, json: bool) -> Result<()> {
    if json {
        println!("{}", serde_json::to_string(row)?);
        return Ok(());
    }
    let remark = match (&row.unexpected, &row.unreadable) {
        (Some(unexpected), _) => format!("NOT AS EXPECTED: {unexpected}"),
        (None, Some(unreadable)) => unreadable.clone(),
        (None, None) => format!("{} blocks", row.blocks),
    };
    println!(
        "{:56} {:18} {} {} {:8.1} ms  {remark}",
        row.file,
        row.expectation,
        cells(row.truth),
        cells(row.poppler),
        row.seconds * 1e3
    );
    Ok(())
}

fn print_json(formats: &[FormatRow], files: &[FileRow<'_>], printed: bool) -> Result<()> {
    for row in formats {
        println!("{}", serde_json::to_string(row)?);
    }
    let noteworthy = |row: &&FileRow<'_>| row.unreadable.is_some() || row.unexpected.is_some();
    for row in files.iter().filter(noteworthy).filter(|_| !printed) {
        println!("{}", serde_json::to_string(row)?);
    }
    Ok(())
}

fn print_table(formats: &[FormatRow], files: &[FileRow<'_>]) {
    println!(
        "{:18} {:>5} {:>8}  {:>5} {:>5} {:>5}  {:>7} {:>5} {:>5} {:>8} {:>7} {:>5}",
        "format",
        "files",
        "expected",
        "truth",
        "words",
        "order",
        "poppler",
        "words",
        "order",
        "seconds",
        "crashes",
        "hangs"
    );
    for row in formats {
        println!(
            "{:18} {:5} {:8}  {:5} {}  {:7} {} {:8.2} {:7} {:5}",
            row.format,
            row.files,
            row.as_expected,
            row.with_truth,
            cells(row.truth),
            row.with_poppler,
            cells(row.poppler),
            row.seconds,
            row.crashes,
            row.hangs
        );
    }
    let (files_total, as_expected) = formats
        .iter()
        .fold((0, 0), |(files, expected), row| (files + row.files, expected + row.as_expected));
    println!("\n{as_expected} of {files_total} files as expected");
    print_list("not as expected", files, |row| row.unexpected.clone());
    print_list("could not be read", files, |row| row.unreadable.clone());
}

fn print_list(title: &str, files: &[FileRow<'_>], reason: impl Fn(&FileRow<'_>) -> Option<String>) {
    let rows = files.iter().filter_map(|row| Some((row, reason(row)?)));
    let lines: Vec<String> = rows
        .map(|(row, reason)| format!("  {} ({}): {reason}", row.file, row.expectation))
        .collect();
    if !lines.is_empty() {
        println!("\n{} {title}:\n{}", lines.len(), lines.join("\n"));
    }
}

fn cells(score: Option<Score>) -> String {
    match score {
        Some(Score { words, order }) => format!("{words:5.3} {order:5.3}"),
        None => format!("{:5} {:5}", "", ""),
    }
}

//! Pages to ingest: many words of their own, in the shape of documentation.

use std::fmt::Write;
use std::path::Path;

use anyhow::Result;

/// Writes so many pages into a folder. Bytes of all of them.
pub(super) fn write(folder: &Path, pages: usize) -> Result<u64> {
    let mut bytes = 0;
    for number in 0..pages {
        let text = page(number)?;
        bytes += text.len() as u64;
        std::fs::write(folder.join(format!("{number:06}.md")), text)?;
    }
    Ok(bytes)
}

/// A page of eight sections, about 1,400 words.
fn page(number: usize) -> Result<String, std::fmt::Error> {
    let mut text = format!("# Page {number}\n\n");
    let mut state = number as u64 + 1;
    for section in 0..8 {
        writeln!(text, "## Section {section} of page {number}\n")?;
        for _ in 0..180 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            write!(text, "{} ", WORDS[(state >> 33) as usize % WORDS.len()])?;
            if (state >> 40).is_multiple_of(11) {
                write!(text, "no. {}. Then ", state >> 50)?;
            }
        }
        text.push_str("\n\n");
    }
    Ok(text)
}

/// A question that some of the pages answer.
pub(super) fn question(number: usize) -> String {
    let word = |step: usize| WORDS[(number * step + step) % WORDS.len()];
    format!("Which {} has a {} and the {}?", word(3), word(7), word(11))
}

const WORDS: [&str; 48] = [
    "server",
    "cache",
    "index",
    "query",
    "token",
    "stream",
    "worker",
    "queue",
    "lease",
    "budget",
    "vector",
    "chunk",
    "document",
    "dataset",
    "model",
    "provider",
    "request",
    "answer",
    "timeout",
    "retry",
    "limit",
    "quota",
    "tenant",
    "key",
    "secret",
    "address",
    "socket",
    "thread",
    "pool",
    "buffer",
    "segment",
    "record",
    "schema",
    "column",
    "filter",
    "score",
    "weight",
    "threshold",
    "heading",
    "table",
    "figure",
    "page",
    "margin",
    "border",
    "kettle",
    "harbour",
    "meadow",
    "lantern",
];

//! What a folder of documents says of itself: `MANIFEST.csv`.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Deserializer, de::Error};

/// A file and what is to be expected of it.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Entry {
    /// Its path below the folder.
    pub(super) file: String,
    pub(super) category: String,
    /// See [`unexpected`](super::verdict::unexpected).
    pub(super) expectation: String,
    /// A ground truth: Markdown, text or HTML. May be empty.
    #[serde(default)]
    pub(super) expected_file: String,
    /// What poppler's `pdftotext` makes of it. May be empty.
    #[serde(default)]
    pub(super) poppler_reference: String,
    /// Strings that the text holds; a JSON list in the file.
    #[serde(default, deserialize_with = "json_list")]
    pub(super) must_contain: Vec<String>,
    /// Strings that the text must not hold.
    #[serde(default, deserialize_with = "json_list")]
    pub(super) must_not_contain: Vec<String>,
}

fn json_list<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let text = String::deserialize(from)?;
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    serde_json::from_str(&text).map_err(D::Error::custom)
}

pub(super) fn load(directory: &Path) -> Result<Vec<Entry>> {
    let path = directory.join("MANIFEST.csv");
    let mut reader =
        csv::Reader::from_path(&path).with_context(|| format!("reading {}", path.display()))?;
    reader
        .deserialize()
        .enumerate()
        .map(|(row, entry)| entry.with_context(|| format!("row {} of {}", row + 1, path.display())))
        .collect()
}

pub(super) fn read(directory: &Path, file: &str) -> Result<Vec<u8>> {
    fs::read(directory.join(file)).with_context(|| format!("reading {file}"))
}

pub(super) fn read_exactly(directory: &Path, file: &str) -> Result<String> {
    let bytes = read(directory, file)?;
    String::from_utf8(bytes).with_context(|| format!("{file} is not UTF-8"))
}

/// A reference's text: without the tags of HTML, and without the comments of Markdown.
pub(super) fn read_text(directory: &Path, file: &str) -> Result<String> {
    let text = String::from_utf8_lossy(&read(directory, file)?).into_owned();
    Ok(if file.ends_with(".html") { without_tags(&text) } else { without_comments(&text) })
}

/// `<!-- image -->` stands where another reader saw a picture.
fn without_comments(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("<!--") {
        plain.push_str(before);
        rest = after.split_once("-->").map_or("", |(_, after)| after);
    }
    plain.push_str(rest);
    plain
}

fn without_tags(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut in_tag = false;
    for c in text.chars() {
        match c {
            '<' => in_tag = true,
            '>' if in_tag => {
                in_tag = false;
                plain.push(' ');
            }
            c if !in_tag => plain.push(c),
            _ => {}
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_count_by_what_people_see() {
        assert_eq!(without_comments("a <!-- image --> b <!-- open"), "a  b ");
        assert_eq!(without_tags("<p class='x'>a</p>b"), " a b");
    }
}

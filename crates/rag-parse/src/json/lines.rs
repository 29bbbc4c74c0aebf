//! JSON lines: a record on each line.

use rag_core::{ParseError, ParseErrorKind, ParsedDocument};
use serde_json::value::RawValue;

use super::writer::Writer;
use crate::ParseLimits;

/// Reads a file of one JSON value per line: a table if they are alike, else a block of lines `path: value` for each.
///
/// # Errors
/// `Damaged` if more lines are broken than whole; fewer are left out with a warning. `TooLarge`.
pub(crate) fn parse(bytes: &[u8], limits: &ParseLimits) -> Result<ParsedDocument, ParseError> {
    let text = super::decode(bytes)?;
    // Some files are named so, and are one value over many lines.
    let is_one = text.lines().find(|line| !line.trim().is_empty()).is_some_and(|line| {
        serde_json::from_str::<&RawValue>(line).is_err()
            && serde_json::from_str::<&RawValue>(&text).is_ok()
    });
    if is_one { super::parse(bytes, limits) } else { parse_text(&text, limits) }
}

pub(super) fn parse_text(text: &str, limits: &ParseLimits) -> Result<ParsedDocument, ParseError> {
    let mut writer = Writer::new(limits.output_bytes);
    let (mut records, mut broken, mut first_broken) = (Vec::new(), 0, None);
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        match serde_json::from_str::<&RawValue>(line) {
            Ok(record) => records.push(record),
            Err(error) => {
                broken += 1;
                first_broken.get_or_insert((number + 1, error));
            }
        }
    }
    if let Some((line, error)) = first_broken {
        let column = error.column();
        if broken > records.len() {
            let reason = format!("the file is not valid JSON at line {line} column {column}");
            return Err(ParseError::new(ParseErrorKind::Damaged, reason));
        }
        let lines = records.len() + broken;
        let first = format!("the first is line {line}, at column {column}");
        writer.warn(format!("{broken} of {lines} lines are left out as not valid JSON; {first}"));
    }
    writer.records(&records);
    writer.finish()
}

/// Whether a text is two or more lines, each of them an object.
pub(super) fn is_objects(text: &str) -> bool {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty()).peekable();
    let is_object = |line: &str| {
        line.trim_start().starts_with('{') && serde_json::from_str::<&RawValue>(line).is_ok()
    };
    lines.next().is_some_and(is_object) && lines.peek().is_some() && lines.all(is_object)
}

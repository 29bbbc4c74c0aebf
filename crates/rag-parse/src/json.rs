//! JSON: data as text that people can read, with the path of every value.

mod lines;
mod notebook;
mod value;
mod writer;

use rag_core::{ParseError, ParseErrorKind, ParsedDocument};
use serde_json::value::RawValue;

pub(crate) use self::lines::parse as parse_lines;

use self::writer::Writer;
use crate::ParseLimits;
use crate::encoding;

/// Reads a JSON text, or a notebook of Jupyter. Small values are lines `key: value`; what holds more has a heading of
/// its key; lists of objects that are alike are tables.
///
/// # Errors
/// `Damaged` with line and column for what RFC 8259 does not allow; a file of one object per line is taken for what it
/// is. `TooLarge`.
pub(crate) fn parse(bytes: &[u8], limits: &ParseLimits) -> Result<ParsedDocument, ParseError> {
    let text = decode(bytes)?;
    let root = match serde_json::from_str::<&RawValue>(&text) {
        Ok(root) => root,
        Err(_) if lines::is_objects(&text) => return lines::parse_text(&text, limits),
        Err(error) => return Err(damaged(&error)),
    };
    if let Some(notebook) = notebook::open(root) {
        return notebook.into_document(limits);
    }
    let mut writer = Writer::new(limits.output_bytes);
    writer.document(root);
    writer.finish()
}

fn damaged(error: &serde_json::Error) -> ParseError {
    ParseError::new(ParseErrorKind::Damaged, format!("the file is not valid JSON: {error}"))
}

/// JSON is UTF-8. Some programs write UTF-16, which cannot be mistaken.
fn decode(bytes: &[u8]) -> Result<String, ParseError> {
    let unmarked = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let error = match std::str::from_utf8(unmarked) {
        Ok(text) => return Ok(text.to_owned()),
        Err(error) => error,
    };
    let decoded = encoding::decode(bytes, None);
    if decoded.encoding.starts_with("UTF-16") || decoded.encoding == "UTF-32" {
        return Ok(decoded.text);
    }
    let good = unmarked.get(..error.valid_up_to()).unwrap_or_default();
    let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
    let reason = format!("the file is not valid JSON: line {line} is not UTF-8");
    Err(ParseError::new(ParseErrorKind::Damaged, reason))
}

#[cfg(test)]
mod tests;

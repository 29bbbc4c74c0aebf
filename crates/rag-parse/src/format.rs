//! Which format a file is of. Its content decides; its name is a hint.

use rag_core::{ParseError, ParseErrorKind};

use crate::encoding::{self, Decoded};
use crate::spreadsheet::SpreadsheetFormat;
use crate::{archive, code, image, mail};

/// A format that is read here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Pdf,
    Html,
    Markdown,
    Delimited,
    Json,
    JsonLines,
    Spreadsheet(SpreadsheetFormat),
    Subtitles,
    Docx,
    Pptx,
    /// A text or presentation of OpenDocument.
    OpenDocument,
    Epub,
    Rtf,
    Mail,
    Xml,
    /// Of this media type.
    Image(&'static str),
    /// Of this language.
    Code(&'static str),
    Text,
}

/// File name endings and the format that they hint at.
const ENDINGS: [(&str, Format); 54] = [
    ("pdf", Format::Pdf),
    ("html", Format::Html),
    ("htm", Format::Html),
    ("xhtml", Format::Html),
    ("md", Format::Markdown),
    ("markdown", Format::Markdown),
    ("mdown", Format::Markdown),
    ("mkd", Format::Markdown),
    ("csv", Format::Delimited),
    ("tsv", Format::Delimited),
    ("tab", Format::Delimited),
    ("psv", Format::Delimited),
    ("json", Format::Json),
    ("geojson", Format::Json),
    ("jsonld", Format::Json),
    ("ipynb", Format::Json),
    ("jsonl", Format::JsonLines),
    ("ndjson", Format::JsonLines),
    ("xlsx", Format::Spreadsheet(SpreadsheetFormat::Xlsx)),
    ("xlsm", Format::Spreadsheet(SpreadsheetFormat::Xlsx)),
    ("xltx", Format::Spreadsheet(SpreadsheetFormat::Xlsx)),
    ("xlsb", Format::Spreadsheet(SpreadsheetFormat::Xlsb)),
    ("xls", Format::Spreadsheet(SpreadsheetFormat::Xls)),
    ("ods", Format::Spreadsheet(SpreadsheetFormat::Ods)),
    ("ots", Format::Spreadsheet(SpreadsheetFormat::Ods)),
    ("vtt", Format::Subtitles),
    ("srt", Format::Subtitles),
    ("docx", Format::Docx),
    ("docm", Format::Docx),
    ("dotx", Format::Docx),
    ("pptx", Format::Pptx),
    ("pptm", Format::Pptx),
    ("ppsx", Format::Pptx),
    ("potx", Format::Pptx),
    ("odt", Format::OpenDocument),
    ("ott", Format::OpenDocument),
    ("odp", Format::OpenDocument),
    ("otp", Format::OpenDocument),
    ("epub", Format::Epub),
    ("rtf", Format::Rtf),
    ("eml", Format::Mail),
    ("mht", Format::Mail),
    ("mhtml", Format::Mail),
    ("xml", Format::Xml),
    ("rss", Format::Xml),
    ("atom", Format::Xml),
    ("nxml", Format::Xml),
    ("dbk", Format::Xml),
    ("dita", Format::Xml),
    ("txt", Format::Text),
    ("text", Format::Text),
    ("rst", Format::Text),
    ("log", Format::Text),
    ("asc", Format::Text),
];

/// Names without an ending that are known to hold text for people.
const BARE_NAMES: [&str; 10] = [
    "readme",
    "changelog",
    "changes",
    "news",
    "contributing",
    "authors",
    "license",
    "copying",
    "notice",
    "install",
];

/// Names without an ending that are known to hold code.
const CODE_NAMES: [&str; 2] = ["dockerfile", "makefile"];

/// What the name says, if it says anything.
pub(crate) fn by_name(name: &str) -> Option<Format> {
    let file = name.rsplit(['/', '\\']).next().unwrap_or(name).to_lowercase();
    match file.rsplit_once('.') {
        Some((_, ending)) => {
            let known = ENDINGS.iter().find(|(known, _)| *known == ending);
            known.map(|(_, format)| *format).or_else(|| code::language(ending).map(Format::Code))
        }
        None if BARE_NAMES.contains(&file.as_str()) => Some(Format::Markdown),
        None if CODE_NAMES.contains(&file.as_str()) => code::language(&file).map(Format::Code),
        None => None,
    }
}

/// What the file is, by its content first.
///
/// # Errors
/// `Empty`, or `Unsupported` with the name of the format where it is known.
pub(crate) fn of_file(name: &str, bytes: &[u8]) -> Result<Format, ParseError> {
    if bytes.is_empty() {
        return Err(ParseError::new(ParseErrorKind::Empty, "the file is empty"));
    }
    let hint = by_name(name);
    if is_pdf(bytes, hint) {
        return Ok(Format::Pdf);
    }
    if is_encrypted_package(bytes) {
        let reason = "the file needs a password; save it without one";
        return Err(ParseError::new(ParseErrorKind::Encrypted, reason));
    }
    if let Some(format) = packed(bytes) {
        return Ok(format);
    }
    if let Some(format) = SpreadsheetFormat::of_file(bytes) {
        return Ok(Format::Spreadsheet(format));
    }
    if bytes.starts_with(b"{\\rtf") {
        return Ok(Format::Rtf);
    }
    if let Some(media_type) = image::media_type(bytes) {
        return Ok(Format::Image(media_type));
    }
    let start = bytes.get(..START).unwrap_or(bytes);
    let decoded = encoding::decode(start, None);
    if !is_text(&decoded) && !matches!(hint, Some(Format::Json | Format::JsonLines)) {
        return Err(unsupported(start, hint));
    }
    if hint == Some(Format::Mail) || hint.is_none() && mail::is_mail(&decoded.text) {
        return Ok(Format::Mail);
    }
    match hint {
        Some(Format::Pdf) if is_html(&decoded.text) => Ok(Format::Html),
        Some(Format::Pdf) => Err(ParseError::new(
            ParseErrorKind::Damaged,
            "the file is named as a PDF but has no PDF header",
        )),
        Some(hint @ (Format::Markdown | Format::Json | Format::JsonLines | Format::Code(_))) => {
            Ok(hint)
        }
        _ if is_html(&decoded.text) => Ok(Format::Html),
        // Programs export text under the names of spreadsheets, since those open it.
        Some(Format::Spreadsheet(_)) => Ok(Format::Delimited),
        hint => Ok(hint.unwrap_or(Format::Text)),
    }
}

/// How much of a file tells its format.
const START: usize = 8 << 10;

/// Readers take a header within the first KiB; that is believed for files named so, since text may speak of PDF.
fn is_pdf(bytes: &[u8], hint: Option<Format>) -> bool {
    const HEADER: &[u8] = b"%PDF-";
    let first_kib = bytes.get(..1024).unwrap_or(bytes);
    first_kib.trim_ascii_start().starts_with(HEADER)
        || (hint == Some(Format::Pdf)
            && first_kib.windows(HEADER.len()).any(|window| window == HEADER))
}

/// The format of a document that is packed in an archive, by the names of its parts.
fn packed(bytes: &[u8]) -> Option<Format> {
    const PARTS: [(&str, Format); 3] = [
        ("word/document", Format::Docx),
        ("ppt/presentation", Format::Pptx),
        ("META-INF/container.xml", Format::Epub),
    ];
    // The first part of an OpenDocument file is its media type, unpacked.
    const OPEN_DOCUMENTS: [&[u8]; 2] = [
        b"mimetypeapplication/vnd.oasis.opendocument.text",
        b"mimetypeapplication/vnd.oasis.opendocument.presentation",
    ];
    if !bytes.starts_with(b"PK\x03\x04") {
        return None;
    }
    let start = bytes.get(..256).unwrap_or(bytes);
    if OPEN_DOCUMENTS.iter().any(|name| memchr::memmem::find(start, name).is_some()) {
        return Some(Format::OpenDocument);
    }
    let named = |name: &&(&str, Format)| archive::holds_part(bytes, name.0);
    PARTS.iter().find(named).map(|(_, format)| *format)
}

/// Office documents with a password are a stream of this name in an OLE file.
fn is_encrypted_package(bytes: &[u8]) -> bool {
    let name: Vec<u8> = "EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes).collect();
    bytes.starts_with(&[0xd0, 0xcf, 0x11, 0xe0]) && memchr::memmem::find(bytes, &name).is_some()
}

fn is_html(text: &str) -> bool {
    let mut start = text.trim_start();
    // Declarations and comments may come first.
    while let Some(rest) = start
        .strip_prefix("<!--")
        .and_then(|rest| rest.split_once("-->"))
        .or_else(|| start.strip_prefix("<?xml").and_then(|rest| rest.split_once("?>")))
    {
        start = rest.1.trim_start();
    }
    let tag: String = start.chars().take(14).collect::<String>().to_ascii_lowercase();
    ["<!doctype html", "<html", "<head", "<body"].iter().any(|known| tag.starts_with(known))
}

/// Text has next to no control characters and next to nothing that does not decode.
fn is_text(decoded: &Decoded) -> bool {
    let (mut total, mut strange) = (0_usize, 0_usize);
    for c in decoded.text.chars() {
        total += 1;
        let control = c.is_control()
            && !matches!(c, '\t' | '\n' | '\r' | '\x0b' | '\x0c' | '\x1b' | '\u{85}');
        strange += usize::from(control || c == '\u{fffd}');
    }
    // A sample may end within a character, and real texts carry the odd stray byte.
    strange * 50 <= total + 50
}

fn unsupported(start: &[u8], hint: Option<Format>) -> ParseError {
    let reason = match (infer::get(start), hint) {
        (Some(known), _) => {
            format!("files of type {} are not read here", known.mime_type())
        }
        (None, Some(Format::Pdf)) => "the file is named as a PDF but has no PDF header".to_owned(),
        (None, _) => "the file is not text and its format is not known".to_owned(),
    };
    let kind = match hint {
        Some(Format::Pdf) if infer::get(start).is_none() => ParseErrorKind::Damaged,
        _ => ParseErrorKind::Unsupported,
    };
    ParseError::new(kind, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_decides_over_the_name() {
        let png: &[u8] =
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89";
        let zip: &[u8] =
            b"PK\x03\x04\x14\0\0\0\x08\0\x01\x02\x03\x04\x05\x06\x07\x08\x11\x12\x13\x14\x15";
        let cases: [(&str, &[u8], Result<Format, &str>); 12] = [
            ("a.txt", b"%PDF-1.4 ...", Ok(Format::Pdf)),
            ("a.pdf", b"junk\n%PDF-1.4 ...", Ok(Format::Pdf)),
            ("a.txt", b"the header is %PDF-1.4", Ok(Format::Text)),
            ("a.pdf", b"<!DOCTYPE html><p>404", Ok(Format::Html)),
            ("a.pdf", b"hello", Err("the file is named as a PDF but has no PDF header")),
            ("a.txt", b"<!-- x --> <html><p>x", Ok(Format::Html)),
            ("a.md", b"<html> in Markdown", Ok(Format::Markdown)),
            ("a.yaml", b"key: value", Ok(Format::Code("yaml"))),
            ("README", b"# Title", Ok(Format::Markdown)),
            ("a.txt", png, Ok(Format::Image("image/png"))),
            ("a.md", zip, Err("files of type application/zip are not read here")),
            ("a.md", b"", Err("the file is empty")),
        ];
        for (name, bytes, expected) in cases {
            let found = of_file(name, bytes).map_err(|error| error.reason);
            assert_eq!(found, expected.map_err(str::to_owned), "{name}");
        }
    }

    #[test]
    fn names_that_are_worth_trying() {
        for name in
            ["a.MD", "x/y.txt", "README", "docs/Readme", "a.b.pdf", "l.log", "a.RS", "Makefile"]
        {
            assert!(by_name(name).is_some(), "{name}");
        }
        for name in ["a.png", "Shadow", "md", "a.", "", "rs"] {
            assert!(by_name(name).is_none(), "{name}");
        }
    }
}

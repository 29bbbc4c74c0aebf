//! Spreadsheets: XLSX, XLSB, XLS and ODS. Each sheet is a heading and the tables on it.

mod compound_file;
mod grid;
mod number;
mod regions;
mod workbook;

use std::io::Cursor;

use calamine::{Ods, SheetVisible, Xls, Xlsb, Xlsx};
use rag_core::{BlockKind, ParseError, ParseErrorKind, ParsedDocument};

use zip::ZipArchive;

use self::grid::Grid;
use self::workbook::{Open, Workbook};
use crate::ParseLimits;
use crate::builder::DocumentBuilder;
use crate::limits::size;

/// Which of the formats of spreadsheets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SpreadsheetFormat {
    /// Office Open XML.
    Xlsx,
    /// Its binary kin.
    Xlsb,
    /// The format of Excel until 2003.
    Xls,
    /// OpenDocument.
    Ods,
}

impl SpreadsheetFormat {
    /// Which of them a file is, by the names of its parts, which are not compressed.
    pub(crate) fn of_file(bytes: &[u8]) -> Option<Self> {
        const ZIP: &[u8] = b"PK\x03\x04";
        const OLE: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";
        const OPEN_DOCUMENT: &[u8] = b"mimetypeapplication/vnd.oasis.opendocument.spreadsheet";
        // Streams of an OLE file have names in UTF-16.
        const STREAMS: [&[u8]; 2] = [b"W\0o\0r\0k\0b\0o\0o\0k\0\0\0", b"B\0o\0o\0k\0\0\0"];
        let holds = |name: &[u8]| memchr::memmem::find(bytes, name).is_some();
        if bytes.starts_with(OLE) {
            return STREAMS.iter().any(|name| holds(name)).then_some(Self::Xls);
        }
        if !bytes.starts_with(ZIP) {
            return None;
        }
        let start = bytes.get(..256).unwrap_or(bytes);
        if memchr::memmem::find(start, OPEN_DOCUMENT).is_some() {
            return Some(Self::Ods);
        }
        if holds(b"xl/workbook.bin") {
            return Some(Self::Xlsb);
        }
        holds(b"xl/worksheets/").then_some(Self::Xlsx)
    }
}

/// Reads a spreadsheet. Cells show what people see: values, not formulas; dates from year to day; numbers with the
/// decimals and percent signs of their format (XLSX only; the others as they are stored). What stands together on a
/// sheet is a table whose first row is its header; a merged cell stands in each of its places. Hidden sheets are read
/// too, with a warning.
///
/// Cells that a small file can claim without having them cost memory before anyone can count them (XLS, ODS): read
/// spreadsheets of strangers where memory is limited.
///
/// # Errors
/// `Encrypted`, `Damaged` with what the reader says, `TooLarge` for more than [`grid::MOST_CELLS`] on a sheet or too
/// much text, `NoText`.
pub(crate) fn parse(
    bytes: &[u8],
    format: SpreadsheetFormat,
    limits: &ParseLimits,
) -> Result<ParsedDocument, ParseError> {
    if format != SpreadsheetFormat::Xls {
        check_expansion(bytes, 4 * limits.output_bytes)?;
    }
    let file = Cursor::new(bytes);
    match format {
        SpreadsheetFormat::Xlsx => read(Xlsx::open(file)?, limits),
        SpreadsheetFormat::Xlsb => read(Xlsb::open(file)?, limits),
        SpreadsheetFormat::Xls => {
            compound_file::check(bytes)?;
            read(Xls::open(file)?, limits)
        }
        SpreadsheetFormat::Ods => read(Ods::open(file)?, limits),
    }
}

/// Parts that claim to be larger than anybody's spreadsheet are not unpacked. One that lies about its size meets the
/// memory limit of the process.
fn check_expansion(bytes: &[u8], most_bytes: u64) -> Result<(), ParseError> {
    // What is no archive is told so by the reader.
    let Ok(mut archive) = ZipArchive::new(Cursor::new(bytes)) else { return Ok(()) };
    let claimed = (0..archive.len())
        .filter_map(|part| archive.by_index_raw(part).ok().map(|part| part.size()))
        .fold(0, u64::saturating_add);
    if claimed > most_bytes {
        let reason =
            format!("the file expands to {}, more than {}", size(claimed), size(most_bytes));
        return Err(ParseError::new(ParseErrorKind::TooLarge, reason));
    }
    Ok(())
}

fn read<W: Workbook>(mut workbook: W, limits: &ParseLimits) -> Result<ParsedDocument, ParseError> {
    let mut out = DocumentBuilder::new(limits.output_bytes);
    workbook::describe(&mut out, workbook.properties());
    for sheet in workbook.sheets() {
        let name = &sheet.name;
        let grid = match workbook.grid(name) {
            Ok(Some(grid)) => grid,
            Ok(None) => continue,
            Err(error) if error.kind == ParseErrorKind::TooLarge => return Err(error),
            Err(error) => {
                out.warn(format!("the sheet {name:?} cannot be read: {error}"));
                continue;
            }
        };
        if sheet.visible != SheetVisible::Visible {
            out.warn(format!("the sheet {name:?} is hidden"));
        }
        push_sheet(&mut out, name, &grid, limits.output_bytes);
    }
    let parsed = out.finish()?;
    match (parsed.blocks.is_empty(), parsed.warnings.first()) {
        (true, Some(warning)) => Err(ParseError::new(ParseErrorKind::Damaged, warning.clone())),
        (true, None) => Err(ParseError::new(ParseErrorKind::NoText, "the spreadsheet is empty")),
        (false, _) => Ok(parsed),
    }
}

fn push_sheet(out: &mut DocumentBuilder, name: &str, grid: &Grid, most_bytes: u64) {
    if grid.is_empty() {
        return;
    }
    out.heading(2, name);
    for region in regions::of(grid) {
        for caption in region.captions() {
            out.push(BlockKind::Caption, caption);
        }
        for (kind, text) in region.pieces(most_bytes) {
            out.push(kind, &text);
        }
        if out.is_full() {
            return;
        }
    }
}

#[cfg(test)]
mod tests;

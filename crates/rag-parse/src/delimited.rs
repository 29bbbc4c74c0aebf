//! Tables as text: CSV and its kin, with commas, semicolons, tabs or bars between the cells.

use csv::{ReaderBuilder, StringRecord};
use rag_core::{Block, BlockKind, ParseError, ParseErrorKind, ParsedDocument, Place};

use crate::encoding::{self, Decoded};
use crate::limits::{ParseLimits, size};
use crate::table::{self, MOST_COLUMNS};

/// Reads a table whose first row is its header. What parts the cells is found out; quotes, breaks within quotes and
/// rows of different lengths are as spreadsheets write them. A table of more than [`MOST_COLUMNS`] columns becomes
/// several, side by side; columns that nobody can mean are left off with a warning.
///
/// # Errors
/// `TooLarge` when the table expands to more text than allowed.
pub(crate) fn parse(decoded: Decoded, limits: &ParseLimits) -> Result<ParsedDocument, ParseError> {
    let mut warnings: Vec<String> = encoding::warning(&decoded).into_iter().collect();
    let (source, declared) = declared_delimiter(&decoded.text);
    let delimiter = declared.unwrap_or_else(|| likely_delimiter(source));
    let style = Style { delimiter, quoting: !has_open_quote(source, delimiter) };
    if !style.quoting {
        warnings.push("a quote is never closed: quotes are read as they are".to_owned());
    }
    let columns = columns(source, style);
    let written = columns.min(most_columns(source.len()));
    if written < columns {
        warnings.push(format!("only the first {written} of {columns} columns are read"));
    }
    let mut parsed = ParsedDocument { warnings, ..ParsedDocument::default() };
    for group in table::column_groups(written) {
        push_table(&mut parsed, source, style, &group, limits.output_bytes)?;
    }
    Ok(parsed)
}

#[derive(Clone, Copy)]
struct Style {
    delimiter: u8,
    quoting: bool,
}

/// The cells of each row that is not empty.
fn records(source: &str, style: Style) -> impl Iterator<Item = StringRecord> {
    let mut reader = ReaderBuilder::new()
        .delimiter(style.delimiter)
        .quoting(style.quoting)
        .has_headers(false)
        .flexible(true)
        .from_reader(source.as_bytes());
    // A text in memory, of rows of any length, has no other error than its end.
    std::iter::from_fn(move || {
        let mut record = StringRecord::new();
        reader.read_record(&mut record).is_ok_and(|is_one| is_one).then_some(record)
    })
    .filter(|record| record.iter().any(|cell| !cell.trim().is_empty()))
}

/// Spreadsheets understand a first line `sep=;`.
fn declared_delimiter(text: &str) -> (&str, Option<u8>) {
    let declared = text.strip_prefix("sep=").and_then(|rest| rest.split_once('\n'));
    match declared.map(|(mark, rest)| (mark.trim_end_matches('\r').as_bytes(), rest)) {
        Some((&[mark], rest)) if mark.is_ascii() && mark != b'"' => (rest, Some(mark)),
        _ => (text, None),
    }
}

/// In order of preference where nothing else tells.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// How much of a file the delimiter is found out from.
const SAMPLE: usize = 64 << 10;
const SAMPLE_ROWS: usize = 200;

/// The mark that parts the most rows into the same number of cells, more cells being better.
fn likely_delimiter(source: &str) -> u8 {
    let sample = source.get(..source.floor_char_boundary(SAMPLE)).unwrap_or(source);
    let mut best = (b',', 0.0);
    for delimiter in DELIMITERS {
        let style = Style { delimiter, quoting: true };
        let lengths: Vec<usize> =
            records(sample, style).take(SAMPLE_ROWS).map(|record| record.len()).collect();
        let evenness = evenness(lengths);
        if evenness > best.1 {
            best = (delimiter, evenness);
        }
    }
    best.0
}

/// How many rows have the most common length above one; a little more for greater lengths.
fn evenness(mut lengths: Vec<usize>) -> f64 {
    lengths.sort_unstable();
    lengths
        .chunk_by(|a, b| a == b)
        .filter_map(|run| Some((*run.first()?, run.len())))
        .filter(|(length, _)| *length > 1)
        .map(|(length, rows)| rows as f64 * (1.0 + (length as f64).ln() / 10.0))
        .fold(0.0, f64::max)
}

/// A quote that opens a cell and is never closed swallows the rest of the file. It shows as a last row that runs over
/// lines and is shorter than the others.
fn has_open_quote(source: &str, delimiter: u8) -> bool {
    if source.bytes().filter(|byte| *byte == b'"').count() % 2 == 0 {
        return false;
    }
    let (mut longest, mut last) = (0, StringRecord::new());
    for record in records(source, Style { delimiter, quoting: true }) {
        longest = longest.max(last.len());
        last = record;
    }
    let runs_on = last.iter().next_back().is_some_and(|cell| cell.trim_end().contains('\n'));
    runs_on && (last.len() < longest || longest == 0)
}

fn columns(source: &str, style: Style) -> usize {
    records(source, style).map(|record| record.len()).max().unwrap_or_default()
}

/// Each group of columns reads the file again; a table is as wide as that costs no more than reading a long one.
fn most_columns(bytes: usize) -> usize {
    const BYTES: usize = 64 << 20;
    const GROUPS: usize = 64;
    let groups = (BYTES / bytes.max(1)).clamp(1, GROUPS);
    (MOST_COLUMNS - 1) * groups + 1
}

fn push_table(
    parsed: &mut ParsedDocument,
    source: &str,
    style: Style,
    group: &[usize],
    most_bytes: u64,
) -> Result<(), ParseError> {
    if !parsed.text.is_empty() {
        parsed.text.push('\n');
    }
    let start = parsed.text.len();
    for (number, record) in records(source, style).enumerate() {
        let cells = group.iter().map(|column| record.get(*column).unwrap_or_default());
        table::push_row(&mut parsed.text, cells, group.len());
        if number == 0 {
            table::push_delimiter_row(&mut parsed.text, group.len());
        }
        if parsed.text.len() as u64 > most_bytes {
            let reason = format!("the table expands to more than {} of text", size(most_bytes));
            return Err(ParseError::new(ParseErrorKind::TooLarge, reason));
        }
    }
    let span = start..parsed.text.trim_end().len();
    if !span.is_empty() {
        parsed.blocks.push(Block { kind: BlockKind::Table, span, place: Place::default() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::*;
    use crate::outline::{is_well_formed, outline};

    fn read(source: &[u8]) -> ParsedDocument {
        parse(encoding::decode(source, None), &ParseLimits::default()).unwrap()
    }

    fn check(source: &str, expected: Expect) {
        let parsed = read(source.as_bytes());
        assert!(is_well_formed(&parsed));
        expected.assert_eq(&format!("{}{}", outline(&parsed), parsed.warnings.join("\n")));
    }

    #[test]
    fn delimiters_are_found_out() {
        let rows = [["name", "town", "born"], ["Ada", "London", "1815"], ["Carl", "Brunswick", ""]];
        for delimiter in [",", ";", "\t", "|"] {
            let source = rows.map(|row| row.join(delimiter)).join("\r\n");
            check(
                &source,
                expect![[r#"
                    table "| name | town | born |\n| --- | --- | --- |\n| Ada | London | 1815 |\n| Carl | Brunswick |  |"
                "#]],
            );
        }
        check(
            "sep=:\na:b,c\n1:2,5\n",
            expect![[r#"
            table "| a | b,c |\n| --- | --- |\n| 1 | 2,5 |"
        "#]],
        );
        check(
            "name;price\nInk, blue;1,50\nInk, red;2,50\n",
            expect![[r#"
            table "| name | price |\n| --- | --- |\n| Ink, blue | 1,50 |\n| Ink, red | 2,50 |"
        "#]],
        );
        check(
            "only\none\n",
            expect![[r#"
            table "| only |\n| --- |\n| one |"
        "#]],
        );
    }

    #[test]
    fn cells_are_as_spreadsheets_write_them() {
        check(
            "a,b\n\"x, \"\"y\"\"\",\"two\nlines\"\n\n,,\n1,2,3\n",
            expect![[r#"
            table "| a | b |  |\n| --- | --- | --- |\n| x, \"y\" | two<br>lines |  |\n| 1 | 2 | 3 |"
        "#]],
        );
        check(
            "a,b\n\"open,1\nx,2\ny,3\n",
            expect![[r#"
            table "| a | b |\n| --- | --- |\n| \"open | 1 |\n| x | 2 |\n| y | 3 |"
            a quote is never closed: quotes are read as they are"#]],
        );
    }

    #[test]
    fn marks_of_byte_order_are_no_part_of_the_first_cell() {
        for source in ["\u{feff}a,b\n1,2\n".as_bytes().to_vec(), utf16("a,b\n1,2\n")] {
            assert_eq!(read(&source).text, "| a | b |\n| --- | --- |\n| 1 | 2 |\n");
        }
    }

    fn utf16(text: &str) -> Vec<u8> {
        [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
    }

    #[test]
    fn wide_tables_are_several() {
        let row = |mark: &str| {
            (0..600).map(|column| format!("{mark}{column}")).collect::<Vec<_>>().join(",")
        };
        let parsed = read(format!("{}\n{}\n", row("h"), row("c")).as_bytes());
        assert_eq!((parsed.blocks.len(), parsed.warnings.len()), (3, 0));
        let last = parsed.block_text(&parsed.blocks[2]);
        assert!(last.starts_with("| h0 | h511 |") && last.ends_with("| c599 |"), "{last}");
    }

    #[test]
    fn what_expands_too_far_is_refused() {
        let limits = ParseLimits { output_bytes: 1000, ..ParseLimits::default() };
        let decoded = encoding::decode(",\n".repeat(10).as_bytes(), None);
        assert!(parse(decoded, &limits).is_ok_and(|parsed| parsed.blocks.is_empty()));
        let decoded = encoding::decode("a,,,,,,,\n".repeat(100).as_bytes(), None);
        assert_eq!(parse(decoded, &limits).unwrap_err().kind, ParseErrorKind::TooLarge);
    }

    proptest! {
        #[test]
        fn every_cell_is_there(
            cells in proptest::collection::vec(proptest::collection::vec("[a-z,\"; ]{0,6}x", 3), 1..6)
        ) {
            let mut writer = csv::Writer::from_writer(Vec::new());
            cells.iter().for_each(|row| writer.write_record(row).unwrap());
            let source = String::from_utf8(writer.into_inner().unwrap()).unwrap();
            let parsed = read(format!("sep=,\n{source}").as_bytes());
            let rows = table::rows(&parsed.text).unwrap();
            let found: Vec<Vec<String>> = std::iter::once(&rows.header).chain(&rows.rows).map(|row| {
                row.cells.iter().map(|cell| table::cell_text(&parsed.text[cell.clone()])).collect()
            }).collect();
            let squeezed = |cell: &String| cell.split_whitespace().collect::<Vec<_>>().join(" ");
            let expected: Vec<Vec<String>> =
                cells.iter().map(|row| row.iter().map(squeezed).collect()).collect();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn any_text_is_a_sound_table(source in "(?s)[a,;\t|\"\n\r é]{0,80}") {
            prop_assert!(is_well_formed(&read(source.as_bytes())));
        }
    }
}

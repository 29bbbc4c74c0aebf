//! Tables as Markdown: how parsers write them, and how whoever cuts them finds their rows again.
//!
//! A table's text is a header row, a delimiter row, and the rows below. A `|` within a cell is written `\|`, a line
//! break `<br>`; other white space is one space. What stands above the header row (a caption) is no part of the rows.

use std::ops::Range;

/// Wider tables lose their last columns: nobody reads them, and spans in a page could name millions.
pub(crate) const MOST_COLUMNS: usize = 256;

/// Larger tables are not filled up: a single wide row would multiply all others.
const MOST_FILLED: usize = 1 << 20;

/// Rows as a Markdown table; the first is its header. Shorter rows are filled up with empty cells (unless there are
/// very many), and columns beyond [`MOST_COLUMNS`] are left off. Empty without rows or columns.
pub(crate) fn markdown<C: AsRef<str>>(rows: &[Vec<C>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default().min(MOST_COLUMNS);
    let mut text = String::new();
    if columns == 0 {
        return text;
    }
    let is_filled = rows.len().saturating_mul(columns) <= MOST_FILLED;
    for (number, row) in rows.iter().enumerate() {
        let cells = if is_filled || number == 0 { columns } else { row.len().min(columns) };
        push_row(&mut text, row.iter().map(C::as_ref), cells);
        if number == 0 {
            push_delimiter_row(&mut text, columns);
        }
    }
    text
}

/// One row with its line break: as many cells as there are columns, empty ones where the row has none.
pub(crate) fn push_row<'a>(
    text: &mut String,
    cells: impl IntoIterator<Item = &'a str>,
    columns: usize,
) {
    let mut cells = cells.into_iter();
    for _ in 0..columns {
        text.push_str("| ");
        push_cell(text, cells.next().unwrap_or_default());
        text.push(' ');
    }
    text.push_str("|\n");
}

/// The line between the header and the rows below it, with its line break.
pub(crate) fn push_delimiter_row(text: &mut String, columns: usize) {
    text.push_str(&"| --- ".repeat(columns));
    text.push_str("|\n");
}

/// How a table that is too wide is written as several: columns by their numbers, at most [`MOST_COLUMNS`] at a time.
/// The first column, which tends to name the row, is in each.
pub(crate) fn column_groups(columns: usize) -> impl Iterator<Item = Vec<usize>> {
    let first = (0..columns.min(MOST_COLUMNS)).collect();
    let further = (MOST_COLUMNS..columns).step_by(MOST_COLUMNS - 1).map(move |start| {
        std::iter::once(0).chain(start..columns.min(start + MOST_COLUMNS - 1)).collect()
    });
    std::iter::once(first).chain(further)
}

/// White space collapses; around line breaks it goes.
fn push_cell(text: &mut String, cell: &str) {
    let lines = cell.split(['\n', '\r']).map(str::trim).filter(|line| !line.is_empty());
    for (number, line) in lines.enumerate() {
        if number > 0 {
            text.push_str("<br>");
        }
        for (number, word) in line.split_whitespace().enumerate() {
            if number > 0 {
                text.push(' ');
            }
            word.chars().for_each(|c| match c {
                '|' => text.push_str("\\|"),
                c => text.push(c),
            });
        }
    }
}

/// Where the parts of a table's text are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableRows {
    /// The header row.
    pub header: TableRow,
    /// The rows below the delimiter row, in order.
    pub rows: Vec<TableRow>,
}

/// Where a row and its cells are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableRow {
    /// The whole line without its line break.
    pub span: Range<usize>,
    /// The cells without the white space around them; [`cell_text`] gives what they say.
    pub cells: Vec<Range<usize>>,
}

/// The rows of a Markdown table, as byte ranges of its text; `None` for what is none. Lines above the header row and
/// empty lines belong to no row.
///
/// ```
/// use rag_parse::table;
///
/// let text = "| name | born |\n| --- | --- |\n| Ada \\| Byron | 1815 |\n";
/// let table = table::rows(text).unwrap();
/// let cell = &table.rows[0].cells[0];
/// assert_eq!(table::cell_text(&text[cell.clone()]), "Ada | Byron");
/// ```
pub fn rows(text: &str) -> Option<TableRows> {
    let mut above: Option<Range<usize>> = None;
    let mut lines = lines(text);
    let header = loop {
        let line = lines.next()?;
        match above {
            Some(header) if is_delimiter_row(text.get(line.clone())?) => break header,
            _ => above = Some(line),
        }
    };
    let rows = lines
        .filter(|line| text.get(line.clone()).is_some_and(|line| !line.trim().is_empty()))
        .map(|line| row(text, line))
        .collect();
    Some(TableRows { header: row(text, header), rows })
}

/// What a cell says: the text of its span without the marks that Markdown needs.
pub fn cell_text(source: &str) -> String {
    source.replace("\\|", "|").replace("<br>", "\n")
}

/// Spans of lines without their breaks.
fn lines(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut position = 0;
    text.split_inclusive('\n').map(move |line| {
        let start = position;
        position += line.len();
        start..start + line.trim_end_matches(['\n', '\r']).len()
    })
}

fn is_delimiter_row(line: &str) -> bool {
    let line = line.trim();
    line.contains('|')
        && line.contains('-')
        && line.chars().all(|c| matches!(c, '|' | '-' | ':' | ' ' | '\t'))
}

fn row(text: &str, span: Range<usize>) -> TableRow {
    let line = text.get(span.clone()).unwrap_or_default();
    let mut cells = Vec::new();
    let (mut start, mut before) = (0, ' ');
    for (at, c) in line.char_indices() {
        if c == '|' && before != '\\' {
            cells.push(start..at);
            start = at + 1;
        }
        before = c;
    }
    cells.push(start..line.len());
    // Marks at the row's ends part nothing.
    let is_blank = |cell: &Range<usize>| line.get(cell.clone()).is_none_or(|c| c.trim().is_empty());
    if cells.len() > 1 && cells.first().is_some_and(is_blank) {
        cells.remove(0);
    }
    if cells.len() > 1 && cells.last().is_some_and(is_blank) {
        cells.pop();
    }
    let trimmed = |cell: Range<usize>| {
        let source = line.get(cell.clone()).unwrap_or_default();
        let start = span.start + cell.start + (source.len() - source.trim_start().len());
        start..start + source.trim().len()
    };
    let cells = cells.into_iter().map(trimmed).collect();
    TableRow { span, cells }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Rows of cell texts, the header first.
    fn read(text: &str) -> Vec<Vec<String>> {
        let Some(table) = rows(text) else { return Vec::new() };
        let cells = |row: &TableRow| {
            row.cells.iter().map(|cell| cell_text(&text[cell.clone()])).collect::<Vec<_>>()
        };
        std::iter::once(&table.header).chain(&table.rows).map(cells).collect()
    }

    #[test]
    fn cells_are_written_so_that_a_row_is_a_line() {
        let rows = [vec!["a|b", " c \t d "], vec!["1\r\n\n2"], vec![]];
        let text = "| a\\|b | c d |\n| --- | --- |\n| 1<br>2 |  |\n|  |  |\n";
        assert_eq!(markdown(&rows), text);
        assert_eq!(read(text), [vec!["a|b", "c d"], vec!["1\n2", ""], vec!["", ""]]);
    }

    #[test]
    fn rows_are_found_in_tables_of_any_style() {
        let text = "A caption\n\na | b\n:-|-:\n1 |\n\n| 3 | 4\n";
        assert_eq!(read(text), [vec!["a", "b"], vec!["1"], vec!["3", "4"]]);
        let table = rows(text).unwrap();
        assert_eq!(&text[table.header.span], "a | b");
        assert_eq!(&text[table.rows[1].span.clone()], "| 3 | 4");
        assert_eq!(rows("no table\nat all"), None);
        assert_eq!(rows(""), None);
    }

    #[test]
    fn groups_of_columns_hold_every_column() {
        assert_eq!(column_groups(2).collect::<Vec<_>>(), [vec![0, 1]]);
        let groups: Vec<_> = column_groups(2 * MOST_COLUMNS).collect();
        assert_eq!(groups.iter().map(Vec::len).collect::<Vec<_>>(), [256, 256, 2]);
        assert!(groups.iter().all(|group| group[0] == 0));
        let mut all: Vec<usize> = groups.concat();
        all.sort();
        all.dedup();
        assert_eq!(all, (0..2 * MOST_COLUMNS).collect::<Vec<_>>());
    }

    #[test]
    fn columns_beyond_the_most_are_left_off() {
        let wide = [vec!["x"; MOST_COLUMNS + 9]];
        assert_eq!(rows(&markdown(&wide)).unwrap().header.cells.len(), MOST_COLUMNS);
        assert_eq!(markdown::<&str>(&[vec![]]), "");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            cells in proptest::collection::vec(proptest::collection::vec(r"[a-z|\\-]{1,4}", 3), 1..5)
        ) {
            prop_assert_eq!(read(&markdown(&cells)), cells);
        }

        #[test]
        fn spans_of_any_text_are_sound(text in "(?s)[|\\-:a\n \\\\é]{0,60}") {
            if let Some(table) = rows(&text) {
                let mut end = 0;
                for row in std::iter::once(&table.header).chain(&table.rows) {
                    prop_assert!(row.span.start >= end);
                    end = row.span.end;
                    let mut within = row.span.start;
                    for cell in &row.cells {
                        prop_assert!(cell.start >= within && cell.end <= end);
                        prop_assert!(text.get(cell.clone()).is_some());
                        within = cell.end;
                    }
                }
            }
        }
    }
}

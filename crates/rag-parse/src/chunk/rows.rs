//! Chunks of rows: `table`, `qa` and `tag`. What is no table is packed as usual. For `qa` headings are questions where
//! there are more of them than rows.

use std::ops::Range;

use rag_core::{BlockKind, ChunkMethod, ChunkingOptions, Tag};

use super::draft::Draft;
use super::packer;
use super::path::HeadingPath;
use super::pieces::{Piece, View};
use super::surroundings::{end_of_header, header_of};
use crate::TokenCounter;
use crate::cut::{self, Budget};
use crate::table::{self, TableRow};

/// The document with each row of its tables as a chunk.
pub(super) fn drafts(
    view: &View<'_>,
    options: &ChunkingOptions,
    counter: &dyn TokenCounter,
) -> Vec<Draft> {
    let mut drafts: Vec<Draft> = Vec::new();
    let mut path = HeadingPath::default();
    for (number, piece) in view.pieces.iter().enumerate() {
        pass(&mut path, view, piece);
        let rows = match piece.kind {
            BlockKind::Table => of_table(view, number, options, counter),
            _ if options.method != ChunkMethod::Table => {
                of_lines(view, number, piece, options.method)
            }
            _ => None,
        };
        drafts.extend(
            rows.unwrap_or_default()
                .into_iter()
                .map(|row| Draft { headings: path.headings(), ..row }),
        );
    }
    if options.method == ChunkMethod::Qa {
        // A list of questions may have a table in an answer, and a sheet of rows may have a heading.
        let asking = drafts.iter().filter(|draft| !draft.questions.is_empty()).count();
        let headings = of_headings(view);
        if headings.len() > asking {
            drafts = headings;
        }
    }
    let mut taken = vec![false; view.pieces.len()];
    for draft in &drafts {
        taken.get_mut(draft.pieces.clone()).unwrap_or_default().fill(true);
    }
    drafts.extend(rest(view, options, counter, &taken));
    drafts.sort_by_key(|draft| (draft.span.start, draft.span.end));
    drafts.into_iter().flat_map(|draft| fitted(view, draft, options, counter)).collect()
}

/// Everything in pieces that no row came from, packed as usual.
fn rest(
    view: &View<'_>,
    options: &ChunkingOptions,
    counter: &dyn TokenCounter,
    taken: &[bool],
) -> Vec<Draft> {
    let mut rest = Vec::new();
    let free = taken.iter().enumerate().filter(|(_, taken)| !**taken);
    let mut numbers = free.map(|(number, _)| number).peekable();
    // Stretches of pieces that follow each other.
    while let Some(first) = numbers.next() {
        let mut end = first + 1;
        while numbers.next_if_eq(&end).is_some() {
            end += 1;
        }
        let pieces = view.pieces.get(first..end).unwrap_or_default().to_vec();
        let stretch = View { text: view.text, pieces };
        let shifted = packer::drafts(&stretch, options, counter).into_iter().map(|draft| Draft {
            pieces: draft.pieces.start + first..draft.pieces.end + first,
            ..draft
        });
        rest.extend(shifted);
    }
    rest
}

/// The rows of a table. What stands above them is their context, where it is no longer than a chunk may be; else, and
/// for questions and tags, it is a chunk too. Rows that only name columns of questions or tags are left out.
fn of_table(
    view: &View<'_>,
    number: usize,
    options: &ChunkingOptions,
    counter: &dyn TokenCounter,
) -> Option<Vec<Draft>> {
    let piece = view.pieces.get(number)?;
    let text = view.text_of(piece);
    let table = table::rows(text)?;
    let method = options.method;
    let names_columns = method == ChunkMethod::Table || is_header(text, &table.header);
    let header = header_of(text, &table, options.max_tokens, counter)
        .filter(|_| method == ChunkMethod::Table);
    let above = match (&header, method) {
        (Some(_), _) => 0..0,
        (None, ChunkMethod::Table) => 0..end_of_header(text, &table),
        (None, _) => 0..table.header.span.start,
    };
    let above = cut::trimmed(view.text, shifted(&above, piece));
    let draft = Draft { pieces: number..number + 1, alone: true, ..Draft::default() };
    let above = Some(Draft { span: above, ..draft.clone() }).filter(|draft| !draft.span.is_empty());
    let first = (!names_columns).then_some(&table.header);
    let rows = first.into_iter().chain(&table.rows).map(|row| {
        let cells: Vec<Range<usize>> = row.cells.iter().map(|cell| shifted(cell, piece)).collect();
        let span = cut::trimmed(view.text, shifted(&row.span, piece));
        match method {
            ChunkMethod::Table => Draft { span, context: header.clone(), ..draft.clone() },
            _ => of_cells(view, &cells, span, method, draft.clone()),
        }
    });
    Some(above.into_iter().chain(rows).filter(|draft| !draft.span.is_empty()).collect())
}

/// Lines of two columns with a tab between them. A line without one goes on with the answer above it.
fn of_lines(
    view: &View<'_>,
    number: usize,
    piece: &Piece,
    method: ChunkMethod,
) -> Option<Vec<Draft>> {
    if matches!(piece.kind, BlockKind::Heading { .. }) {
        return None;
    }
    let mut start = piece.span.start;
    let mut drafts: Vec<Draft> = Vec::new();
    for line in view.text_of(piece).split_inclusive('\n') {
        let span = cut::trimmed(view.text, start..start + line.len());
        start += line.len();
        let Some(tab) = view.text.get(span.clone())?.find('\t') else {
            let above = drafts.last_mut().filter(|_| method == ChunkMethod::Qa)?;
            above.span.end = span.end.max(above.span.end);
            continue;
        };
        let cells = [span.start..span.start + tab, span.start + tab + 1..span.end];
        let cells = cells.map(|cell| cut::trimmed(view.text, cell));
        let draft = Draft { pieces: number..number + 1, alone: true, ..Draft::default() };
        drafts.push(of_cells(view, &cells, span, method, draft));
    }
    Some(drafts)
}

/// A question with its answer, or a description with its tags, which stand in the last cell; the row as it is where
/// there are none.
fn of_cells(
    view: &View<'_>,
    cells: &[Range<usize>],
    row: Range<usize>,
    method: ChunkMethod,
    draft: Draft,
) -> Draft {
    let said =
        |cell: &Range<usize>| table::cell_text(view.text.get(cell.clone()).unwrap_or_default());
    match (cells, method) {
        ([first, .., last_of_text, last], ChunkMethod::Tag) if !first.is_empty() => {
            let span = first.start..last_of_text.end.max(first.end);
            Draft { span, tags: tags(&said(last)), ..draft }
        }
        ([first, last], ChunkMethod::Tag) if !first.is_empty() => {
            Draft { span: first.clone(), tags: tags(&said(last)), ..draft }
        }
        ([first, _, ..], ChunkMethod::Qa) if !first.is_empty() => {
            Draft { span: row, questions: vec![said(first)], ..draft }
        }
        _ => Draft { span: row, ..draft },
    }
}

fn tags(cell: &str) -> Vec<Tag> {
    let names = cell.split([',', ';', '，', '、', '；', '\n', '\t']).map(str::trim);
    let names = names.filter(|name| !name.is_empty());
    names.map(|name| Tag { name: name.to_owned(), weight: 1.0 }).collect()
}

/// Whether a first row names columns of questions or tags.
fn is_header(text: &str, row: &TableRow) -> bool {
    const NAMES: [&str; 16] = [
        "question",
        "questions",
        "q",
        "answer",
        "answers",
        "a",
        "content",
        "tag",
        "tags",
        "text",
        "frage",
        "antwort",
        "问题",
        "回答",
        "内容",
        "标签",
    ];
    let name = |cell: &Range<usize>| text.get(cell.clone()).unwrap_or_default().to_lowercase();
    row.cells.iter().take(2).all(|cell| NAMES.contains(&name(cell).as_str()))
}

/// Headings as questions, with what is below each as its answer.
fn of_headings(view: &View<'_>) -> Vec<Draft> {
    let mut drafts = Vec::new();
    let mut path = HeadingPath::default();
    let is_heading = |piece: &Piece| matches!(piece.kind, BlockKind::Heading { .. });
    let mut number = 0;
    while let Some(piece) = view.pieces.get(number) {
        pass(&mut path, view, piece);
        let first = number;
        number += 1;
        if !is_heading(piece) {
            continue;
        }
        while view.pieces.get(number).is_some_and(|piece| !is_heading(piece)) {
            number += 1;
        }
        let Some(last) = view.pieces.get(number - 1).filter(|_| number > first + 1) else {
            continue;
        };
        let question = view.text_of(piece).split_whitespace().collect::<Vec<_>>().join(" ");
        drafts.push(Draft {
            headings: path.headings(),
            span: piece.span.start..last.span.end,
            pieces: first..number,
            alone: true,
            questions: vec![question],
            ..Draft::default()
        });
    }
    drafts
}

/// A draft within the budget, in parts where it is larger. All of them answer its question.
fn fitted(
    view: &View<'_>,
    draft: Draft,
    options: &ChunkingOptions,
    counter: &dyn TokenCounter,
) -> Vec<Draft> {
    let max = options.max_tokens.max(1);
    let text = view.text.get(draft.span.clone()).unwrap_or_default();
    if counter.count(text) <= max {
        return vec![draft];
    }
    let budget = Budget { first: max, pieces: max, overlap: options.overlap_tokens };
    let kind = BlockKind::Paragraph;
    let parts = cut::cut(view.text, draft.span.clone(), &kind, budget, counter);
    parts.into_iter().map(|span| Draft { span, ..draft.clone() }).collect()
}

fn shifted(range: &Range<usize>, piece: &Piece) -> Range<usize> {
    range.start + piece.span.start..range.end + piece.span.start
}

fn pass(path: &mut HeadingPath, view: &View<'_>, piece: &Piece) {
    if let BlockKind::Heading { level } = piece.kind {
        path.enter(level, view.text_of(piece));
    }
}

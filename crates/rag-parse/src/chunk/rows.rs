//! Chunks of rows: `table`, `qa` and `tag`. What is no table is packed as usual, or for `qa` by its headings.

use std::ops::Range;

use rag_core::{BlockKind, ChunkMethod, ChunkingOptions, Tag};

use super::draft::Draft;
use super::packer;
use super::pieces::{Piece, View};
use super::surroundings::header_of;
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
    let mut path = Path::default();
    for (number, piece) in view.pieces.iter().enumerate() {
        path.pass(view, piece);
        let rows = match piece.kind {
            BlockKind::Table => of_table(view, number, piece, options.method),
            _ if options.method != ChunkMethod::Table => {
                of_lines(view, number, piece, options.method)
            }
            _ => None,
        };
        drafts.extend(rows.unwrap_or_default().into_iter().map(|row| path.above(row)));
    }
    if drafts.is_empty() && options.method == ChunkMethod::Qa {
        drafts = of_headings(view);
    }
    let taken: Vec<Range<usize>> = drafts.iter().map(|draft| draft.pieces.clone()).collect();
    drafts.extend(rest(view, options, counter, &taken));
    drafts.sort_by_key(|draft| (draft.span.start, draft.span.end));
    drafts.into_iter().flat_map(|draft| fitted(view, draft, options, counter)).collect()
}

/// Everything in pieces that no row came from, packed as usual.
fn rest(
    view: &View<'_>,
    options: &ChunkingOptions,
    counter: &dyn TokenCounter,
    taken: &[Range<usize>],
) -> Vec<Draft> {
    let is_taken = |number: &usize| taken.iter().any(|pieces| pieces.contains(number));
    let mut rest = Vec::new();
    let mut numbers = (0..view.pieces.len()).filter(|number| !is_taken(number)).peekable();
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

/// The rows of a table.
fn of_table(
    view: &View<'_>,
    number: usize,
    piece: &Piece,
    method: ChunkMethod,
) -> Option<Vec<Draft>> {
    let text = view.text_of(piece);
    let table = table::rows(text)?;
    let names_columns = method == ChunkMethod::Table || is_header(text, &table.header);
    let header = header_of(text, &table).filter(|_| method == ChunkMethod::Table);
    let first = (!names_columns).then_some(&table.header);
    let rows = first.into_iter().chain(&table.rows);
    let drafts = rows.filter_map(|row| {
        let cells: Vec<Range<usize>> = row.cells.iter().map(|cell| shifted(cell, piece)).collect();
        let draft = Draft { pieces: number..number + 1, alone: true, ..Draft::default() };
        match method {
            ChunkMethod::Table => {
                let (span, context) = (shifted(&row.span, piece), header.clone());
                Some(Draft { span, context, ..draft })
            }
            _ => of_cells(view, &cells, shifted(&row.span, piece), method, draft),
        }
    });
    Some(drafts.collect())
}

/// Lines of two columns with a tab between them.
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
    let mut drafts = Vec::new();
    for line in view.text_of(piece).split_inclusive('\n') {
        let span = cut::trimmed(view.text, start..start + line.len());
        start += line.len();
        let tab = view.text.get(span.clone())?.find('\t')?;
        let cells = [span.start..span.start + tab, span.start + tab + 1..span.end];
        let cells = cells.map(|cell| cut::trimmed(view.text, cell));
        let draft = Draft { pieces: number..number + 1, alone: true, ..Draft::default() };
        drafts.push(of_cells(view, &cells, span, method, draft)?);
    }
    Some(drafts)
}

/// A question with its answer, or a description with its tags.
fn of_cells(
    view: &View<'_>,
    cells: &[Range<usize>],
    row: Range<usize>,
    method: ChunkMethod,
    draft: Draft,
) -> Option<Draft> {
    let (first, second) = (cells.first()?.clone(), cells.get(1)?.clone());
    let said = |cell: Range<usize>| table::cell_text(view.text.get(cell).unwrap_or_default());
    if first.is_empty() {
        return None;
    }
    Some(match method {
        ChunkMethod::Tag => Draft { span: first, tags: tags(&said(second)), ..draft },
        _ => Draft { span: row, questions: vec![said(first)], ..draft },
    })
}

fn tags(cell: &str) -> Vec<Tag> {
    let names = cell.split([',', ';', '，', '、', '；', '\n']).map(str::trim);
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
    let mut path = Path::default();
    let is_heading = |piece: &Piece| matches!(piece.kind, BlockKind::Heading { .. });
    let mut number = 0;
    while let Some(piece) = view.pieces.get(number) {
        path.pass(view, piece);
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
        drafts.push(path.above(Draft {
            span: piece.span.start..last.span.end,
            pieces: first..number,
            alone: true,
            questions: vec![question],
            ..Draft::default()
        }));
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

/// The headings above.
#[derive(Default)]
struct Path(Vec<(u8, String)>);

impl Path {
    fn pass(&mut self, view: &View<'_>, piece: &Piece) {
        if let BlockKind::Heading { level } = piece.kind {
            self.0.retain(|(above, _)| *above < level);
            let text = view.text_of(piece).split_whitespace().collect::<Vec<_>>().join(" ");
            self.0.push((level, text));
        }
    }

    fn above(&self, draft: Draft) -> Draft {
        Draft { headings: self.0.iter().map(|(_, text)| text.clone()).collect(), ..draft }
    }
}

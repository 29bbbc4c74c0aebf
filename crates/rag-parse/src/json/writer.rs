//! JSON values as headings, lines and tables.

use std::borrow::Cow;
use std::collections::HashMap;

use rag_core::{BlockKind, ParseError, ParsedDocument};
use serde_json::value::RawValue;

use super::value::{Members, Value, open};
use crate::builder::DocumentBuilder;
use crate::table;

/// Deeper values are shown as they are written.
const MOST_DEPTH: usize = 32;

/// Longer texts have a heading and paragraphs of their own.
const LONG_TEXT: usize = 300;

/// Lists that fit a line of this length are one.
const LONG_LINE: usize = 200;

/// An object of at most so many short values needs no heading.
const FEW_MEMBERS: usize = 8;

/// Tables for people have no more columns, and no longer cells.
const MOST_COLUMNS: usize = 64;
const LONG_CELL: usize = 200;

pub(super) struct Writer {
    out: DocumentBuilder,
    most_bytes: u64,
}

impl Writer {
    pub(super) fn new(most_bytes: u64) -> Self {
        Self { out: DocumentBuilder::new(most_bytes), most_bytes }
    }

    /// The document, which so far may be empty.
    pub(super) fn finish(self) -> Result<ParsedDocument, ParseError> {
        self.out.finish()
    }

    /// For what is found on the way.
    pub(super) fn warn(&mut self, warning: String) {
        self.out.warn(warning);
    }

    /// A whole file. What holds no words at all is still shown.
    pub(super) fn document(&mut self, root: &RawValue) {
        if let Value::Object(members) = open(root) {
            self.title(&members);
        }
        self.value("", root, 0);
        if self.out.blocks() == 0 {
            self.out.code(Some("json"), root.get());
        }
    }

    /// Records of a file that has one a line: a table if they are alike, else a block each.
    pub(super) fn records(&mut self, records: &[&RawValue]) {
        if let Some(table) = as_table(records) {
            return self.out.push(BlockKind::Table, &table);
        }
        for record in records {
            let mut flat = Flat { lines: String::new(), most_bytes: self.most_bytes };
            flat.value("", record, 0);
            self.out.push(BlockKind::Paragraph, &flat.lines);
            if self.out.is_full() {
                return;
            }
        }
    }

    fn title(&mut self, members: &Members<'_>) {
        for wanted in ["title", "name"] {
            let found = members.iter().find(|(key, _)| key == wanted).map(|(_, raw)| open(raw));
            if let Some(Value::Scalar(title)) = found
                && title.len() <= LONG_TEXT
            {
                self.out.title(&title);
            }
        }
    }

    /// `name` is the key that leads here, empty for the root.
    fn value(&mut self, name: &str, raw: &RawValue, depth: usize) {
        if self.out.is_full() {
            return;
        }
        if depth >= MOST_DEPTH {
            return self.out.code(Some("json"), raw.get());
        }
        match open(raw) {
            Value::Scalar(text) => self.text(&text),
            Value::List(items) => self.list(name, &items, depth),
            Value::Object(members) => self.object(&members, depth),
        }
    }

    fn text(&mut self, text: &str) {
        for paragraph in text.replace("\r\n", "\n").split("\n\n") {
            self.out.push(BlockKind::Paragraph, paragraph);
        }
    }

    /// First what fits on lines, then what needs a heading: what stands below a heading belongs to it.
    fn object(&mut self, members: &Members<'_>, depth: usize) {
        let mut lines = String::new();
        let mut larger = Vec::new();
        for (key, raw) in members {
            match short_lines(key, raw) {
                Some(short) => lines.push_str(&short),
                None => larger.push((key, raw)),
            }
        }
        self.out.push(BlockKind::Paragraph, &lines);
        for (key, raw) in larger {
            self.out.heading(depth + 1, key);
            self.value(key, raw, depth + 1);
        }
    }

    fn list(&mut self, name: &str, items: &[&RawValue], depth: usize) {
        if let Some(table) = as_table(items) {
            return self.out.push(BlockKind::Table, &table);
        }
        for (number, raw) in items.iter().enumerate() {
            if let Value::Scalar(text) = open(raw) {
                self.out.item(0, "- ", &text);
                continue;
            }
            self.out.heading(depth + 1, &format!("{name}[{number}]"));
            self.value(name, raw, depth + 1);
            if self.out.is_full() {
                return;
            }
        }
    }
}

/// A member as lines `key: value`, if it is short enough not to need a heading.
fn short_lines(key: &str, raw: &RawValue) -> Option<String> {
    match open(raw) {
        Value::Scalar(text) => is_short(&text).then(|| format!("{key}: {}\n", text.trim())),
        Value::List(_) => Some(format!("{key}: {}\n", short_list(raw)?)),
        Value::Object(members) if members.is_empty() => Some(format!("{key}: {}\n", raw.get())),
        Value::Object(members) if members.len() > FEW_MEMBERS => None,
        Value::Object(members) => members
            .iter()
            .map(|(inner, raw)| match open(raw) {
                Value::Object(_) => None,
                Value::Scalar(text) => {
                    is_short(&text).then(|| format!("{key}.{inner}: {}\n", text.trim()))
                }
                Value::List(_) => Some(format!("{key}.{inner}: {}\n", short_list(raw)?)),
            })
            .collect(),
    }
}

fn is_short(text: &str) -> bool {
    text.len() <= LONG_TEXT && !text.contains("\n\n")
}

/// A list of scalars that fits on a line.
fn short_list(raw: &RawValue) -> Option<String> {
    if raw.get().len() > 2 * LONG_LINE {
        return None;
    }
    let Value::List(items) = open(raw) else { return None };
    let texts: Option<Vec<Cow<'_, str>>> = items.iter().map(|item| scalar(item)).collect();
    let line = texts?.join(", ");
    let fits = line.len() <= LONG_LINE && !line.contains('\n');
    fits.then(|| if line.is_empty() { raw.get().to_owned() } else { line })
}

fn scalar(raw: &RawValue) -> Option<Cow<'_, str>> {
    match open(raw) {
        Value::Scalar(text) => Some(text),
        Value::List(_) | Value::Object(_) => None,
    }
}

/// Two or more objects with much the same short members, or lists of as many scalars, as a table.
fn as_table(items: &[&RawValue]) -> Option<String> {
    if items.len() < 2 {
        return None;
    }
    match open(items.first()?) {
        Value::Object(_) => table_of_objects(items),
        Value::List(first) => table_of_lists(items, first.len()),
        Value::Scalar(_) => None,
    }
}

fn table_of_objects(items: &[&RawValue]) -> Option<String> {
    let mut columns: HashMap<String, usize> = HashMap::new();
    let mut rows: Vec<Vec<(usize, String)>> = Vec::with_capacity(items.len());
    for raw in items {
        let Value::Object(members) = open(raw) else { return None };
        let mut row = Vec::with_capacity(members.len());
        for (name, cell) in cells(&members)? {
            let next = columns.len();
            row.push((*columns.entry(name).or_insert(next), cell));
        }
        if columns.len() > MOST_COLUMNS {
            return None;
        }
        rows.push(row);
    }
    let filled: usize = rows.iter().map(Vec::len).sum();
    if columns.is_empty() || filled * 2 < rows.len() * columns.len() {
        return None;
    }
    let mut header = vec![String::new(); columns.len()];
    for (name, column) in columns {
        if let Some(cell) = header.get_mut(column) {
            *cell = name;
        }
    }
    let mut text = table::markdown(&[header.as_slice()].map(<[String]>::to_vec));
    for row in rows {
        let mut cells = vec![String::new(); header.len()];
        for (column, cell) in row {
            if let Some(place) = cells.get_mut(column) {
                *place = cell;
            }
        }
        table::push_row(&mut text, cells.iter().map(String::as_str), header.len());
    }
    Some(text)
}

/// Names and texts of an object's members; members of members have both names. `None` if one is too long for a cell,
/// or too deep.
fn cells(members: &Members<'_>) -> Option<Vec<(String, String)>> {
    let mut cells = Vec::with_capacity(members.len());
    for (key, raw) in members {
        match open(raw) {
            Value::Object(inner) if inner.len() <= FEW_MEMBERS => {
                for (name, raw) in &inner {
                    cells.push((format!("{key}.{name}"), cell(raw)?));
                }
            }
            Value::Object(_) => return None,
            Value::Scalar(_) | Value::List(_) => cells.push((key.to_string(), cell(raw)?)),
        }
    }
    Some(cells)
}

fn cell(raw: &RawValue) -> Option<String> {
    match open(raw) {
        Value::Scalar(text) if raw.get() == "null" && text == "null" => Some(String::new()),
        Value::Scalar(text) => (text.len() <= LONG_CELL).then(|| text.into_owned()),
        Value::List(_) => short_list(raw),
        Value::Object(_) => None,
    }
}

/// The first row is the header if it is all words, else the columns are numbered.
fn table_of_lists(items: &[&RawValue], columns: usize) -> Option<String> {
    if !(2..=MOST_COLUMNS).contains(&columns) {
        return None;
    }
    let row = |raw: &&RawValue| {
        let Value::List(cells) = open(raw) else { return None };
        (cells.len() == columns).then(|| cells.iter().map(|raw| cell(raw)).collect())?
    };
    let mut rows: Vec<Vec<String>> = items.iter().map(row).collect::<Option<_>>()?;
    let Value::List(first) = open(items.first()?) else { return None };
    if !first.iter().all(|raw| raw.get().starts_with('"')) {
        rows.insert(0, (1..=columns).map(|number| number.to_string()).collect());
    }
    Some(table::markdown(&rows))
}

/// Every scalar of a value on a line of its own, with its path. Paths repeat their keys, which may be long: it stops
/// when there is more than the document may have.
struct Flat {
    lines: String,
    most_bytes: u64,
}

impl Flat {
    fn value(&mut self, path: &str, raw: &RawValue, depth: usize) {
        if self.lines.len() as u64 > self.most_bytes {
            return;
        }
        if depth >= MOST_DEPTH {
            return self.line(path, raw.get());
        }
        match open(raw) {
            Value::Scalar(text) => self.line(path, &text),
            Value::List(items) => match short_list(raw) {
                Some(list) => self.line(path, &list),
                None => items.iter().enumerate().for_each(|(number, raw)| {
                    self.value(&format!("{path}[{number}]"), raw, depth + 1);
                }),
            },
            Value::Object(members) if members.is_empty() => self.line(path, raw.get()),
            Value::Object(members) => members.iter().for_each(|(key, raw)| {
                let dot = if path.is_empty() { "" } else { "." };
                self.value(&format!("{path}{dot}{key}"), raw, depth + 1);
            }),
        }
    }

    fn line(&mut self, path: &str, text: &str) {
        if !path.is_empty() {
            self.lines.push_str(path);
            self.lines.push_str(": ");
        }
        self.lines.push_str(text.trim());
        self.lines.push('\n');
    }
}

//! OpenDocument texts and presentations.

use rag_core::{BlockKind, ParseError, ParseErrorKind, ParseRequest, ParsedDocument, Place};
use roxmltree::Node;

use super::properties;
use super::xml::{self, Element};
use crate::archive::Archive;
use crate::builder::DocumentBuilder;
use crate::{ParseLimits, table};

/// Elements within elements, at most.
const MOST_DEPTH: usize = 200;

/// Reads an ODT or ODP file.
///
/// # Errors
/// `Damaged`, `Encrypted`, `TooLarge`.
pub(crate) fn parse(
    request: &ParseRequest<'_>,
    limits: &ParseLimits,
) -> Result<ParsedDocument, ParseError> {
    let mut archive = Archive::open(request.bytes, limits)?;
    let manifest = archive.read("META-INF/manifest.xml")?.unwrap_or_default();
    if memchr::memmem::find(&manifest, b"encryption-data").is_some() {
        let reason = "the file needs a password; save it without one";
        return Err(ParseError::new(ParseErrorKind::Encrypted, reason));
    }
    let mut out = DocumentBuilder::new(limits.output_bytes);
    properties::read(&mut archive, "meta.xml", &mut out)?;
    let bytes = archive.need("content.xml")?;
    let text = xml::text(&bytes);
    let tree = xml::tree("content.xml", &text)?;
    let body = tree.root_element().child("body").ok_or_else(|| {
        ParseError::new(ParseErrorKind::Damaged, "the file's content is no text document")
    })?;
    let mut writer = Writer { out, notes: Vec::new(), slide: 0 };
    writer.blocks(body, &List::default(), 0);
    for (number, note) in writer.notes.into_iter().enumerate() {
        writer.out.push(BlockKind::Paragraph, &format!("[{}] {note}", number + 1));
    }
    writer.out.finish()
}

struct Writer {
    out: DocumentBuilder,
    notes: Vec<String>,
    slide: u32,
}

/// The list that paragraphs stand in.
#[derive(Clone, Default)]
struct List {
    /// How many lists deep; 0: in none.
    depth: usize,
    /// In the place of a presentation's title.
    title: bool,
}

impl Writer {
    fn blocks(&mut self, node: Node<'_, '_>, list: &List, depth: usize) {
        for child in node.elements() {
            if depth > MOST_DEPTH || self.out.is_full() {
                return;
            }
            match child.name() {
                "h" => {
                    let level = child.value("outline-level").and_then(|level| level.parse().ok());
                    let text = self.text(child, depth);
                    self.out.heading(level.unwrap_or(1), &text);
                }
                "p" => self.paragraph(child, list, depth),
                "list" => {
                    let deeper = List { depth: list.depth + 1, ..list.clone() };
                    self.blocks(child, &deeper, depth + 1);
                }
                "table" => self.table(child, depth),
                "page" => {
                    self.slide += 1;
                    self.out.set_place(Place { page: Some(self.slide), bounds: None });
                    self.blocks(child, &List::default(), depth + 1);
                }
                "frame" => {
                    let title = child.value("class") == Some("title");
                    self.blocks(child, &List { title, ..List::default() }, depth + 1);
                }
                // What was deleted, and how things look.
                "tracked-changes" | "forms" | "sequence-decls" | "settings" | "animations" => {}
                _ => self.blocks(child, list, depth + 1),
            }
        }
    }

    fn paragraph(&mut self, node: Node<'_, '_>, list: &List, depth: usize) {
        let text = self.text(node, depth);
        match list.depth {
            _ if list.title => {
                self.out.title(&text);
                self.out.heading(1, &text);
            }
            0 => self.out.push(BlockKind::Paragraph, &text),
            deep => self.out.item(deep - 1, "- ", &text),
        }
        // Text boxes stand in paragraphs.
        let mut boxes = Vec::new();
        text_boxes(node, depth, &mut boxes);
        boxes.into_iter().for_each(|text_box| self.blocks(text_box, &List::default(), depth + 1));
    }

    /// The text of a paragraph; its notes are set aside.
    fn text(&mut self, node: Node<'_, '_>, depth: usize) -> String {
        let mut text = String::new();
        self.inline(node, &mut text, depth);
        text.trim().to_owned()
    }

    fn inline(&mut self, node: Node<'_, '_>, text: &mut String, depth: usize) {
        for child in node.children().filter(|_| depth <= MOST_DEPTH) {
            if child.is_text() {
                // White space is one space; more is written as elements.
                let mut blank = text.ends_with(char::is_whitespace) || text.is_empty();
                for c in child.text().unwrap_or_default().chars() {
                    if !(c.is_whitespace() && blank) {
                        text.push(if c.is_whitespace() { ' ' } else { c });
                    }
                    blank = c.is_whitespace();
                }
                continue;
            }
            match child.tag_name().name() {
                "s" => text.push(' '),
                "tab" => text.push('\t'),
                "line-break" => text.push('\n'),
                "note" => {
                    let note = child.child("note-body").map(|body| self.note(body, depth));
                    self.notes.extend(note.filter(|note| !note.is_empty()));
                }
                "annotation" | "text-box" | "soft-page-break" => {}
                _ => self.inline(child, text, depth + 1),
            }
        }
    }

    fn note(&mut self, body: Node<'_, '_>, depth: usize) -> String {
        let lines: Vec<String> = body.elements().map(|line| self.text(line, depth + 1)).collect();
        lines.join("\n")
    }

    fn table(&mut self, node: Node<'_, '_>, depth: usize) {
        let mut rows = Vec::new();
        self.rows(node, depth, &mut rows);
        self.out.push(BlockKind::Table, &table::markdown(&rows));
    }

    fn rows(&mut self, node: Node<'_, '_>, depth: usize, rows: &mut Vec<Vec<String>>) {
        for child in node.elements().filter(|_| depth <= MOST_DEPTH) {
            match child.name() {
                "table-row" => {
                    let cells = child.elements().filter(|cell| cell.name().ends_with("table-cell"));
                    let mut row = Vec::new();
                    for cell in cells {
                        let repeated = cell.value("number-columns-repeated");
                        let repeated = repeated.and_then(|n| n.parse().ok()).unwrap_or(1_usize);
                        let text = self.cell(cell, depth);
                        let room = table::MOST_COLUMNS.saturating_sub(row.len());
                        row.extend(std::iter::repeat_n(text, repeated.min(room)));
                    }
                    rows.push(row);
                }
                "table-header-rows" | "table-rows" | "table-row-group" => {
                    self.rows(child, depth + 1, rows)
                }
                _ => {}
            }
        }
    }

    fn cell(&mut self, cell: Node<'_, '_>, depth: usize) -> String {
        let mut lines = Vec::new();
        for node in cell.descendants().filter(|node| matches!(node.tag_name().name(), "p" | "h")) {
            lines.push(self.text(node, depth + 1));
        }
        lines.join("\n")
    }
}

/// Text boxes that stand in no other: what is in one is read with it, and once.
fn text_boxes<'a, 'i>(node: Node<'a, 'i>, depth: usize, boxes: &mut Vec<Node<'a, 'i>>) {
    for child in node.elements().filter(|_| depth <= MOST_DEPTH) {
        match child.name() {
            "text-box" => boxes.push(child),
            _ => text_boxes(child, depth + 1, boxes),
        }
    }
}

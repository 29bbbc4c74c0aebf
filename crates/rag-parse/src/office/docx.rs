//! DOCX: paragraphs, headings by style, numbered lists, tables, notes, text boxes, formulas.

use std::collections::HashMap;

use rag_core::{
    BlockKind, ParseError, ParseErrorKind, ParseRequest, ParsedDocument, PictureKind, Place,
};
use roxmltree::Node;

use super::docx_numbering::Lists;
use super::docx_styles::{self, Styles};
use super::relations::{self, Relations};
use super::xml::{self, Element, is_on};
use super::{drawing, math, properties};
use crate::archive::Archive;
use crate::builder::DocumentBuilder;
use crate::{ParseLimits, table};

/// Elements within elements, at most; text below is left out.
const MOST_DEPTH: usize = 200;

/// Reads a DOCX file, of the transitional or the strict edition.
///
/// # Errors
/// `Damaged`, `Encrypted`, `TooLarge`.
pub(crate) fn parse(
    request: &ParseRequest<'_>,
    limits: &ParseLimits,
) -> Result<ParsedDocument, ParseError> {
    let mut archive = Archive::open(request.bytes, limits)?;
    let main = relations::main_part(&mut archive, "word/document.xml")?;
    let relations = Relations::of(&mut archive, &main)?;
    let mut out = DocumentBuilder::new(limits.output_bytes);
    properties::read(&mut archive, "docProps/core.xml", &mut out)?;

    let mut part = |kind: &str| match relations.of_kind(kind) {
        Some(name) => archive.read(name),
        None => Ok(None),
    };
    let styles = part("styles")?.map(|bytes| Styles::read(&bytes)).unwrap_or_default();
    let lists = part("numbering")?.map(|bytes| Lists::read(&bytes)).unwrap_or_default();
    let notes = [("footnotes", "footnote"), ("endnotes", "endnote")];
    let mut texts = HashMap::new();
    for (kind, element) in notes {
        texts.extend(part(kind)?.map(|bytes| notes_of(&bytes, element)).unwrap_or_default());
    }

    let bytes = archive.need(&main)?;
    let text = xml::text(&bytes);
    let tree = xml::tree(&main, &text)?;
    let body = tree.root_element().child("body").ok_or_else(|| {
        ParseError::new(ParseErrorKind::Damaged, "the file's main part is no text document")
    })?;
    let mut writer = Writer {
        out,
        styles,
        lists,
        notes: texts,
        noted: Vec::new(),
        page: body.descendants().any(is_page_mark).then_some(1),
        pictures: request.pictures.then(Vec::new),
    };
    writer.place();
    writer.blocks(body, 0);
    writer.write_notes();
    let Writer { mut out, pictures, .. } = writer;
    for (block, id) in pictures.unwrap_or_default() {
        let picture = relations.target(&id).map(|name| archive.read(name)).transpose()?.flatten();
        if let Some((media_type, bytes)) = picture.and_then(drawing::picture) {
            out.picture_before(block, PictureKind::Figure, media_type, bytes);
        }
    }
    out.finish()
}

/// The texts of notes by kind and id.
fn notes_of(bytes: &[u8], element: &str) -> HashMap<(String, String), String> {
    let text = xml::text(bytes);
    let Ok(tree) = xml::tree(element, &text) else { return HashMap::new() };
    let notes = tree.root_element().elements().filter(|node| node.name() == element);
    notes
        // Those with a type are lines that part notes from text.
        .filter(|node| node.value("type").is_none_or(|kind| kind == "normal"))
        .filter_map(|node| {
            let mut text = Inline::default();
            text.read(node, 0);
            Some(((element.to_owned(), node.value("id")?.to_owned()), text.text.trim().to_owned()))
        })
        .collect()
}

struct Writer {
    out: DocumentBuilder,
    styles: Styles,
    lists: Lists,
    notes: HashMap<(String, String), String>,
    /// Notes that the text refers to, in order.
    noted: Vec<(String, String)>,
    /// The page, for files that carry marks of pages.
    page: Option<u32>,
    /// Blocks and the images before them, when images are wanted.
    pictures: Option<Vec<(usize, String)>>,
}

impl Writer {
    fn place(&mut self) {
        self.out.set_place(Place { page: self.page, bounds: None });
    }

    fn blocks(&mut self, node: Node<'_, '_>, depth: usize) {
        for child in node.elements() {
            if self.out.is_full() || depth > MOST_DEPTH {
                return;
            }
            match child.name() {
                "p" => self.paragraph(child, depth),
                "tbl" => self.table(child, depth),
                "sectPr" | "del" | "moveFrom" => {}
                "AlternateContent" => {
                    child.elements().take(1).for_each(|choice| self.blocks(choice, depth + 1));
                }
                _ => self.blocks(child, depth + 1),
            }
        }
    }

    fn paragraph(&mut self, node: Node<'_, '_>, depth: usize) {
        let mut inline = Inline::default();
        inline.read(node, depth);
        self.noted.append(&mut inline.notes);
        if inline.breaks_before > 0 {
            self.turn(inline.breaks_before);
        }
        self.write(node, inline.text.trim());
        if let Some(pictures) = &mut self.pictures {
            let block = self.out.blocks();
            pictures.extend(inline.images.into_iter().map(|id| (block, id)));
        }
        for text_box in inline.text_boxes {
            self.blocks(text_box, depth + 1);
        }
        if inline.breaks_after > 0 {
            self.turn(inline.breaks_after);
        }
    }

    fn turn(&mut self, pages: u32) {
        self.page = self.page.map(|page| page.saturating_add(pages));
        self.place();
    }

    /// A paragraph as what its style and numbering make it.
    fn write(&mut self, node: Node<'_, '_>, text: &str) {
        let properties = node.child("pPr");
        let style = properties.and_then(|p| p.val("pStyle")).unwrap_or_default();
        let own = properties.and_then(|p| p.val("outlineLvl")?.parse::<u8>().ok());
        let heading = own.filter(|level| *level < 9).map(|level| level + 1);
        let heading = heading.or_else(|| self.styles.heading(style));
        let mark = self.mark(properties, style).filter(|_| !text.is_empty());
        if let Some(level) = heading {
            if self.styles.is_title(style) {
                self.out.title(text);
            }
            let number = mark.filter(|mark| mark.0.is_number).map(|mark| mark.0.text);
            let numbered = format!("{}{text}", number.unwrap_or_default());
            return self.out.heading(level.into(), &numbered);
        }
        match mark {
            Some((mark, depth)) => self.out.item(depth, &mark.text, text),
            None if self.styles.is_list(style) => self.out.item(0, "- ", text),
            None => self.out.push(BlockKind::Paragraph, text),
        }
    }

    /// The mark of a list item, and how deep it is.
    fn mark(
        &mut self,
        properties: Option<Node<'_, '_>>,
        style: &str,
    ) -> Option<(super::docx_numbering::Mark, usize)> {
        let own = properties.and_then(docx_styles::numbering);
        let of_style = self.styles.numbering(style);
        let list = own.as_ref().and_then(|own| own.list.clone());
        let list = list.or_else(|| of_style.as_ref()?.list.clone())?;
        let level = own.and_then(|own| own.level).or(of_style.and_then(|style| style.level));
        let level = level.unwrap_or(0).min(8);
        // List 0 takes a paragraph out of the list of its style.
        let mark = self.lists.next(&list, level).filter(|_| list != "0")?;
        Some((mark, level))
    }

    fn table(&mut self, node: Node<'_, '_>, depth: usize) {
        let mut rows: Vec<Vec<String>> = Vec::new();
        for row in rows_of(node) {
            let mut cells: Vec<String> = Vec::new();
            let skipped = row.child("trPr").and_then(|p| p.val("gridBefore")?.parse().ok());
            cells.extend(std::iter::repeat_n(
                String::new(),
                skipped.unwrap_or(0usize).min(table::MOST_COLUMNS),
            ));
            for cell in cells_of(row) {
                let span = cell.child("tcPr").and_then(|p| p.val("gridSpan")?.parse().ok());
                let merged = cell.child("tcPr").and_then(|p| p.child("vMerge"));
                let goes_on =
                    merged.is_some_and(|merge| merge.value("val").is_none_or(|v| v == "continue"));
                let text = match goes_on {
                    true => String::new(),
                    false => self.cell(cell, depth),
                };
                cells.push(text);
                let more = span.unwrap_or(1usize).clamp(1, table::MOST_COLUMNS) - 1;
                cells.extend(std::iter::repeat_n(String::new(), more));
            }
            rows.push(cells);
        }
        let is_frame = rows.len() == 1 && rows.iter().all(|row| row.len() == 1);
        match rows.first().and_then(|row| row.first()) {
            // A table of one cell is a frame around text.
            Some(text) if is_frame => self.out.push(BlockKind::Paragraph, text),
            _ => self.out.push(BlockKind::Table, &table::markdown(&rows)),
        }
    }

    /// The text of a cell, its paragraphs on lines of their own.
    fn cell(&mut self, cell: Node<'_, '_>, depth: usize) -> String {
        let mut lines = Vec::new();
        self.lines(cell, depth + 1, &mut lines);
        lines.join("\n")
    }

    fn lines(&mut self, node: Node<'_, '_>, depth: usize, lines: &mut Vec<String>) {
        for child in node.elements() {
            match child.name() {
                _ if depth > MOST_DEPTH => return,
                "p" => {
                    let mut inline = Inline::default();
                    inline.read(child, depth);
                    self.noted.append(&mut inline.notes);
                    let properties = child.child("pPr");
                    let style = properties.and_then(|p| p.val("pStyle")).unwrap_or_default();
                    let text = inline.text.trim();
                    let mark = self.mark(properties, style).filter(|_| !text.is_empty());
                    let mark = mark.map(|(mark, _)| mark.text).unwrap_or_default();
                    lines.push(format!("{mark}{text}"));
                    inline
                        .text_boxes
                        .into_iter()
                        .for_each(|text_box| self.lines(text_box, depth + 1, lines));
                }
                "tcPr" | "tblPr" | "tblGrid" | "del" => {}
                _ => self.lines(child, depth + 1, lines),
            }
        }
    }

    fn write_notes(&mut self) {
        for (number, note) in std::mem::take(&mut self.noted).into_iter().enumerate() {
            if let Some(text) = self.notes.get(&note).filter(|text| !text.is_empty()) {
                let text = format!("[{}] {text}", number + 1);
                self.out.push(BlockKind::Paragraph, &text);
            }
        }
    }
}

fn rows_of<'a, 'i>(table: Node<'a, 'i>) -> impl Iterator<Item = Node<'a, 'i>> {
    unwrapped(table).filter(|node| node.name() == "tr")
}

fn cells_of<'a, 'i>(row: Node<'a, 'i>) -> impl Iterator<Item = Node<'a, 'i>> {
    unwrapped(row).filter(|node| node.name() == "tc")
}

/// Elements, and those within content controls.
fn unwrapped<'a, 'i>(node: Node<'a, 'i>) -> impl Iterator<Item = Node<'a, 'i>> {
    node.elements().flat_map(|child| {
        let content = (child.name() == "sdt").then(|| child.child("sdtContent")).flatten();
        let alone = content.is_none().then_some(child);
        content.into_iter().flat_map(|content| content.elements().collect::<Vec<_>>()).chain(alone)
    })
}

fn is_page_mark(node: Node<'_, '_>) -> bool {
    node.tag_name().name() == "lastRenderedPageBreak"
}

/// The text of a paragraph, and what stands in it that is no text.
#[derive(Default)]
struct Inline<'a, 'i> {
    text: String,
    notes: Vec<(String, String)>,
    text_boxes: Vec<Node<'a, 'i>>,
    images: Vec<String>,
    breaks_before: u32,
    breaks_after: u32,
}

impl<'a, 'i> Inline<'a, 'i> {
    fn read(&mut self, node: Node<'a, 'i>, depth: usize) {
        for child in node.elements() {
            if depth > MOST_DEPTH {
                return;
            }
            match child.name() {
                "t" => self.text.push_str(child.text().unwrap_or_default()),
                "tab" => self.text.push('\t'),
                "br" if child.value("type") == Some("page") => {}
                "br" | "cr" => self.text.push('\n'),
                "noBreakHyphen" => self.text.push('\u{2011}'),
                "lastRenderedPageBreak" if self.text.trim().is_empty() => self.breaks_before += 1,
                "lastRenderedPageBreak" => self.breaks_after += 1,
                "oMath" => self.text.push_str(&math::linear(child)),
                "footnoteReference" => self.note("footnote", child),
                "endnoteReference" => self.note("endnote", child),
                "txbxContent" => self.text_boxes.push(child),
                "blip" => self.images.extend(child.value("embed").map(str::to_owned)),
                // Both say the same; the first is the newer form.
                "AlternateContent" => {
                    child.elements().take(1).for_each(|choice| self.read(choice, depth + 1));
                }
                "del" | "moveFrom" | "pPr" | "instrText" | "delText" => {}
                "r" if is_hidden(child) => {}
                "p" if !self.text.is_empty() => {
                    self.text.push('\n');
                    self.read(child, depth + 1);
                }
                _ => self.read(child, depth + 1),
            }
        }
    }

    fn note(&mut self, kind: &str, reference: Node<'_, '_>) {
        if let Some(id) = reference.value("id") {
            self.notes.push((kind.to_owned(), id.to_owned()));
        }
    }
}

fn is_hidden(run: Node<'_, '_>) -> bool {
    let vanish = run.child("rPr").and_then(|p| p.child("vanish"));
    vanish.is_some_and(|vanish| is_on(vanish.value("val")))
}

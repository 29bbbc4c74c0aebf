//! PPTX: a page for each slide, with its title, text, tables, charts and notes.

use rag_core::{BlockKind, ParseError, ParseRequest, ParsedDocument, PictureKind, Place};
use roxmltree::Node;

use super::relations::{self, Relations};
use super::xml::{self, Element, is_on};
use super::{drawing, properties};
use crate::archive::Archive;
use crate::builder::DocumentBuilder;
use crate::{ParseLimits, table};

/// Groups within groups, at most.
const MOST_DEPTH: usize = 64;
/// More slides than anybody shows.
const MOST_SLIDES: usize = 10_000;

/// Reads a PPTX file.
///
/// # Errors
/// `Damaged`, `Encrypted`, `TooLarge`. A slide that is broken is a warning.
pub(crate) fn parse(
    request: &ParseRequest<'_>,
    limits: &ParseLimits,
) -> Result<ParsedDocument, ParseError> {
    let mut archive = Archive::open(request.bytes, limits)?;
    let main = relations::main_part(&mut archive, "ppt/presentation.xml")?;
    let relations = Relations::of(&mut archive, &main)?;
    let mut out = DocumentBuilder::new(limits.output_bytes);
    properties::read(&mut archive, "docProps/core.xml", &mut out)?;
    let slides = slides(&mut archive, &main, &relations)?;
    for (number, name) in (1_u32..).zip(slides.into_iter().take(MOST_SLIDES)) {
        let wanted = request.pages.is_empty()
            || request.pages.iter().any(|(first, last)| (*first..=*last).contains(&number));
        if !wanted || out.is_full() {
            continue;
        }
        out.set_place(Place { page: Some(number), bounds: None });
        if let Err(error) = slide(&mut archive, &name, request.pictures, &mut out) {
            out.warn(format!("slide {number} is not read: {}", error.reason));
        }
    }
    out.finish()
}

/// The slides' parts in the order of the presentation.
fn slides(
    archive: &mut Archive<'_>,
    main: &str,
    relations: &Relations,
) -> Result<Vec<String>, ParseError> {
    let bytes = archive.need(main)?;
    let text = xml::text(&bytes);
    let tree = xml::tree(main, &text)?;
    let list = tree.root_element().child("sldIdLst");
    let ids = list.into_iter().flat_map(|list| list.elements().collect::<Vec<_>>());
    // An id of the list itself has no namespace, the one of the relation has.
    let relation = |node: &Node<'_, '_>| {
        let mut attributes = node.attributes().filter(|found| found.name() == "id");
        attributes.find(|found| found.namespace().is_some()).map(|found| found.value().to_owned())
    };
    let names = ids.filter_map(|node| relations.target(&relation(&node)?).map(str::to_owned));
    Ok(names.collect())
}

fn slide(
    archive: &mut Archive<'_>,
    name: &str,
    pictures: bool,
    out: &mut DocumentBuilder,
) -> Result<(), ParseError> {
    let relations = Relations::of(archive, name)?;
    let bytes = archive.need(name)?;
    let text = xml::text(&bytes);
    let tree = xml::tree(name, &text)?;
    let root = tree.root_element();
    if !is_on(root.value("show")) {
        out.warn(format!("{name} is hidden in the presentation"));
    }
    let mut shapes = Vec::new();
    gather(root, 0, &mut shapes);
    // The title comes first, wherever it was drawn.
    shapes.sort_by_key(|shape| !is_title(*shape));
    for shape in shapes {
        match shape.name() {
            "graphicFrame" => frame(archive, &relations, shape, out)?,
            "pic" if pictures => {
                let image = shape.descendants().find(|node| node.tag_name().name() == "blip");
                let id = image.and_then(|image| image.value("embed"));
                let name = id.and_then(|id| relations.target(id));
                let bytes = name.map(|name| archive.read(name)).transpose()?.flatten();
                if let Some((media_type, bytes)) = bytes.and_then(drawing::picture) {
                    out.picture(PictureKind::Figure, media_type, bytes);
                }
            }
            "sp" => text_of(shape, out),
            _ => {}
        }
    }
    notes(archive, &relations, out)
}

/// Shapes in the order in which they are drawn, those of groups among them.
fn gather<'a, 'i>(node: Node<'a, 'i>, depth: usize, shapes: &mut Vec<Node<'a, 'i>>) {
    for child in node.elements().filter(|_| depth < MOST_DEPTH) {
        match child.name() {
            "sp" | "graphicFrame" | "pic" => shapes.push(child),
            "AlternateContent" => {
                child.elements().take(1).for_each(|choice| gather(choice, depth + 1, shapes));
            }
            _ => gather(child, depth + 1, shapes),
        }
    }
}

/// The kind of place in the layout that a shape fills.
fn placeholder<'a>(shape: Node<'a, '_>) -> Option<&'a str> {
    let place = shape.child("nvSpPr")?.child("nvPr")?.child("ph")?;
    Some(place.value("type").unwrap_or("body"))
}

fn is_title(shape: Node<'_, '_>) -> bool {
    matches!(placeholder(shape), Some("title" | "ctrTitle"))
}

fn text_of(shape: Node<'_, '_>, out: &mut DocumentBuilder) {
    let place = placeholder(shape);
    if matches!(place, Some("sldNum" | "dt" | "ftr" | "hdr")) {
        return;
    }
    let Some(body) = shape.child("txBody") else { return };
    if is_title(shape) {
        let lines: Vec<String> = paragraphs(body).map(text).collect();
        let title = lines.join(" ");
        out.title(&title);
        return out.heading(1, &title);
    }
    let mut number = 0;
    for paragraph in paragraphs(body) {
        let properties = paragraph.child("pPr");
        let level = properties.and_then(|p| p.value("lvl")?.parse().ok()).unwrap_or(0);
        let has = |name: &str| properties.is_some_and(|p| p.child(name).is_some());
        let text = text(paragraph);
        // Text in the layout's place for it has bullets unless it says otherwise.
        let in_body = place == Some("body") && !has("buNone");
        number = if has("buAutoNum") { number + 1 } else { 0 };
        match number {
            0 if place == Some("subTitle") => out.heading(2, &text),
            0 if in_body || has("buChar") || has("buBlip") => out.item(level, "- ", &text),
            0 => out.push(BlockKind::Paragraph, &text),
            number => out.item(level, &format!("{number}. "), &text),
        }
    }
}

fn paragraphs<'a, 'i>(body: Node<'a, 'i>) -> impl Iterator<Item = Node<'a, 'i>> {
    body.elements().filter(|node| node.name() == "p")
}

/// The text of a paragraph.
fn text(paragraph: Node<'_, '_>) -> String {
    let mut text = String::new();
    for node in paragraph.descendants().filter(Node::is_element) {
        match node.tag_name().name() {
            "t" => text.push_str(node.text().unwrap_or_default()),
            "br" => text.push('\n'),
            "tab" => text.push('\t'),
            _ => {}
        }
    }
    text
}

/// A table or a chart.
fn frame(
    archive: &mut Archive<'_>,
    relations: &Relations,
    frame: Node<'_, '_>,
    out: &mut DocumentBuilder,
) -> Result<(), ParseError> {
    let mut inner = frame.descendants().filter(Node::is_element);
    let Some(found) = inner.find(|node| matches!(node.tag_name().name(), "tbl" | "chart")) else {
        return Ok(());
    };
    if found.name() == "tbl" {
        out.push(BlockKind::Table, &table::markdown(&rows(found)));
        return Ok(());
    }
    let name = found.value("id").and_then(|id| relations.target(id));
    if let Some((name, bytes)) = name.map(|name| Ok((name, archive.need(name)?))).transpose()? {
        chart(name, &bytes, out);
    }
    Ok(())
}

fn rows(found: Node<'_, '_>) -> Vec<Vec<String>> {
    let rows = found.elements().filter(|node| node.name() == "tr");
    let cell = |cell: Node<'_, '_>| {
        let goes_on = |name: &str| cell.value(name).is_some_and(|value| is_on(Some(value)));
        let body = cell.child("txBody").filter(|_| !goes_on("hMerge") && !goes_on("vMerge"));
        let lines: Vec<String> = body
            .into_iter()
            .flat_map(|body| paragraphs(body).map(text).collect::<Vec<_>>())
            .collect();
        lines.join("\n")
    };
    rows.map(|row| row.elements().filter(|node| node.name() == "tc").map(cell).collect()).collect()
}

/// A chart as a table: categories down, series across.
fn chart(name: &str, bytes: &[u8], out: &mut DocumentBuilder) {
    let text_of_part = xml::text(bytes);
    let Ok(tree) = xml::tree(name, &text_of_part) else {
        return out.warn(format!("{name} is broken"));
    };
    let title = tree.descendants().find(|node| node.tag_name().name() == "title");
    if let Some(title) = title.map(text).filter(|title| !title.trim().is_empty()) {
        out.push(BlockKind::Caption, &title);
    }
    let values = |node: Option<Node<'_, '_>>| -> Vec<String> {
        let points = node.into_iter().flat_map(|node| node.descendants().collect::<Vec<_>>());
        let points = points.filter(|node| node.tag_name().name() == "v");
        points.map(|point| point.text().unwrap_or_default().to_owned()).collect()
    };
    let mut columns: Vec<Vec<String>> = Vec::new();
    for series in tree.descendants().filter(|node| node.tag_name().name() == "ser") {
        if columns.is_empty() {
            let categories = values(series.child("cat").or(series.child("xVal")));
            columns.push(std::iter::once(String::new()).chain(categories).collect());
        }
        let name = values(series.child("tx")).join(" ");
        let numbers = values(series.child("val").or(series.child("yVal")));
        columns.push(std::iter::once(name).chain(numbers).collect());
    }
    let height = columns.iter().map(Vec::len).max().unwrap_or(0);
    let row =
        |row: usize| columns.iter().map(|c| c.get(row).cloned().unwrap_or_default()).collect();
    let rows: Vec<Vec<String>> = (0..height).map(row).collect();
    out.push(BlockKind::Table, &table::markdown(&rows));
}

/// What the speaker wrote for a slide.
fn notes(
    archive: &mut Archive<'_>,
    relations: &Relations,
    out: &mut DocumentBuilder,
) -> Result<(), ParseError> {
    let Some(name) = relations.of_kind("notesSlide") else { return Ok(()) };
    let Some(bytes) = archive.read(name)? else { return Ok(()) };
    let text_of_part = xml::text(&bytes);
    let tree = xml::tree(name, &text_of_part)?;
    let mut shapes = Vec::new();
    gather(tree.root_element(), 0, &mut shapes);
    for shape in shapes.into_iter().filter(|shape| placeholder(*shape) == Some("body")) {
        let body = shape.child("txBody");
        let lines =
            body.into_iter().flat_map(|body| paragraphs(body).map(text).collect::<Vec<_>>());
        out.push(BlockKind::Quote, &lines.collect::<Vec<_>>().join("\n"));
    }
    Ok(())
}

//! EPUB: the chapters of a book in reading order.

use rag_core::{MetadataValue, OutlineEntry, ParseError, ParseErrorKind, ParsedDocument};
use roxmltree::{Document, Node, ParsingOptions};

use crate::archive::{Archive, resolve};
use crate::builder::DocumentBuilder;
use crate::{ParseLimits, encoding, html};

/// Chapters, at most.
const MOST_CHAPTERS: usize = 10_000;
/// Entries of the outline, at most.
const MOST_ENTRIES: usize = 2_000;

/// Reads an EPUB file.
///
/// # Errors
/// `Damaged`, `Encrypted`, `TooLarge`. A chapter that is broken is a warning.
pub(crate) fn parse(bytes: &[u8], limits: &ParseLimits) -> Result<ParsedDocument, ParseError> {
    let mut archive = Archive::open(bytes, limits)?;
    let container = text(&archive.need("META-INF/container.xml")?);
    let package_name = tree("META-INF/container.xml", &container)?
        .descendants()
        .find_map(|node| node.attribute("full-path").map(str::to_owned))
        .ok_or_else(|| damaged("the file does not say where its book is"))?;
    let package = text(&archive.need(&package_name)?);
    let package = tree(&package_name, &package)?;

    let mut out = DocumentBuilder::new(limits.output_bytes);
    properties(&package, &mut out);
    let items: Vec<Node<'_, '_>> = elements(&package, "item").collect();
    let by_id = |id: &str| items.iter().find(|item| item.attribute("id") == Some(id));
    let chapters = elements(&package, "itemref").filter_map(|chapter| {
        let item = by_id(chapter.attribute("idref")?)?;
        Some(resolve(&package_name, &percent_decoded(item.attribute("href")?)))
    });
    for name in chapters.take(MOST_CHAPTERS) {
        match archive.read(&name)? {
            Some(bytes) => {
                if let Some(chapter) = html::fragment(&text(&bytes), limits) {
                    out.append(chapter);
                }
            }
            None => out.warn(format!("the chapter `{name}` is missing")),
        }
        if out.is_full() {
            break;
        }
    }
    let contents =
        items.iter().find(|item| item.attribute("media-type") == Some("application/x-dtbncx+xml"));
    if let Some(href) = contents.and_then(|item| item.attribute("href")) {
        let name = resolve(&package_name, &percent_decoded(href));
        if let Some(bytes) = archive.read(&name)? {
            outline(&text(&bytes), &mut out);
        }
    }
    out.finish()
}

fn damaged(reason: &str) -> ParseError {
    ParseError::new(ParseErrorKind::Damaged, reason)
}

fn text(bytes: &[u8]) -> String {
    encoding::decode(bytes, None).text
}

fn tree<'a>(name: &str, text: &'a str) -> Result<Document<'a>, ParseError> {
    // Old books name a document type; its entities are not read.
    let options = ParsingOptions { allow_dtd: true, nodes_limit: 1 << 20, ..Default::default() };
    Document::parse_with_options(text, options)
        .map_err(|error| damaged(&format!("the part `{name}` of the file is broken: {error}")))
}

fn elements<'a, 'i>(
    tree: &'a Document<'i>,
    name: &'static str,
) -> impl Iterator<Item = Node<'a, 'i>> {
    tree.descendants().filter(move |node| node.tag_name().name() == name)
}

fn properties(package: &Document<'_>, out: &mut DocumentBuilder) {
    const FIELDS: [(&str, &str); 7] = [
        ("creator", "author"),
        ("language", "language"),
        ("publisher", "publisher"),
        ("date", "created"),
        ("subject", "subject"),
        ("description", "description"),
        ("identifier", "identifier"),
    ];
    let metadata = elements(package, "metadata").next();
    for node in metadata.into_iter().flat_map(|metadata| metadata.children()) {
        let value = node.text().unwrap_or_default().trim();
        let name = node.tag_name().name();
        if value.is_empty() {
            continue;
        }
        if name == "title" {
            out.title(value);
        }
        if let Some((_, field)) = FIELDS.iter().find(|(element, _)| *element == name) {
            let value = MetadataValue::Text(value.to_owned());
            out.metadata().entry((*field).to_owned()).or_insert(value);
        }
    }
}

/// The outline of an older book; that of a newer one is among its chapters.
fn outline(text: &str, out: &mut DocumentBuilder) {
    let Ok(contents) = tree("contents", text) else { return };
    for point in elements(&contents, "navPoint").take(MOST_ENTRIES) {
        let is_point = |node: &Node<'_, '_>| node.tag_name().name() == "navPoint";
        let level = point.ancestors().filter(is_point).count();
        let label = point.children().find(|node| node.tag_name().name() == "navLabel");
        let title = label.into_iter().flat_map(|label| label.descendants());
        let title: String = title.filter(Node::is_text).filter_map(|node| node.text()).collect();
        let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
        if !title.is_empty() {
            let level = u8::try_from(level).unwrap_or(u8::MAX);
            out.outline_entry(OutlineEntry { level, title, page: None });
        }
    }
}

/// `a%20b` is `a b`.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte.filter(|_| *first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

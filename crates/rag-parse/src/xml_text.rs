//! XML of any kind as text: prose as paragraphs, titles as headings, small values as lines `name: value`.

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};
use rag_core::{BlockKind, ParseError, ParseErrorKind, ParsedDocument};

use crate::builder::DocumentBuilder;
use crate::{ParseLimits, encoding, html, table};

/// Reads XML. Entities of a document type are not expanded. Markup that breaks off ends the text with a warning.
///
/// # Errors
/// `Damaged` when nothing could be read before the markup broke, `TooLarge` for elements nested too deeply or too much
/// text.
pub(crate) fn parse(bytes: &[u8], limits: &ParseLimits) -> Result<ParsedDocument, ParseError> {
    let decoded = encoding::decode(bytes, declared_encoding(bytes));
    let mut writer = Writer::new(limits);
    encoding::warning(&decoded).into_iter().for_each(|warning| writer.out.warn(warning));
    let mut reader = Reader::from_str(&decoded.text);
    let broken = loop {
        match reader.read_event() {
            Ok(Event::Eof) => break None,
            Ok(event) => writer.take(event)?,
            Err(error) => break Some(error),
        }
        if writer.out.is_full() {
            break None;
        }
    };
    writer.end_all();
    if let Some(error) = broken {
        let position = usize::try_from(reader.error_position()).unwrap_or(usize::MAX);
        let before = decoded.text.get(..position).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let reason = format!("the XML is broken at line {line}: {error}").replace('\n', " ");
        if writer.out.blocks() == 0 {
            return Err(ParseError::new(ParseErrorKind::Damaged, reason));
        }
        writer.out.warn(format!("{reason}; what follows is not read"));
    }
    writer.out.finish()
}

/// The encoding that the XML declaration names.
fn declared_encoding(bytes: &[u8]) -> Option<&'static encoding_rs::Encoding> {
    let start = bytes.get(..200).unwrap_or(bytes);
    let declaration = String::from_utf8_lossy(start);
    let (_, rest) = declaration.strip_prefix("<?xml")?.split_once("encoding=")?;
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    encoding::for_label(rest.get(1..)?.split(quote).next()?.as_bytes())
}

/// What an element is, by its name in the vocabularies of articles, books and feeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Title,
    Prose,
    Item,
    Quote,
    Caption,
    Code,
    Table,
    Row,
    Cell,
    /// Markup within text.
    Inline,
    /// Anything else: a value, or a group of elements.
    Other,
}

const ROLES: [(Role, &[&str]); 10] = [
    (Role::Title, &["title", "article-title", "head", "heading"]),
    (Role::Prose, &["p", "para", "simpara", "paragraph", "shortdesc", "note", "l"]),
    (Role::Item, &["li", "listitem", "list-item"]),
    (Role::Quote, &["blockquote", "disp-quote", "quote"]),
    (Role::Caption, &["caption", "figcaption"]),
    (Role::Code, &["code", "codeblock", "programlisting", "screen", "pre", "preformat"]),
    (Role::Table, &["table", "informaltable"]),
    (Role::Row, &["tr", "row"]),
    (Role::Cell, &["td", "th", "entry"]),
    (
        Role::Inline,
        &[
            "b", "bold", "i", "italic", "em", "emphasis", "strong", "sup", "sub", "a", "u", "span",
            "xref", "ext-link", "link", "ulink", "hi", "ref", "tt", "q", "abbrev", "acronym",
        ],
    ),
];

fn role(name: &str) -> Role {
    let found = ROLES.iter().find(|(_, names)| names.contains(&name));
    found.map_or(Role::Other, |(role, _)| *role)
}

struct Writer<'a> {
    out: DocumentBuilder,
    limits: &'a ParseLimits,
    open: Vec<Element>,
    /// Elements open within the text of the last one of `open`.
    inline: usize,
    /// Of the table that is open.
    rows: Option<Vec<Vec<String>>>,
}

struct Element {
    name: String,
    role: Role,
    text: String,
    has_children: bool,
    /// Its attributes, for when there is nothing else.
    attributes: String,
    /// Values in it that no block holds yet.
    lines: String,
}

/// Longer values are paragraphs.
const LONG_VALUE: usize = 300;

impl<'a> Writer<'a> {
    fn new(limits: &'a ParseLimits) -> Self {
        let out = DocumentBuilder::new(limits.output_bytes);
        Self { out, limits, open: Vec::new(), inline: 0, rows: None }
    }

    fn take(&mut self, event: Event<'_>) -> Result<(), ParseError> {
        match event {
            Event::Start(element) => self.start(&element)?,
            Event::Empty(element) => {
                self.start(&element)?;
                self.end();
            }
            Event::End(_) => self.end(),
            Event::Text(text) => self.text(&text.xml10_content()),
            Event::CData(text) => self.text(&text.xml10_content()),
            Event::GeneralRef(reference) => self.text(&character(&reference)),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) | Event::Eof => {}
        }
        Ok(())
    }

    fn start(&mut self, element: &BytesStart<'_>) -> Result<(), ParseError> {
        if self.open.len() + self.inline >= self.limits.html_depth {
            let most = self.limits.html_depth;
            let reason = format!("the XML nests elements more than {most} deep");
            return Err(ParseError::new(ParseErrorKind::TooLarge, reason));
        }
        let name = element.local_name().as_ref().to_ascii_lowercase();
        let role = self.role_here(&name);
        if role == Role::Inline {
            self.inline += 1;
            return Ok(());
        }
        if role == Role::Table {
            self.flush_lines();
            self.rows = Some(Vec::new());
        }
        if role == Role::Row
            && let Some(rows) = &mut self.rows
        {
            rows.push(Vec::new());
        }
        if let Some(parent) = self.open.last_mut() {
            parent.has_children = true;
        }
        self.open.push(Element {
            name,
            role,
            text: String::new(),
            has_children: false,
            attributes: attributes(element),
            lines: String::new(),
        });
        Ok(())
    }

    /// Whatever stands within prose, or after text of the same element, is part of that text.
    fn role_here(&self, name: &str) -> Role {
        let Some(parent) = self.open.last() else {
            return if role(name) == Role::Table { Role::Table } else { Role::Other };
        };
        let in_prose = !matches!(parent.role, Role::Other | Role::Table | Role::Row);
        if self.inline > 0 || in_prose || !parent.text.trim().is_empty() {
            return Role::Inline;
        }
        match (role(name), &self.rows) {
            // A feed has links that are values, an article has them within text.
            (Role::Inline, _) | (Role::Row | Role::Cell, None) | (Role::Table, Some(_)) => {
                Role::Other
            }
            (role, _) => role,
        }
    }

    fn text(&mut self, text: &str) {
        if let Some(element) = self.open.last_mut() {
            element.text.push_str(text);
        }
    }

    fn end(&mut self) {
        if self.inline > 0 {
            self.inline -= 1;
            return;
        }
        let Some(element) = self.open.pop() else { return };
        let text = match element.role {
            Role::Code => element.text.clone(),
            _ => element.text.split_whitespace().collect::<Vec<_>>().join(" "),
        };
        match element.role {
            Role::Title => self.title(&text),
            Role::Prose => self.push(BlockKind::Paragraph, &text),
            Role::Item => self.item(&text),
            Role::Quote => self.push(BlockKind::Quote, &text),
            Role::Caption => self.push(BlockKind::Caption, &text),
            Role::Code => {
                self.flush_lines();
                self.out.code(None, &text);
            }
            Role::Table => self.table(),
            Role::Cell => self.cell(text),
            Role::Row | Role::Inline => {}
            Role::Other => self.other(&element, &text),
        }
    }

    fn end_all(&mut self) {
        self.inline = 0;
        while !self.open.is_empty() {
            self.end();
        }
    }

    fn title(&mut self, text: &str) {
        self.flush_lines();
        self.out.title(text);
        self.out.heading(self.open.len().saturating_sub(1), text);
    }

    fn item(&mut self, text: &str) {
        self.flush_lines();
        self.out.item(0, "- ", text);
    }

    fn table(&mut self) {
        let rows = self.rows.take().unwrap_or_default();
        self.push(BlockKind::Table, &table::markdown(&rows));
    }

    fn cell(&mut self, text: String) {
        if let Some(row) = self.rows.as_mut().and_then(|rows| rows.last_mut()) {
            row.push(text);
        }
    }

    fn other(&mut self, element: &Element, text: &str) {
        if element.has_children {
            self.push(BlockKind::Paragraph, &element.lines);
            return self.push(BlockKind::Paragraph, text);
        }
        let is_markup = text.contains("</") || text.contains("<p>") || text.contains("<br");
        if is_markup && let Some(fragment) = html::fragment(text, self.limits) {
            self.flush_lines();
            return self.out.append(fragment);
        }
        let value = if text.is_empty() { element.attributes.as_str() } else { text };
        match self.open.last_mut() {
            _ if value.is_empty() => {}
            Some(parent) if value.len() <= LONG_VALUE => {
                parent.lines.push_str(&format!("{}: {value}\n", element.name));
            }
            _ => self.push(BlockKind::Paragraph, value),
        }
    }

    fn push(&mut self, kind: BlockKind, text: &str) {
        if !text.is_empty() {
            self.flush_lines();
            self.out.push(kind, text);
        }
    }

    /// Values stand before the blocks that follow them.
    fn flush_lines(&mut self) {
        for element in &mut self.open {
            let lines = std::mem::take(&mut element.lines);
            self.out.push(BlockKind::Paragraph, &lines);
        }
    }
}

/// `name=value` of each attribute that is not for programs.
fn attributes(element: &BytesStart<'_>) -> String {
    let mut all = Vec::new();
    for attribute in element.attributes().with_checks(false).flatten() {
        let name = attribute.key.as_ref();
        let value = attribute.value.trim();
        if !name.starts_with("xml") && !value.is_empty() {
            let value = quick_xml::escape::unescape(value).unwrap_or(value.into());
            all.push(format!("{name}={value}"));
        }
    }
    all.join(", ")
}

/// What a reference stands for; entities that nobody knows stay as they are.
fn character(reference: &BytesRef<'_>) -> String {
    let name = reference.xml10_content();
    match reference.resolve_char_ref() {
        Ok(Some(c)) => c.to_string(),
        _ => match resolve_predefined_entity(&name) {
            Some(text) => text.to_owned(),
            None if name == "nbsp" => " ".to_owned(),
            None => format!("&{name};"),
        },
    }
}

#[cfg(test)]
mod tests;

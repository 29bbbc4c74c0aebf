//! HTML: the main content of a page, without what surrounds it on every page.

mod blocks;
mod properties;
mod table;

use dom_query::{Document, NodeRef};
use dom_smoothie::{Config, Readability};
use encoding_rs::Encoding;
use rag_core::{ParseError, ParseErrorKind, ParsedDocument};

use crate::ParseLimits;
use crate::encoding;

/// Reads a page.
///
/// Deeply nested markup costs more than linear time before its depth is known: whoever reads pages of strangers does
/// it where it can be stopped.
///
/// # Errors
/// `TooLarge` for markup nested too deeply, `NoText`.
pub(crate) fn parse(bytes: &[u8], limits: &ParseLimits) -> Result<ParsedDocument, ParseError> {
    let decoded = encoding::decode(bytes, declared_encoding(bytes));
    let warnings = encoding::warning(&decoded).into_iter().collect();
    let page = Document::from(decoded.text);
    check_depth(&page.root(), limits.html_depth)?;

    let (title, metadata) = (title(&page), properties::of(&page));
    let content = main_content(page, limits.output_bytes)?;
    if content.blocks.is_empty() {
        return Err(ParseError::new(ParseErrorKind::NoText, "the page holds no text"));
    }
    Ok(ParsedDocument { title, metadata, warnings, ..content })
}

/// Reads a piece of markup whole, as it stands in feeds and Markdown; `None` if it holds no text, or is nested too
/// deeply.
pub(crate) fn fragment(markup: &str, limits: &ParseLimits) -> Option<ParsedDocument> {
    let page = Document::from(markup);
    check_depth(&page.root(), limits.html_depth).ok()?;
    let parsed = blocks::of(&page.root(), limits.output_bytes).ok()?;
    (!parsed.blocks.is_empty()).then_some(parsed)
}

/// The encoding that a `meta` element names. It may stand far down, after long comments.
fn declared_encoding(bytes: &[u8]) -> Option<&'static Encoding> {
    const FAR: usize = 64 << 10;
    let head = bytes.get(..FAR).unwrap_or(bytes);
    let mut rest = head;
    while let Some(found) = find(rest, b"charset=") {
        let value = rest.get(found..).unwrap_or_default();
        let value = value.strip_prefix(b"\"").or(value.strip_prefix(b"'")).unwrap_or(value);
        let label = value.split(|b| !b.is_ascii_alphanumeric() && !b"-_:.".contains(b)).next();
        if let Some(encoding) = label.and_then(encoding::for_label) {
            return Some(encoding);
        }
        rest = value;
    }
    None
}

/// Where the text after `needle` begins, in any case.
fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    let at = bytes.windows(needle.len()).position(|window| window.eq_ignore_ascii_case(needle));
    at.map(|start| start + needle.len())
}

/// Later steps recurse.
fn check_depth(root: &NodeRef<'_>, most: usize) -> Result<(), ParseError> {
    let mut depth = 0_usize;
    let mut node = *root;
    loop {
        if let Some(child) = node.first_child() {
            node = child;
            depth += 1;
            if depth > most {
                let reason = format!("the page nests elements more than {most} deep");
                return Err(ParseError::new(ParseErrorKind::TooLarge, reason));
            }
            continue;
        }
        loop {
            if depth == 0 {
                return Ok(());
            }
            if let Some(sibling) = node.next_sibling() {
                node = sibling;
                break;
            }
            let Some(parent) = node.parent() else { return Ok(()) };
            node = parent;
            depth -= 1;
        }
    }
}

fn title(page: &Document) -> Option<String> {
    let of = |selector: &str| {
        let text = page.select_single(selector).text();
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        (!text.is_empty()).then_some(text)
    };
    of("head title").or_else(|| of("h1"))
}

/// The share of a page's text that an extract must keep to be believed.
const ENOUGH: f64 = 0.4;

/// What readers' modes of browsers show, where that is most of the page; otherwise the body without its navigation.
/// Reference pages, tables and short pages are no articles, and losing text is worse than keeping some too much.
fn main_content(page: Document, most_bytes: u64) -> Result<ParsedDocument, ParseError> {
    let whole = match page.select_single("body").nodes().first() {
        Some(body) => blocks::of(body, most_bytes)?,
        None => blocks::of(&page.root(), most_bytes)?,
    };
    let config = Config { disable_json_ld: true, ..Config::default() };
    // The reader makes every first-level heading a second-level one.
    for heading in page.select("h1").nodes() {
        heading.set_attr(blocks::LEVEL, "1");
    }
    let article = Readability::with_document(page, None, Some(config))
        .ok()
        .and_then(|mut reader| reader.parse().ok())
        .map(|article| blocks::of(&Document::from(article.content).root(), most_bytes))
        .transpose()?;
    Ok(match article {
        Some(article) if article.text.len() as f64 >= ENOUGH * whole.text.len() as f64 => article,
        _ => whole,
    })
}

#[cfg(test)]
mod tests;

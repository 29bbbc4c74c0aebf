//! PDF: text in reading order with headings, lists and tables, and the page and box of every block.
//!
//! The extractor is `pdf-inspector` (see the project's decision record on PDF libraries). It writes Markdown with a mark
//! before each page, of which the blocks are made, and tells where the page draws its pieces of text, of which their
//! boxes are made.

mod bilevel;
mod block_boxes;
mod doubled_letters;
mod hidden_text;
mod image_file;
mod outline;
mod page_boxes;
mod page_selection;
mod pictures;
mod positions;
mod properties;
mod raster;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use lopdf::{Document, LoadOptions};
use pdf_inspector::{
    DetectionConfig, MarkdownOptions, PdfError, PdfOptions, PdfProcessResult, PdfType, ScanStrategy,
};
use rag_core::{PageSize, ParseError, ParseErrorKind, ParseRequest, ParsedDocument, Place};

use self::block_boxes::block_boxes;
use self::doubled_letters::undouble;
use self::page_selection::PageSelection;
use self::positions::DrawnPage;
use crate::{ParseLimits, markdown};

/// Reads a PDF.
///
/// Nothing here bounds time and memory: whoever reads PDFs of strangers does it in a process of its own.
///
/// # Errors
/// `Encrypted`, `Damaged`, `TooLarge` (pages) and `NoText` (scans).
pub(crate) fn parse(
    request: &ParseRequest<'_>,
    limits: &ParseLimits,
) -> Result<ParsedDocument, ParseError> {
    let wanted = PageSelection::new(request.pages);
    let document = load(request.bytes);
    let page_sizes = document.as_ref().map(page_boxes::page_sizes).unwrap_or_default();
    refuse_too_many(page_sizes.len(), limits)?;
    let result = extract(request.bytes, wanted, limits)?;
    refuse_too_many(result.page_count as usize, limits)?;
    let known_sizes = page_sizes.len() == result.page_count as usize;
    let mut parsed = ParsedDocument {
        pages: result.page_count,
        page_sizes: if known_sizes { page_sizes } else { Vec::new() },
        outline: document.as_ref().map(outline::read).unwrap_or_default(),
        metadata: properties::metadata(&result),
        ..ParsedDocument::default()
    };
    let sources = sources(&result, wanted);
    let keep = |page: u32| !sources.contains_key(&page);
    let drawn = positions::drawn_pages(request.bytes, &parsed.page_sizes, wanted, keep);
    let hidden = hidden_sources(request.bytes, &result, &parsed.page_sizes, &sources, &drawn);
    for page in wanted.up_to(result.page_count) {
        match (sources.get(&page), hidden.get(&page)) {
            (Some(source), _) => add_page(&mut parsed, page, source),
            (None, Some(source)) => add_page(&mut parsed, page, source),
            (None, None) => {}
        }
    }
    find_boxes(&mut parsed, &drawn);
    let mut unread: BTreeSet<u32> = result.pages_needing_ocr.iter().copied().collect();
    // What OCR has read need not be read again.
    let is_read_scan = |page: &u32| {
        hidden.contains_key(page) && drawn.get(page).is_some_and(|page| page.pieces.is_empty())
    };
    unread.retain(|page| wanted.contains(*page) && !is_read_scan(page));
    if let Some(document) = document.as_ref().filter(|_| request.pictures) {
        let unreadable = pictures::add(&mut parsed, document, &drawn, &unread);
        let is_given = |page: &u32| parsed.pictures.iter().any(|it| it.place.page == Some(*page));
        unread.retain(|page| !is_given(page));
        unread.extend(unreadable);
    }
    if parsed.blocks.is_empty() && parsed.pictures.is_empty() {
        return Err(no_text(&result, wanted));
    }
    parsed.title = properties::title(&result, &parsed);
    parsed.warnings = warnings(&result, &unread);
    Ok(parsed)
}

/// The most bytes that a compressed part of the file's structure may expand to, as the extractor has it.
const MOST_STRUCTURE: usize = 8 << 20;

/// The file's structure; `None` for files that only the extractor can mend.
fn load(bytes: &[u8]) -> Option<Document> {
    let options = |password: Option<&str>| LoadOptions {
        password: password.map(str::to_owned),
        max_decompressed_size: Some(MOST_STRUCTURE),
        ..LoadOptions::default()
    };
    let document = Document::load_mem_with_options(bytes, options(None)).ok()?;
    if document.is_encrypted() {
        return Document::load_mem_with_options(bytes, options(Some(""))).ok();
    }
    Some(document)
}

fn refuse_too_many(pages: usize, limits: &ParseLimits) -> Result<(), ParseError> {
    let most = limits.pdf_pages;
    if pages <= most as usize {
        return Ok(());
    }
    let reason = format!("the PDF has {pages} pages, {most} are allowed");
    Err(ParseError::new(ParseErrorKind::TooLarge, reason))
}

fn extract(
    bytes: &[u8],
    wanted: PageSelection<'_>,
    limits: &ParseLimits,
) -> Result<PdfProcessResult, ParseError> {
    // Looking at all pages costs little beside reading them, and a sample misjudges files that are half a scan.
    let detection = DetectionConfig { strategy: ScanStrategy::Full, ..DetectionConfig::default() };
    let mut options = PdfOptions::new().markdown(markdown_options()).detection(detection);
    if !wanted.is_all() {
        options = options.pages(wanted.up_to(limits.pdf_pages));
    }
    pdf_inspector::process_pdf_mem_with_options(bytes, options).map_err(refuse)
}

/// The text as it reads: marks of bold and links cost tokens and say nothing here.
fn markdown_options() -> MarkdownOptions {
    MarkdownOptions {
        format_urls: false,
        detect_bold: false,
        detect_italic: false,
        detect_underline: false,
        include_links: false,
        include_page_numbers: true,
        ..MarkdownOptions::default()
    }
}

fn refuse(error: PdfError) -> ParseError {
    let (kind, reason) = match error {
        PdfError::Encrypted => (
            ParseErrorKind::Encrypted,
            "the PDF needs a password; remove it and submit the file again".to_owned(),
        ),
        PdfError::NotAPdf(_) => (ParseErrorKind::Damaged, "the file is no PDF".to_owned()),
        PdfError::InvalidStructure => {
            (ParseErrorKind::Damaged, "the PDF's structure is broken".to_owned())
        }
        PdfError::Parse(cause) => {
            (ParseErrorKind::Damaged, format!("the PDF is broken: {}", one_line(&cause)))
        }
        PdfError::Io(cause) => (
            ParseErrorKind::Damaged,
            format!("the PDF ends too early: {}", one_line(&cause.to_string())),
        ),
    };
    ParseError::new(kind, reason)
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(200).collect()
}

/// The Markdown of the wanted pages that have some.
fn sources<'a>(result: &'a PdfProcessResult, wanted: PageSelection<'_>) -> BTreeMap<u32, &'a str> {
    pages(result.markdown.as_deref().unwrap_or_default(), result.page_count)
        .filter(|(page, source)| wanted.contains(*page) && !source.trim().is_empty())
        .collect()
}

/// The Markdown of pages that draw something of which the extractor made nothing. Where it read the rest of the file,
/// a page whose visible text it left out had nothing but running heads; what is hidden on it is still to be read.
fn hidden_sources(
    bytes: &[u8],
    result: &PdfProcessResult,
    sizes: &[PageSize],
    sources: &BTreeMap<u32, &str>,
    drawn: &BTreeMap<u32, DrawnPage>,
) -> BTreeMap<u32, String> {
    let is_hidden = |page: &DrawnPage| result.markdown.is_none() || page.pieces.is_empty();
    let pages: Vec<u32> = drawn
        .iter()
        .filter(|(page, drawn)| !sources.contains_key(page) && is_hidden(drawn))
        .map(|(page, _)| *page)
        .collect();
    let mut hidden = hidden_text::read(bytes, sizes, &pages);
    for (page, source) in &mut hidden {
        let items = drawn.get(page).map(|page| page.items.as_slice()).unwrap_or_default();
        if !items.is_empty() {
            *source = hidden_text::markdown(items.to_vec(), markdown_options());
        }
    }
    hidden
}

/// The Markdown of each page with its number. Text before the first mark is the first page's.
fn pages(markdown: &str, count: u32) -> impl Iterator<Item = (u32, &str)> {
    let mut rest = Some((1, markdown));
    std::iter::from_fn(move || {
        let (page, source) = rest.take()?;
        let Some((before, next, after)) = next_mark(source, page, count) else {
            return Some((page, source));
        };
        rest = Some((next, after));
        Some((page, before))
    })
}

/// Finds the next line `<!-- Page N -->` whose number can be true, and splits there.
fn next_mark(source: &str, page: u32, count: u32) -> Option<(&str, u32, &str)> {
    const MARK: &str = "<!-- Page ";
    let mut from = 0;
    loop {
        let start = from + source.get(from..)?.find(MARK)?;
        let tail = source.get(start + MARK.len()..)?;
        let number = tail
            .split_once(" -->")
            .and_then(|(number, after)| Some((number.parse::<u32>().ok()?, after)));
        match number {
            Some((number, after)) if (page..=count).contains(&number) => {
                return Some((source.get(..start)?, number, after));
            }
            _ => from = start + MARK.len(),
        }
    }
}

fn add_page(parsed: &mut ParsedDocument, page: u32, source: &str) {
    let source = undouble(source.trim());
    if source.is_empty() {
        return;
    }
    if !parsed.text.is_empty() {
        parsed.text.push_str("\n\n");
    }
    let offset = parsed.text.len();
    parsed.text.push_str(&source);
    for mut block in markdown::blocks(&source) {
        if is_unreadable(source.get(block.span.clone()).unwrap_or_default()) {
            continue;
        }
        block.span = block.span.start + offset..block.span.end + offset;
        block.place = Place { page: Some(page), bounds: None };
        parsed.blocks.push(block);
    }
}

/// Text of fonts that do not tell their characters.
fn is_unreadable(text: &str) -> bool {
    let unknown = text.chars().filter(|c| *c == char::REPLACEMENT_CHARACTER).count();
    let known = text.chars().filter(|c| c.is_alphanumeric()).count();
    unknown > known
}

/// Gives the blocks the boxes of what the pages draw.
fn find_boxes(parsed: &mut ParsedDocument, drawn: &BTreeMap<u32, DrawnPage>) {
    let ParsedDocument { text, blocks, .. } = parsed;
    for blocks in blocks.chunk_by_mut(|a, b| a.place.page == b.place.page) {
        let page = blocks.first().and_then(|block| block.place.page).unwrap_or_default();
        let Some(drawn) = drawn.get(&page) else { continue };
        let texts: Vec<&str> =
            blocks.iter().map(|block| text.get(block.span.clone()).unwrap_or_default()).collect();
        let boxes = block_boxes(&texts, &drawn.pieces);
        for (block, bounds) in blocks.iter_mut().zip(boxes) {
            block.place.bounds = bounds;
        }
    }
}

fn no_text(result: &PdfProcessResult, wanted: PageSelection<'_>) -> ParseError {
    if wanted.up_to(result.page_count).next().is_none() {
        let pages = count_of_pages(result.page_count);
        let reason = format!("the PDF has {pages}, and none of those asked for");
        return ParseError::new(ParseErrorKind::NoText, reason);
    }
    let pages = count_of_pages(result.page_count);
    let reason = match result.pdf_type {
        PdfType::Scanned | PdfType::ImageBased => {
            format!(
                "the PDF is a scan of {pages} without text; an OCR or vision model is needed to read it"
            )
        }
        _ => {
            format!("the PDF has {pages} and no readable text; an OCR or vision model may read it")
        }
    };
    ParseError::new(ParseErrorKind::NoText, reason)
}

fn count_of_pages(count: u32) -> String {
    match count {
        1 => "1 page".to_owned(),
        count => format!("{count} pages"),
    }
}

fn warnings(result: &PdfProcessResult, unread: &BTreeSet<u32>) -> Vec<String> {
    let mut warnings = Vec::new();
    if !unread.is_empty() {
        let named = unread.iter().take(10).map(u32::to_string).collect::<Vec<_>>().join(", ");
        let more = if unread.len() > 10 { ", …" } else { "" };
        warnings.push(format!(
            "pages that need an OCR or vision model to be read in full: {named}{more}"
        ));
    }
    if result.has_encoding_issues {
        warnings.push(
            "some fonts do not tell which characters they show; parts of the text may be wrong"
                .to_owned(),
        );
    }
    warnings
}

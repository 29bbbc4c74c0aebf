//! PDF: text in reading order with headings, lists and tables, and the page of every block.
//!
//! The extractor is `pdf-inspector` (see the project's decision record on PDF libraries). It writes Markdown with a mark
//! before each page; the blocks are those of that Markdown.

use pdf_inspector::{MarkdownOptions, PdfError, PdfOptions, PdfProcessResult, PdfType};
use rag_core::{BlockKind, ParseError, ParseErrorKind, ParsedDocument, Place};

use crate::{ParseLimits, markdown};

/// Reads a PDF.
///
/// Nothing here bounds time and memory: whoever reads PDFs of strangers does it in a process of its own.
///
/// # Errors
/// `Encrypted`, `Damaged`, `TooLarge` (pages) and `NoText` (scans).
pub(crate) fn parse(bytes: &[u8], limits: &ParseLimits) -> Result<ParsedDocument, ParseError> {
    let options = PdfOptions::new().markdown(markdown_options());
    let result = pdf_inspector::process_pdf_mem_with_options(bytes, options).map_err(refuse)?;
    if result.page_count > limits.pdf_pages {
        let (pages, most) = (result.page_count, limits.pdf_pages);
        let reason = format!("the PDF has {pages} pages, {most} are allowed");
        return Err(ParseError::new(ParseErrorKind::TooLarge, reason));
    }
    let mut parsed = ParsedDocument { pages: result.page_count, ..ParsedDocument::default() };
    for (page, source) in pages(result.markdown.as_deref().unwrap_or_default(), result.page_count) {
        add_page(&mut parsed, page, source);
    }
    if parsed.blocks.is_empty() {
        return Err(no_text(&result));
    }
    parsed.title = title(&result, &parsed);
    parsed.warnings = warnings(&result);
    Ok(parsed)
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
    let source = source.trim();
    if source.is_empty() {
        return;
    }
    if !parsed.text.is_empty() {
        parsed.text.push_str("\n\n");
    }
    let offset = parsed.text.len();
    parsed.text.push_str(source);
    for mut block in markdown::blocks(source) {
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

/// What the file says of itself, unless a program wrote that; else the first heading.
fn title(result: &PdfProcessResult, parsed: &ParsedDocument) -> Option<String> {
    let written_by_programs = |title: &str| {
        let lower = title.to_lowercase();
        lower.starts_with("microsoft word - ")
            || lower.starts_with("untitled")
            || lower.ends_with(".doc")
            || lower.ends_with(".docx")
            || lower.ends_with(".dvi")
            || lower.ends_with(".tex")
            || lower.ends_with(".indd")
    };
    let told = result
        .title
        .as_deref()
        .map(one_line)
        .filter(|title| !title.is_empty() && !written_by_programs(title));
    told.or_else(|| {
        let heading =
            parsed.blocks.iter().find(|block| matches!(block.kind, BlockKind::Heading { .. }))?;
        Some(one_line(parsed.block_text(heading)))
    })
}

fn no_text(result: &PdfProcessResult) -> ParseError {
    let pages = match result.page_count {
        1 => "1 page".to_owned(),
        count => format!("{count} pages"),
    };
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

fn warnings(result: &PdfProcessResult) -> Vec<String> {
    let mut warnings = Vec::new();
    let unread = &result.pages_needing_ocr;
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

#[cfg(test)]
mod tests;

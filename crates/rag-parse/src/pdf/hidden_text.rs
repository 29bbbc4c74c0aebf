//! Text of pages that the extractor's Markdown leaves out: the layer that OCR put behind a scan, and the few words on
//! pages that are images for the rest.

use std::collections::BTreeMap;

use pdf_inspector::{MarkdownOptions, PositionFrame, TextItem};
use rag_core::PageSize;

/// The Markdown of one page from what it draws. Tables that only lines show are not found so.
pub(super) fn markdown(items: Vec<TextItem>, options: MarkdownOptions) -> String {
    let options = MarkdownOptions { include_page_numbers: false, ..options };
    pdf_inspector::to_markdown_from_items(items, options)
}

/// The text of these pages, a line for each of theirs, where it can be trusted; a layer behind a scan only where nothing before it is text. Costs
/// reading the file's structure once more.
pub(super) fn read(bytes: &[u8], sizes: &[PageSize], pages: &[u32]) -> BTreeMap<u32, String> {
    let whole_pages: Vec<(u32, Vec<[f32; 4]>)> = pages
        .iter()
        .filter_map(|page| {
            let index = page.checked_sub(1)?;
            let size = sizes.get(index as usize)?;
            Some((index, vec![[0.0, 0.0, size.width, size.height]]))
        })
        .collect();
    if whole_pages.is_empty() {
        return BTreeMap::new();
    }
    let found = pdf_inspector::extract_text_in_regions_mem_in_frame(
        bytes,
        &whole_pages,
        PositionFrame::Display,
    );
    let found = found.unwrap_or_else(|error| {
        tracing::debug!(%error, "the hidden text of a PDF cannot be read");
        Vec::new()
    });
    found
        .into_iter()
        .filter_map(|page| {
            let region = page.regions.into_iter().next().filter(|region| !region.needs_ocr)?;
            let text = without_images(&region.text);
            (!text.is_empty()).then_some((page.page + 1, text))
        })
        .collect()
}

/// The extractor names images among the lines.
fn without_images(text: &str) -> String {
    let is_text = |line: &&str| !(line.starts_with("[Image: ") && line.ends_with(']'));
    text.lines().filter(is_text).collect::<Vec<_>>().join("\n").trim().to_owned()
}

//! For tests: a document as a short text, and the promises of its spans.

use std::fmt::Write;

use rag_core::{BlockKind, ParsedDocument};

/// One line per block: kind, page, text.
pub(crate) fn outline(parsed: &ParsedDocument) -> String {
    let mut lines = String::new();
    if let Some(title) = &parsed.title {
        let _ = writeln!(lines, "title {title:?}");
    }
    for block in &parsed.blocks {
        let kind = match &block.kind {
            BlockKind::Heading { level } => format!("h{level}"),
            BlockKind::Code { language: Some(language) } => format!("code {language}"),
            BlockKind::Code { language: None } => "code".to_owned(),
            kind => format!("{kind:?}").to_lowercase(),
        };
        let page = block.place.page.map(|page| format!(" p{page}")).unwrap_or_default();
        let _ = writeln!(lines, "{kind}{page} {:?}", parsed.block_text(block));
    }
    lines
}

/// Whether spans ascend without overlap, on character borders, inside the text.
pub(crate) fn is_well_formed(parsed: &ParsedDocument) -> bool {
    let mut end = 0;
    parsed.blocks.iter().all(|block| {
        let in_order = block.span.start >= end && block.span.start < block.span.end;
        end = block.span.end;
        in_order && parsed.text.get(block.span.clone()).is_some()
    })
}

//! Markdown: the source stays as it is but for HTML in it, the blocks tell its structure.

mod front_matter;
mod markup;

use std::ops::Range;

use pulldown_cmark::{
    CodeBlockKind, Event, HeadingLevel, MetadataBlockKind, Options, Parser, Tag, TagEnd,
};
use rag_core::{Block, BlockKind, MetadataValue, ParsedDocument, Place};

use crate::ParseLimits;
use crate::encoding::{self, Decoded};

/// What is read as more than CommonMark.
const OPTIONS: Options = Options::ENABLE_TABLES
    .union(Options::ENABLE_FOOTNOTES)
    .union(Options::ENABLE_STRIKETHROUGH)
    .union(Options::ENABLE_TASKLISTS)
    .union(Options::ENABLE_YAML_STYLE_METADATA_BLOCKS);

/// Reads CommonMark with GitHub's tables, footnotes and lists of tasks, and a YAML front matter, which becomes metadata.
/// Blocks of HTML become the Markdown that says the same.
pub(crate) fn parse(decoded: Decoded, limits: &ParseLimits) -> ParsedDocument {
    let warnings = encoding::warning(&decoded).into_iter().collect();
    let text = markup::rendered(&decoded.text, limits).unwrap_or(decoded.text);
    let (blocks, front_matter) = Walk::over(&text);
    let yaml = front_matter.and_then(|span| text.get(span)).unwrap_or_default();
    let mut metadata = front_matter::fields(yaml);
    let title = match metadata.remove("title") {
        Some(MetadataValue::Text(title)) => Some(title),
        _ => first_heading(&text, &blocks),
    };
    ParsedDocument { title, text, blocks, metadata, warnings, ..ParsedDocument::default() }
}

/// The blocks of Markdown text alone.
pub(crate) fn blocks(text: &str) -> Vec<Block> {
    Walk::over(text).0
}

fn first_heading(text: &str, blocks: &[Block]) -> Option<String> {
    let is_first_level = |block: &&Block| block.kind == BlockKind::Heading { level: 1 };
    blocks
        .iter()
        .find(is_first_level)
        .and_then(|block| text.get(block.span.clone()))
        .map(str::to_owned)
}

/// Turns the parser's nested events into a flat row of blocks.
struct Walk<'a> {
    text: &'a str,
    blocks: Vec<Block>,
    front_matter: Option<Range<usize>>,
    /// Items around the current place whose own text has not begun yet, or has: where the next text of the item starts.
    items: Vec<Option<usize>>,
    quotes: usize,
    /// Inline content directly in an item (a tight list has no paragraphs).
    loose: Option<Range<usize>>,
    /// Depth inside a block that is taken whole.
    inside: usize,
}

impl<'a> Walk<'a> {
    fn over(text: &'a str) -> (Vec<Block>, Option<Range<usize>>) {
        let mut walk = Walk {
            text,
            blocks: Vec::new(),
            front_matter: None,
            items: Vec::new(),
            quotes: 0,
            loose: None,
            inside: 0,
        };
        for (event, span) in Parser::new_ext(text, OPTIONS).into_offset_iter() {
            walk.take(event, span);
        }
        walk.flush_loose();
        (walk.blocks, walk.front_matter)
    }

    fn take(&mut self, event: Event<'_>, span: Range<usize>) {
        if self.inside > 0 {
            match event {
                Event::Start(_) => self.inside += 1,
                Event::End(_) => self.inside -= 1,
                _ => {}
            }
            return;
        }
        match event {
            Event::Start(tag) => self.start(tag, span),
            Event::End(end) => self.end(end),
            Event::Rule => self.flush_loose(),
            _ => self.add_loose(span),
        }
    }

    fn start(&mut self, tag: Tag<'_>, span: Range<usize>) {
        let kind = match tag {
            Tag::Paragraph if !self.items.is_empty() => BlockKind::ListItem,
            Tag::Paragraph if self.quotes > 0 => BlockKind::Quote,
            Tag::HtmlBlock if self.is_comment(&span) => {
                self.flush_loose();
                self.inside = 1;
                return;
            }
            Tag::Paragraph | Tag::HtmlBlock => BlockKind::Paragraph,
            Tag::Heading { level, .. } => return self.heading(level, span),
            Tag::CodeBlock(kind) => BlockKind::Code { language: language(&kind) },
            Tag::Table(_) => BlockKind::Table,
            Tag::MetadataBlock(MetadataBlockKind::YamlStyle) => {
                self.front_matter = Some(span);
                self.inside = 1;
                return;
            }
            Tag::MetadataBlock(_) => {
                self.inside = 1;
                return;
            }
            Tag::BlockQuote(_) => {
                self.flush_loose();
                self.quotes += 1;
                return;
            }
            Tag::List(_)
            | Tag::FootnoteDefinition(_)
            | Tag::DefinitionList
            | Tag::DefinitionListTitle
            | Tag::DefinitionListDefinition => return self.flush_loose(),
            Tag::Item => {
                self.flush_loose();
                self.items.push(Some(span.start));
                return;
            }
            // Inline markup, which can stand alone only in an item of a tight list.
            _ => {
                self.inside = 1;
                return self.add_loose(span);
            }
        };
        self.flush_loose();
        self.inside = 1;
        self.push(kind, span);
    }

    fn is_comment(&self, span: &Range<usize>) -> bool {
        let source = self.text.get(span.clone()).unwrap_or_default().trim();
        let inner = source.strip_prefix("<!--").and_then(|rest| rest.strip_suffix("-->"));
        inner.is_some_and(|inner| !inner.contains("-->"))
    }

    fn end(&mut self, end: TagEnd) {
        match end {
            TagEnd::BlockQuote(_) => self.quotes = self.quotes.saturating_sub(1),
            TagEnd::Item => {
                self.flush_loose();
                self.items.pop();
            }
            _ => {}
        }
    }

    /// A heading's block is its text, without the marks around it.
    fn heading(&mut self, level: HeadingLevel, span: Range<usize>) {
        self.flush_loose();
        self.inside = 1;
        let source = self.text.get(span.clone()).unwrap_or_default();
        let span = match source.trim_start().starts_with('#') {
            true => {
                let lead = source.len() - source.trim_start().trim_start_matches('#').len();
                let rest = source.get(lead..).unwrap_or_default();
                span.start + lead..span.start + lead + rest.trim_end().trim_end_matches('#').len()
            }
            // Underlined: the last line is the underline.
            false => {
                let body = source.trim_end().rfind('\n').and_then(|end| source.get(..end));
                span.start..span.start + body.unwrap_or(source).len()
            }
        };
        self.push(BlockKind::Heading { level: level as u8 }, span);
    }

    fn add_loose(&mut self, span: Range<usize>) {
        match &mut self.loose {
            Some(open) => open.end = open.end.max(span.end),
            None => self.loose = Some(span),
        }
    }

    fn flush_loose(&mut self) {
        if let Some(span) = self.loose.take() {
            let kind =
                if self.items.is_empty() { BlockKind::Paragraph } else { BlockKind::ListItem };
            self.push(kind, span);
        }
    }

    /// Adds a block without the white space around it. The first one of a list item begins at the item's mark, since
    /// numbers of steps carry meaning.
    fn push(&mut self, kind: BlockKind, mut span: Range<usize>) {
        if let Some(start) = self.items.last_mut().and_then(Option::take)
            && kind == BlockKind::ListItem
        {
            span.start = start.min(span.start);
        }
        let after = self.blocks.last().map_or(0, |block| block.span.end);
        span.start = span.start.max(after);
        let Some(piece) = self.text.get(span.clone()) else { return };
        let start = span.start + (piece.len() - piece.trim_start().len());
        let span = start..start + piece.trim().len();
        if !span.is_empty() {
            self.blocks.push(Block { kind, span, place: Place::default() });
        }
    }
}

fn language(kind: &CodeBlockKind<'_>) -> Option<String> {
    match kind {
        CodeBlockKind::Fenced(info) => {
            let name = info.split([' ', ',', '{']).next().unwrap_or_default();
            (!name.is_empty()).then(|| name.to_owned())
        }
        CodeBlockKind::Indented => None,
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::*;
    use crate::outline::{is_well_formed, outline};

    fn check(source: &str, expected: Expect) {
        expected.assert_eq(&outline(&parse(
            encoding::decode(source.as_bytes(), None),
            &ParseLimits::default(),
        )));
    }

    #[test]
    fn structure_of_a_page() {
        check(
            "---\ntitle: \"The Guide\"\n---\n# Tea\n\nBoil *water*\nnow.\n\n## Steps ##\n\n1. Pour\n2. Wait\n   - long\n   - longer\n\n   still two\n3. Drink\n\nAfter\n=====\n\n> quoted\n\n```rust\nfn a() {}\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n",
            expect![[r#"
                title "The Guide"
                h1 "Tea"
                paragraph "Boil *water*\nnow."
                h2 "Steps"
                listitem "1. Pour"
                listitem "2. Wait"
                listitem "- long"
                listitem "- longer"
                listitem "still two"
                listitem "3. Drink"
                h1 "After"
                quote "quoted"
                code rust "```rust\nfn a() {}\n```"
                table "| a | b |\n|---|---|\n| 1 | 2 |"
            "#]],
        );
    }

    #[test]
    fn items_with_code_and_links() {
        check(
            "- [link](http://x) and `code`\n- two\n\n      indented\n\n* * *\n\n<div>raw</div>\n\n<!-- not\n\nread -->\n\nx[^1]\n\n[^1]: note\n",
            expect![[r#"
                listitem "- [link](http://x) and `code`"
                listitem "- two"
                code "indented"
                paragraph "raw"
                paragraph "x[^1]"
                paragraph "note"
            "#]],
        );
    }

    proptest! {
        #[test]
        fn spans_are_in_order(source in "([#>*`|\\-=~\\[\\]()_ 0-9a-zé\n\t]|\n- |\n1. |\n> |```|\n\n){0,80}") {
            let parsed = parse(encoding::decode(source.as_bytes(), None), &ParseLimits::default());
            prop_assert!(is_well_formed(&parsed));
        }
    }
}

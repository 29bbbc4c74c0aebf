//! HTML within Markdown, as the text that a reader of the page sees.

use std::ops::Range;

use pulldown_cmark::{Event, Parser, Tag, TagEnd};

use crate::{ParseLimits, html};

/// Longer pieces of HTML stay as they are, and what is beyond so much in all: reading markup costs more than linear
/// time at worst.
const LONGEST: usize = 16 << 10;
const MOST: usize = 1 << 20;

/// The text with its blocks of HTML (tables, images with captions, layout) rendered to Markdown, and comments left out;
/// `None` if there are none.
pub(super) fn rendered(text: &str, limits: &ParseLimits) -> Option<String> {
    let mut rendered = String::with_capacity(text.len());
    let (mut position, mut room) = (0, MOST);
    for span in blocks(text) {
        let source = text.get(span.clone())?;
        if source.len() > LONGEST.min(room) {
            continue;
        }
        room -= source.len();
        rendered.push_str(text.get(position..span.start)?);
        if let Some(fragment) = html::fragment(source, limits) {
            rendered.push_str(fragment.text.trim());
            rendered.push('\n');
        }
        position = span.end;
    }
    rendered.push_str(text.get(position..)?);
    (position > 0).then_some(rendered)
}

/// The blocks of HTML that stand in no list and no quotation; those with nothing but white space between are one.
fn blocks(text: &str) -> Vec<Range<usize>> {
    let mut blocks: Vec<Range<usize>> = Vec::new();
    let mut containers = 0_usize;
    for (event, span) in Parser::new_ext(text, super::OPTIONS).into_offset_iter() {
        match event {
            Event::Start(Tag::HtmlBlock) if containers == 0 => match blocks.last_mut() {
                Some(last) if is_blank(text, last.end..span.start) => last.end = span.end,
                _ => blocks.push(span),
            },
            Event::Start(Tag::List(_) | Tag::BlockQuote(_) | Tag::FootnoteDefinition(_)) => {
                containers += 1;
            }
            Event::End(TagEnd::List(_) | TagEnd::BlockQuote(_) | TagEnd::FootnoteDefinition) => {
                containers = containers.saturating_sub(1);
            }
            _ => {}
        }
    }
    blocks
}

fn is_blank(text: &str, span: Range<usize>) -> bool {
    text.get(span).is_some_and(|between| between.trim().is_empty())
}

//! Sentences of prose and blocks of everything else, as spans of a text.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

/// A longer sentence is cut; prose does not reach this, dumps of data do.
const MAX_SENTENCE_BYTES: usize = 1_200;
/// Words after which a full stop does not end a sentence.
const ABBREVIATIONS: &[&str] = &[
    "approx", "art", "bzw", "ca", "cf", "co", "corp", "dr", "ed", "eg", "e.g", "etc", "fig", "i.e",
    "ie", "inc", "jr", "ltd", "mr", "mrs", "ms", "mt", "no", "p", "pp", "prof", "rev", "sr", "st",
    "u.k", "u.s", "usw", "vgl", "vol", "vs", "z.b",
];

/// The sentences of a text as byte spans, in order, without the blanks around them.
///
/// Lines that a text was wrapped to do not end a sentence; blank lines, list items, table rows and
/// headings do. A block of code between fences is one sentence, and a heading is none.
pub(crate) fn sentences(text: &str) -> Vec<Range<usize>> {
    let mut sentences = Vec::new();
    for block in blocks(text) {
        match block {
            Block::Code(span) => push_trimmed(text, span, &mut sentences),
            Block::Prose(span) => split_prose(text, span, &mut sentences),
        }
    }
    sentences
}

enum Block {
    Prose(Range<usize>),
    Code(Range<usize>),
}

fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut prose: Option<Range<usize>> = None;
    let mut fence: Option<usize> = None;
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let end = start + line.len();
        let trimmed = line.trim();
        let is_fence = trimmed.starts_with("```") || trimmed.starts_with("~~~");
        match fence {
            Some(begin) if is_fence => {
                blocks.push(Block::Code(begin..end));
                fence = None;
            }
            Some(_) => {}
            None => {
                let interrupts = is_fence || trimmed.is_empty() || begins_block(trimmed);
                if interrupts {
                    blocks.extend(prose.take().map(Block::Prose));
                }
                if is_fence {
                    fence = Some(start);
                } else if !trimmed.is_empty() && !is_heading(trimmed) {
                    prose = Some(prose.map_or(start, |prose| prose.start)..end);
                }
            }
        }
        start = end;
    }
    blocks.extend(prose.map(Block::Prose));
    blocks.extend(fence.map(|begin| Block::Code(begin..text.len())));
    blocks
}

/// Whether a line cannot continue the sentence of the line before: a heading, a list item, a row.
pub(crate) fn begins_block(line: &str) -> bool {
    let numbered = line
        .split_once(['.', ')'])
        .is_some_and(|(number, rest)| is_short_number(number) && rest.starts_with(' '));
    is_heading(line)
        || numbered
        || ["- ", "* ", "+ ", "• ", "|", "> "].iter().any(|mark| line.starts_with(mark))
}

fn is_short_number(text: &str) -> bool {
    (1..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_heading(line: &str) -> bool {
    let marks = line.bytes().take_while(|byte| *byte == b'#').count();
    (1..=6).contains(&marks) && line[marks..].starts_with(' ')
}

fn split_prose(text: &str, block: Range<usize>, sentences: &mut Vec<Range<usize>>) {
    // A line break would end a sentence; a space of the same length does not.
    let unwrapped = text[block.clone()].replace(['\n', '\r'], " ");
    let mut begin = 0;
    let mut end = 0;
    for part in unwrapped.split_sentence_bounds() {
        end += part.len();
        if end - begin < MAX_SENTENCE_BYTES && ends_in_abbreviation(&unwrapped[begin..end]) {
            continue;
        }
        push_trimmed(text, block.start + begin..block.start + end, sentences);
        begin = end;
    }
    push_trimmed(text, block.start + begin..block.start + end, sentences);
}

fn ends_in_abbreviation(part: &str) -> bool {
    let Some(body) = part.trim_end().strip_suffix('.') else { return false };
    let word = body.rsplit(|char: char| char.is_whitespace() || char == '(').next().unwrap_or(body);
    let is_initial = word.chars().count() == 1 && word.chars().all(char::is_uppercase);
    is_initial || ABBREVIATIONS.contains(&word.to_lowercase().as_str())
}

/// Adds the span without the blanks around it, in pieces of bounded length.
fn push_trimmed(text: &str, span: Range<usize>, sentences: &mut Vec<Range<usize>>) {
    let part = &text[span.clone()];
    let start = span.start + part.len() - part.trim_start().len();
    let end = start + part.trim().len();
    let mut rest = start..end;
    while rest.len() > MAX_SENTENCE_BYTES {
        let cut = cut_before(&text[rest.clone()], MAX_SENTENCE_BYTES);
        sentences.push(rest.start..rest.start + cut);
        rest.start += cut;
    }
    if !rest.is_empty() {
        sentences.push(rest);
    }
}

/// The last space in the first `limit` bytes, or the last character boundary.
fn cut_before(text: &str, limit: usize) -> usize {
    let head = &text[..text.floor_char_boundary(limit)];
    match head.rfind(' ') {
        Some(space) if space > 0 => space + 1,
        _ => head.len(),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: Expect) {
        let found: Vec<&str> = sentences(text).into_iter().map(|span| &text[span]).collect();
        expected.assert_eq(&found.join(" | "));
    }

    #[test]
    fn prose_is_split_at_sentence_ends() {
        check("One. Two!  Three?", expect!["One. | Two! | Three?"]);
        check("Version 2.5 is out. It works.", expect!["Version 2.5 is out. | It works."]);
        check("这是茶。那是咖啡！什么？", expect!["这是茶。 | 那是咖啡！ | 什么？"]);
        check("यह चाय है। वह कॉफ़ी है।", expect!["यह चाय है। | वह कॉफ़ी है।"]);
    }

    #[test]
    fn abbreviations_do_not_end_a_sentence() {
        check(
            "Dr. Smith met J. R. Tolkien. They left.",
            expect!["Dr. Smith met J. R. Tolkien. | They left."],
        );
        check("Use fruit, e.g. Apples. Done.", expect!["Use fruit, e.g. Apples. | Done."]);
    }

    #[test]
    fn wrapped_lines_are_one_sentence_and_blocks_are_not() {
        check("A long\nline. Next\n\nNew", expect!["A long\nline. | Next | New"]);
        check("# Title\nText\n- one\n- two\n1. three", expect!["Text | - one | - two | 1. three"]);
        check(
            "Run:\n```\nls -l. x\ncd\n```\nDone",
            expect!["Run: | ```\nls -l. x\ncd\n``` | Done"],
        );
        check("```\nnever closed", expect!["```\nnever closed"]);
        check("# Only a heading", expect![""]);
    }

    proptest! {
        #[test]
        fn spans_are_in_order_and_bounded(text in "(?s).{0,300}") {
            let mut last = 0;
            for span in sentences(&text) {
                prop_assert!(span.start >= last && span.len() <= MAX_SENTENCE_BYTES);
                prop_assert!(!text[span.clone()].is_empty());
                last = span.end;
            }
        }

        #[test]
        fn long_text_without_ends_is_cut(text in "[a-zé ]{0,5000}") {
            for span in sentences(&text) {
                prop_assert!(span.len() <= MAX_SENTENCE_BYTES);
            }
        }
    }
}

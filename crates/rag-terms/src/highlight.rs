//! Where the words of a question stand in a text.

use std::ops::Range;

use rustc_hash::FxHashSet;

use crate::analysis::{Form, Words, pairs, stem, votes};
use crate::language::{Language, without_asking};
use crate::question::question_words;
use crate::script::{Runs, Script};

/// Terms of a question that are looked for.
const MOST_TERMS: usize = 512;

/// The bytes of `text` that are words of the question, as the full-text search sees them; in order, and apart from each
/// other. They begin and end between characters.
pub fn highlight(question: &str, text: &str) -> Vec<Range<usize>> {
    let wanted = Wanted::of(question);
    if wanted.terms.is_empty() {
        return Vec::new();
    }
    let language = votes(text).winner().or_else(|| votes(question).winner());
    let language = language.unwrap_or(Language::ENGLISH);
    let mut words = Words::default();
    let mut found = Vec::new();
    for run in Runs::new(text) {
        let of_text = &text[run.range.clone()];
        match run.script {
            Script::Spaced if wanted.has_word(of_text, language, &mut words) => {
                add(&mut found, run.range);
            }
            Script::Spaced => {}
            Script::Unspaced => wanted.each_pair(of_text, |part| {
                add(&mut found, run.range.start + part.start..run.range.start + part.end);
            }),
        }
    }
    found
}

/// Adds a range behind the others; one that touches the last makes it longer.
fn add(found: &mut Vec<Range<usize>>, range: Range<usize>) {
    match found.last_mut().filter(|last| last.end >= range.start) {
        Some(last) => last.end = last.end.max(range.end),
        None => found.push(range),
    }
}

struct Wanted {
    terms: FxHashSet<String>,
    /// Characters of scripts without spaces that stand alone in the question. Others do not count by themselves: who
    /// asks for a word of two characters does not look for each.
    alone: FxHashSet<String>,
}

impl Wanted {
    fn of(question: &str) -> Self {
        let terms = question_words(question, MOST_TERMS).into_iter().flatten().collect();
        let unspaced = Runs::new(question).filter(|run| run.script == Script::Unspaced);
        let pieces = unspaced.flat_map(|run| without_asking(&question[run.range]));
        let alone = pieces.filter(|piece| piece.chars().count() == 1).map(str::to_owned).collect();
        Self { terms, alone }
    }

    fn has_word(&self, run: &str, language: Language, words: &mut Words) -> bool {
        let mut has = false;
        words.forms(run, &mut |form| match form {
            Form::Word(word) | Form::Part(word) => {
                stem(word, language, &mut |term: &str| has |= self.terms.contains(term));
            }
            Form::Whole(term) => has |= self.terms.contains(term),
        });
        has
    }

    /// Calls `each` with the places in a run of what is wanted.
    fn each_pair(&self, run: &str, mut each: impl FnMut(Range<usize>)) {
        let mut chars = run.char_indices().peekable();
        let mut before = 0;
        while let Some((start, c)) = chars.next() {
            let end = start + c.len_utf8();
            let next_end = chars.peek().map(|(at, next)| at + next.len_utf8());
            let alone = run.get(start..end).filter(|c| self.alone.contains(*c)).map(|_| end);
            let pair = next_end.filter(|end| self.has_pair(run.get(start..*end)));
            if let Some(end) = pair.or(alone) {
                each(start.max(before)..end);
                before = end;
            }
        }
    }

    fn has_pair(&self, pair: Option<&str>) -> bool {
        let mut has = false;
        let mut check =
            |term: &str| has |= term.chars().nth(1).is_some() && self.terms.contains(term);
        pair.into_iter().for_each(|pair| pairs(pair, &mut check));
        has
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn shows_what_was_found() {
        let check = |question: &str, text: &str, expected: &str| {
            let mut shown = String::new();
            let mut from = 0;
            for range in highlight(question, text) {
                shown += &format!("{}[{}]", &text[from..range.start], &text[range.clone()]);
                from = range.end;
            }
            shown += &text[from..];
            assert_eq!(shown, expected, "{question}");
        };
        check(
            "How is tea brewed?",
            "Brewing the Teas: tea's best.",
            "[Brewing] the [Teas]: [tea's] best.",
        );
        check("Häuser der Stadt", "das Haus in der STADT", "das [Haus] in [der] [STADT]");
        check("cafe", "Café, CAFÉ and cafés", "[Café], [CAFÉ] and [cafés]");
        check("東京都の首都", "京都と東京都は首都", "[京都]と[東京都]は[首都]");
        check("茶", "緑茶と茶", "緑[茶]と[茶]");
        check("ガイド", "ｶﾞｲﾄﾞの本", "ｶﾞｲﾄﾞの本");
        check("max_retries", "set max-retries to 3, max 9", "set [max]-[retries] to 3, [max] 9");
        check("the config", "use parseConfigFile", "use [parseConfigFile]");
        check("столица", "в столице России", "в [столице] России");
        check("", "tea", "tea");
        check("?!", "tea", "tea");
    }

    proptest! {
        #[test]
        fn ranges_are_in_order_and_inside(question in "\\PC{0,20}", text in "\\PC{0,60}") {
            let both = format!("{text} {question} {text}");
            let mut from = 0;
            for range in highlight(&question, &both) {
                prop_assert!(range.start >= from && range.start < range.end);
                prop_assert!(both.get(range.clone()).is_some());
                from = range.end;
            }
        }
    }
}

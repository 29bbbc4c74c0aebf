//! Words that are written as one: identifiers, versions, paths, quantities.
//!
//! Such words are searched by their parts and as a whole, so that who looks for `max_retries` finds it before passages
//! about a maximum of retries, and who looks for retries finds it too. Whichever characters join the parts, the whole
//! is written with underscores. Letters on both sides of a hyphen are words of prose more often than names, and are no
//! compound.

use std::iter::Peekable;
use std::ops::Range;

use crate::script::{Run, Runs, Script};

/// Longer wholes are cut.
const MOST_WHOLE_BYTES: usize = 80;

/// Words that belong together, or a run of a script without spaces.
pub(crate) struct Stretch {
    pub(crate) script: Script,
    /// Bytes of the text.
    pub(crate) range: Range<usize>,
}

/// The stretches of a text, in order.
pub(crate) struct Stretches<'a> {
    text: &'a str,
    runs: Peekable<Runs<'a>>,
}

impl<'a> Stretches<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, runs: Runs::new(text).peekable() }
    }
}

impl Iterator for Stretches<'_> {
    type Item = Stretch;

    fn next(&mut self) -> Option<Stretch> {
        let Run { script, mut range } = self.runs.next()?;
        if script == Script::Spaced {
            let joined = |next: &Run, end| {
                next.script == Script::Spaced && is_joined(self.text, end, next.range.start)
            };
            while let Some(next) = self.runs.next_if(|next| joined(next, range.end)) {
                range.end = next.range.end;
            }
        }
        Some(Stretch { script, range })
    }
}

/// Whether what stands between two words makes one of them.
fn is_joined(text: &str, end: usize, start: usize) -> bool {
    let Some(between) = text.get(end..start) else { return false };
    let digits = || {
        let before = text.get(..end).and_then(|before| before.chars().next_back());
        let after = text.get(start..).and_then(|after| after.chars().next());
        [before, after].iter().flatten().filter(|c| c.is_ascii_digit()).count()
    };
    match between {
        "," => digits() == 2,
        "-" | "\u{2010}" | "\u{2011}" => digits() > 0,
        "_" | "." | "&" | "+" => true,
        _ => is_path_separator(between),
    }
}

/// Whether what stands on both sides is looked for by itself too: `main.rs` in `src/main.rs`.
pub(crate) fn is_path_separator(between: &str) -> bool {
    matches!(between, "/" | "\\" | ":" | "::" | "://" | "->" | "@" | "#")
}

/// Gathers a whole from its parts.
#[derive(Default)]
pub(crate) struct Whole {
    text: String,
    parts: usize,
}

impl Whole {
    /// Adds a part, in the form in which it is searched.
    pub(crate) fn push(&mut self, part: impl Iterator<Item = char>) {
        let joint = (self.parts > 0).then_some('_');
        self.parts += 1;
        for c in joint.into_iter().chain(part) {
            if self.text.len() + c.len_utf8() > MOST_WHOLE_BYTES {
                return;
            }
            self.text.push(c);
        }
    }

    /// The whole, when it has several parts; empty afterwards.
    pub(crate) fn take(&mut self) -> Option<String> {
        let Self { text, parts } = std::mem::take(self);
        (parts > 1).then_some(text)
    }
}

/// The words in an identifier that is written in one: `parse`, `Config`, `File` of `parseConfigFile`. Names of two words
/// in capitals (`JavaScript`, `YouTube`) and with a letter before (`iPhone`) are no such identifiers.
pub(crate) fn humps(word: &str) -> Vec<&str> {
    if !word.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Vec::new();
    }
    let bytes = word.as_bytes();
    let upper = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_uppercase);
    let lower = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_lowercase);
    let begins = |at: &usize| {
        let at = *at;
        upper(at) && (lower(at - 1) || (upper(at - 1) && lower(at + 1)))
    };
    let mut humps = Vec::new();
    let mut start = 0;
    for next in (1..word.len()).filter(begins).chain([word.len()]) {
        humps.extend(word.get(start..next));
        start = next;
    }
    let least = if lower(0) && lower(1) { 2 } else { 3 };
    if humps.len() < least { Vec::new() } else { humps }
}

/// Number and unit of a quantity that is written without a space: `10kg`.
pub(crate) fn quantity(word: &str) -> Option<[&str; 2]> {
    let digits = word.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = word.split_at_checked(digits)?;
    let is_unit = (1..=3).contains(&unit.len()) && unit.bytes().all(|b| b.is_ascii_alphabetic());
    let is_ordinal = matches!(unit, "st" | "nd" | "rd" | "th");
    (!number.is_empty() && is_unit && !is_ordinal).then_some([number, unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_are_written_as_one_stay_together() {
        let check = |text: &str, expected: &[&str]| {
            let found: Vec<&str> = Stretches::new(text).map(|s| &text[s.range]).collect();
            assert_eq!(found, expected);
        };
        check("call max_retries, then", &["call", "max_retries", "then"]);
        check("src/main.rs:12 (v1.2.3)", &["src/main.rs:12", "v1.2.3"]);
        check("std::vec::Vec https://a.bc/d", &["std::vec::Vec", "https://a.bc/d"]);
        check("1,000 and a,b", &["1,000", "and", "a", "b"]);
        check("x86-64 e-mail", &["x86-64", "e", "mail"]);
        check("End. Next -- one - two...", &["End", "Next", "one", "two"]);
        check("iPhone15手机-壳", &["iPhone15", "手机", "壳"]);
    }

    #[test]
    fn identifiers_have_humps() {
        let check = |word: &str, expected: &[&str]| assert_eq!(humps(word), expected, "{word}");
        check("parseConfigFile", &["parse", "Config", "File"]);
        check("XMLHttpRequest", &["XML", "Http", "Request"]);
        check("getUser2Name", &["get", "User2Name"]);
        for whole in ["JavaScript", "iPhone", "NASA", "word", "", "Ünter", "a", "AB"] {
            check(whole, &[]);
        }
    }

    #[test]
    fn quantities_have_units() {
        assert_eq!(quantity("10kg"), Some(["10", "kg"]));
        for none in ["19th", "10", "kg", "a10", "10years", "", "1é", "1é2"] {
            assert_eq!(quantity(none), None, "{none}");
        }
    }
}

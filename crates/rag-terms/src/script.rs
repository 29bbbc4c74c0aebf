//! Where a text has letters and digits, and whether their script puts spaces between words.

use std::ops::Range;

use unicode_normalization::char::is_combining_mark;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Script {
    /// Words stand between spaces.
    Spaced,
    /// Words follow each other without a border.
    Unspaced,
}

pub(crate) struct Run {
    pub(crate) script: Script,
    /// Bytes of the text.
    pub(crate) range: Range<usize>,
}

/// The longest runs of letters and digits of one kind of script.
pub(crate) struct Runs<'a> {
    text: &'a str,
    from: usize,
}

impl<'a> Runs<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, from: 0 }
    }
}

impl Iterator for Runs<'_> {
    type Item = Run;

    fn next(&mut self) -> Option<Run> {
        let rest = &self.text[self.from..];
        let (start, script) =
            rest.char_indices().find_map(|(at, c)| script(c).map(|script| (at, script)))?;
        let end = run_end(&rest[start..], script);
        let range = self.from + start..self.from + start + end;
        self.from = range.end;
        Some(Run { script, range })
    }
}

/// Where the run of `script` that the text begins with ends.
fn run_end(text: &str, kind: Script) -> usize {
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let continues = script(c) == Some(kind) || is_mark(c);
        let mut joins = || {
            let next = chars.peek().and_then(|(_, next)| script(*next));
            kind == Script::Spaced && is_apostrophe(c) && next == Some(Script::Spaced)
        };
        if !continues && !joins() {
            return at;
        }
    }
    text.len()
}

fn script(c: char) -> Option<Script> {
    if c.is_ascii() {
        return c.is_ascii_alphanumeric().then_some(Script::Spaced);
    }
    if is_unspaced(c) {
        return Some(Script::Unspaced);
    }
    c.is_alphanumeric().then_some(Script::Spaced)
}

fn is_unspaced(c: char) -> bool {
    is_han(c)
        || matches!(c,
            '\u{0e00}'..='\u{0eff}'     // Thai, Lao
            | '\u{1000}'..='\u{109f}'   // Myanmar
            | '\u{1100}'..='\u{11ff}'   // Hangul letters
            | '\u{1780}'..='\u{17ff}'   // Khmer
            | '\u{3041}'..='\u{30fa}'   // kana
            | '\u{30fc}'..='\u{30ff}'   // kana, but for the middle dot between names
            | '\u{3130}'..='\u{318f}'   // Hangul letters
            | '\u{31f0}'..='\u{31ff}'   // kana
            | '\u{ac00}'..='\u{d7af}'   // Hangul
            | '\u{ff66}'..='\u{ff9f}'   // kana of half width
        )
}

pub(crate) fn is_han(c: char) -> bool {
    matches!(c,
        '\u{3005}'..='\u{3007}'
        | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{323af}'
    )
}

/// Normalisation can bring in other characters than a run began with.
pub(crate) fn is_part_of_term(c: char) -> bool {
    c.is_alphanumeric() || is_mark(c)
}

pub(crate) fn is_mark(c: char) -> bool {
    !c.is_ascii() && is_combining_mark(c)
}

pub(crate) fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '\u{2019}' | '\u{02bc}' | '\u{ff07}')
}

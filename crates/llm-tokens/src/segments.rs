//! [`Segments`]: a text in parts that are tokenized one by one.
//!
//! A byte-pair tokenizer cuts a text into pieces by a pattern and merges within each. Merging takes n log n steps, and a
//! piece can be the whole text: a run of one letter or of white space. In parts of a bounded length, counting is linear
//! and needs little memory, whatever the text. A part ends where the tokenizer's pattern would begin a new piece anyhow, so
//! that counts add up exactly; only a piece that is longer than a part is cut elsewhere.

/// The most bytes of a part.
pub(crate) const LONGEST: usize = 16 << 10;

/// A part of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment<'a> {
    pub(crate) text: &'a str,
    /// Whether the tokenizer begins anew after it.
    pub(crate) ends_a_piece: bool,
}

/// The parts of a text, in order.
pub(crate) struct Segments<'a> {
    rest: &'a str,
    longest: usize,
}

impl<'a> Segments<'a> {
    /// In parts of at most `longest` bytes, but at least one character.
    pub(crate) fn of(text: &'a str, longest: usize) -> Self {
        Self { rest: text, longest }
    }
}

impl<'a> Iterator for Segments<'a> {
    type Item = Segment<'a>;

    fn next(&mut self) -> Option<Segment<'a>> {
        let first = self.rest.chars().next()?;
        let furthest = self.rest.floor_char_boundary(self.longest).max(first.len_utf8());
        if furthest == self.rest.len() {
            return Some(Segment { text: std::mem::take(&mut self.rest), ends_a_piece: true });
        }
        let boundary = last_boundary(self.rest, furthest);
        let (text, rest) = self.rest.split_at_checked(boundary.unwrap_or(furthest))?;
        self.rest = rest;
        Some(Segment { text, ends_a_piece: boundary.is_some() })
    }
}

/// The last place up to byte `furthest` where a piece surely begins.
fn last_boundary(text: &str, furthest: usize) -> Option<usize> {
    let mut after = text.get(furthest..)?.chars().next()?;
    for (at, before) in text.get(..furthest)?.char_indices().rev() {
        if begins_a_piece(before, after) {
            return Some(at + before.len_utf8());
        }
        after = before;
    }
    None
}

/// Whether the patterns of `cl100k_base` and `o200k_base` begin a piece between these two, whatever stands around them.
/// No piece goes on with a space after something else; none holds a letter or digit and then white space, digits after
/// letters, or a mark other than an apostrophe, which begins contractions.
fn begins_a_piece(before: char, after: char) -> bool {
    match after {
        ' ' => !before.is_whitespace(),
        '\n' | '.' | ',' | ';' | ':' | '!' | '?' | '(' | ')' | '"' | '<' | '>' | '=' | '/'
        | '_' | '-' | '、' | '。' | '，' | '；' | '：' | '！' | '？' | '（' | '）' | '「'
        | '」' => is_plain(before),
        '0'..='9' => is_plain(before) && !before.is_ascii_digit(),
        _ => false,
    }
}

/// Letters and digits beyond doubt: no marks, which each pattern has in another class.
fn is_plain(c: char) -> bool {
    matches!(c, 'a'..='z' | 'A'..='Z' | '0'..='9' | 'ぁ'..='ゖ' | 'ァ'..='ヺ' | '一'..='\u{9fff}' | '가'..='힣')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str, longest: usize) -> Vec<(&str, bool)> {
        Segments::of(text, longest).map(|part| (part.text, part.ends_a_piece)).collect()
    }

    #[test]
    fn parts_end_before_a_space_where_there_is_one() {
        assert_eq!(cut("", 4), []);
        assert_eq!(cut("one two six", 8), [("one two", true), (" six", true)]);
        assert_eq!(cut("one   two", 6), [("one", true), ("   two", true)]);
        assert_eq!(cut("日本。語", 9), [("日本", true), ("。語", true)]);
        assert_eq!(cut("abcdef", 4), [("abcd", false), ("ef", true)]);
        assert_eq!(cut("日本", 2), [("日", false), ("本", true)]);
    }
}

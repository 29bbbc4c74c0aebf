//! BERT's uncased word pieces: text in, indexes of a vocabulary out.

use rustc_hash::FxHashMap;
use unicode_normalization::char::decompose_canonical;
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory};

/// A longer word is unknown as a whole, as in the tokenizer that the model was trained with.
const MAX_WORD_CHARS: usize = 100;
const CONTINUATION: &str = "##";
const UNKNOWN: &str = "[UNK]";

/// A vocabulary of word pieces and the greedy longest-match split of BERT's uncased models.
///
/// Text is lower-cased, accents are stripped, every CJK ideograph and every punctuation mark is a
/// word of its own. Nothing about a text can make it fail: what the vocabulary cannot spell is the
/// unknown piece. Time is linear in the length of the text.
#[derive(Debug, Clone)]
pub struct WordPiece<'a> {
    /// Pieces that begin a word.
    starts: FxHashMap<&'a str, u32>,
    /// Pieces that continue one, without their `##`.
    continuations: FxHashMap<&'a str, u32>,
    longest_bytes: usize,
    unknown: Option<u32>,
}

impl<'a> WordPiece<'a> {
    /// Takes the pieces in the order of their indexes; a continuation begins with `##`. When a
    /// piece occurs twice, its last index counts.
    pub fn new(pieces: impl IntoIterator<Item = &'a str>) -> Self {
        let mut vocabulary = Self {
            starts: FxHashMap::default(),
            continuations: FxHashMap::default(),
            longest_bytes: 0,
            unknown: None,
        };
        for (index, piece) in (0u32..).zip(pieces) {
            vocabulary.longest_bytes = vocabulary.longest_bytes.max(piece.len());
            match piece.strip_prefix(CONTINUATION) {
                Some(rest) if !rest.is_empty() => vocabulary.continuations.insert(rest, index),
                _ => vocabulary.starts.insert(piece, index),
            };
        }
        vocabulary.unknown = vocabulary.starts.get(UNKNOWN).copied();
        vocabulary
    }

    /// The index of the piece `[UNK]`, when the vocabulary has one.
    pub fn unknown(&self) -> Option<u32> {
        self.unknown
    }

    /// The indexes of the pieces of `text`, in order. Special pieces such as `[CLS]` are not added.
    pub fn split(&self, text: &str) -> Vec<u32> {
        let mut pieces = Vec::new();
        self.for_each(text, |piece| pieces.push(piece));
        pieces
    }

    /// How many pieces `text` has.
    pub fn count(&self, text: &str) -> usize {
        let mut count = 0;
        self.for_each(text, |_| count += 1);
        count
    }

    /// Calls `emit` with the index of each piece of `text`, in order.
    pub fn for_each(&self, text: &str, emit: impl FnMut(u32)) {
        let mut splitter =
            Splitter { vocabulary: self, word: String::new(), chars: 0, found: Vec::new(), emit };
        for char in text.chars() {
            splitter.push(char);
        }
        splitter.end_word();
    }

    /// The longest piece that `rest` begins with: its index and its length in bytes.
    fn longest_prefix(&self, rest: &str, starts_word: bool) -> Option<(u32, usize)> {
        let pieces = if starts_word { &self.starts } else { &self.continuations };
        let longest = rest.len().min(self.longest_bytes);
        (1..=longest)
            .rev()
            .filter_map(|end| rest.get(..end).map(|prefix| (prefix, end)))
            .find_map(|(prefix, end)| Some((*pieces.get(prefix)?, end)))
    }
}

/// The word under construction while a text is read.
struct Splitter<'v, 'a, F> {
    vocabulary: &'v WordPiece<'a>,
    word: String,
    chars: usize,
    found: Vec<u32>,
    emit: F,
}

impl<F: FnMut(u32)> Splitter<'_, '_, F> {
    fn push(&mut self, char: char) {
        if char.is_ascii() { self.push_ascii(char) } else { self.push_unicode(char) }
    }

    fn push_ascii(&mut self, char: char) {
        if char.is_ascii_alphanumeric() {
            self.append(char.to_ascii_lowercase());
        } else if char.is_ascii_punctuation() {
            self.stand_alone(char);
        } else if matches!(char, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c') {
            self.end_word();
        }
    }

    fn push_unicode(&mut self, char: char) {
        if char.is_whitespace() {
            self.end_word();
        } else if is_ideograph(char) {
            self.stand_alone(char);
        } else if char != char::REPLACEMENT_CHARACTER && !is_other(char) {
            decompose_canonical(char, |part| self.push_part(part));
        }
    }

    /// One character of a canonical decomposition.
    fn push_part(&mut self, part: char) {
        if part.general_category() == GeneralCategory::NonspacingMark {
            return;
        }
        for lower in part.to_lowercase() {
            if is_punctuation(lower) { self.stand_alone(lower) } else { self.append(lower) }
        }
    }

    fn append(&mut self, char: char) {
        self.chars += 1;
        if self.chars <= MAX_WORD_CHARS {
            self.word.push(char);
        }
    }

    fn stand_alone(&mut self, char: char) {
        self.end_word();
        self.append(char);
        self.end_word();
    }

    fn end_word(&mut self) {
        if self.chars > MAX_WORD_CHARS {
            self.vocabulary.unknown.into_iter().for_each(&mut self.emit);
        } else if self.chars > 0 {
            self.emit_pieces();
        }
        self.word.clear();
        self.chars = 0;
    }

    /// Emits the pieces of the word, or the unknown piece alone when some part has none.
    fn emit_pieces(&mut self) {
        self.found.clear();
        let mut rest = self.word.as_str();
        while !rest.is_empty() {
            let starts_word = self.found.is_empty();
            let Some((piece, bytes)) = self.vocabulary.longest_prefix(rest, starts_word) else {
                self.vocabulary.unknown.into_iter().for_each(&mut self.emit);
                return;
            };
            self.found.push(piece);
            rest = &rest[bytes..];
        }
        self.found.iter().copied().for_each(&mut self.emit);
    }
}

/// The blocks that BERT writes as one word per character.
fn is_ideograph(char: char) -> bool {
    matches!(u32::from(char),
        0x4E00..=0x9FFF
        | 0x3400..=0x4DBF
        | 0x20000..=0x2A6DF
        | 0x2A700..=0x2B73F
        | 0x2B740..=0x2B81F
        | 0x2B920..=0x2CEAF
        | 0xF900..=0xFAFF
        | 0x2F800..=0x2FA1F)
}

fn is_punctuation(char: char) -> bool {
    char.is_ascii_punctuation()
        || char.general_category_group() == GeneralCategoryGroup::Punctuation
}

/// Control, format, private-use and unassigned characters carry no text.
fn is_other(char: char) -> bool {
    char.general_category_group() == GeneralCategoryGroup::Other
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::*;

    const PIECES: &[&str] = &[
        "[PAD]", "[UNK]", "un", "##aff", "##able", "the", "cafe", "2", "##0", "##24", ",", "!",
        "東", "京", "##s", "i", "a", "##b", "ᄒ", "##ᅡ", "##ᆫ", "¿", "$",
    ];

    fn check(text: &str, expected: Expect) {
        let vocabulary = WordPiece::new(PIECES.iter().copied());
        let words: Vec<&str> =
            vocabulary.split(text).iter().map(|&index| PIECES[index as usize]).collect();
        expected.assert_eq(&words.join(" "));
    }

    #[test]
    fn splits_words_into_the_longest_pieces() {
        check("unaffable The", expect!["un ##aff ##able the"]);
        check("2024, 20!", expect!["2 ##0 ##24 , 2 ##0 !"]);
        check("\tthe\nthe  the ", expect!["the the the"]);
    }

    #[test]
    fn strips_case_accents_and_characters_that_carry_no_text() {
        check("CAFÉS cafe\u{301}s", expect!["cafe ##s cafe ##s"]);
        check("İ", expect!["i"]);
        check("th\u{ad}e t\u{200b}he \u{0}the\u{fffd}", expect!["the the the"]);
        check("", expect![""]);
        check(" \u{3000}\u{300}", expect![""]);
    }

    #[test]
    fn ideographs_and_punctuation_are_words() {
        check("東京the京", expect!["東 京 the 京"]);
        check("¿the$", expect!["¿ the $"]);
        check("한", expect!["ᄒ ##ᅡ ##ᆫ"]);
    }

    #[test]
    fn what_cannot_be_spelled_is_unknown() {
        check("zebra the thezebra 大", expect!["[UNK] the [UNK] [UNK]"]);
        check(&format!("a{}", "b".repeat(100)), expect!["[UNK]"]);
    }

    #[test]
    fn the_longest_word_is_still_spelled() {
        let vocabulary = WordPiece::new(PIECES.iter().copied());
        assert_eq!(vocabulary.split(&format!("a{}", "b".repeat(99))).len(), 100);
    }

    proptest! {
        #[test]
        fn any_text_splits_the_same_way_twice(text in ".{0,200}") {
            let vocabulary = WordPiece::new(PIECES.iter().copied());
            let pieces = vocabulary.split(&text);
            prop_assert!(pieces.iter().all(|&index| (index as usize) < PIECES.len()));
            prop_assert_eq!(pieces, vocabulary.split(&text));
        }

        #[test]
        fn a_space_between_texts_separates_them(left in "\\PC{0,80}", right in "\\PC{0,80}") {
            let vocabulary = WordPiece::new(PIECES.iter().copied());
            let mut parts = vocabulary.split(&left);
            parts.extend(vocabulary.split(&right));
            prop_assert_eq!(parts, vocabulary.split(&format!("{left} {right}")));
        }
    }
}

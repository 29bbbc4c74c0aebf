//! Counting tokens, exactly or nearly.

/// Counts the tokens of a text. Every `Fn(&str) -> u32` is one.
///
/// The chunker expects counts to add up: a text cut at white space has as many tokens as its parts together, give or
/// take none. All word-based tokenizers count so.
pub trait TokenCounter: Send + Sync {
    /// The tokens of `text`; linear in its length.
    fn count(&self, text: &str) -> u32;
}

impl<F: Fn(&str) -> u32 + Send + Sync> TokenCounter for F {
    fn count(&self, text: &str) -> u32 {
        self(text)
    }
}

/// An estimate that needs no vocabulary: close to what byte-pair and word-piece tokenizers give on ordinary text.
///
/// A word counts one token for its first six letters and one for every further five; three digits, one character of a
/// script without spaces, and one punctuation mark count one each. White space is free.
///
/// ```
/// use rag_parse::{EstimatedTokens, TokenCounter};
///
/// assert_eq!(EstimatedTokens.count("Boil the water."), 4);
/// assert_eq!(EstimatedTokens.count("東京 2024"), 4);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct EstimatedTokens;

impl TokenCounter for EstimatedTokens {
    fn count(&self, text: &str) -> u32 {
        let mut tokens = 0_u32;
        let mut run = Run::default();
        for c in text.chars() {
            let class = Class::of(c);
            if class != run.class {
                tokens = tokens.saturating_add(run.tokens());
                run = Run { class, length: 0 };
            }
            run.length += 1;
        }
        tokens.saturating_add(run.tokens())
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Class {
    #[default]
    Space,
    Letter,
    Digit,
    Each,
}

impl Class {
    fn of(c: char) -> Self {
        match c {
            c if c.is_whitespace() => Class::Space,
            c if c.is_ascii_digit() => Class::Digit,
            c if is_unspaced(c) => Class::Each,
            // Combining marks belong to their letters.
            c if c.is_alphanumeric() || ('\u{300}'..='\u{36f}').contains(&c) => Class::Letter,
            _ => Class::Each,
        }
    }
}

/// Han, kana, Hangul, Thai, Lao, Khmer and Burmese: written without spaces between words, or in syllables.
fn is_unspaced(c: char) -> bool {
    matches!(c, '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}'
        | '\u{2e80}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

#[derive(Default)]
struct Run {
    class: Class,
    length: u32,
}

impl Run {
    fn tokens(&self) -> u32 {
        match self.class {
            Class::Space => 0,
            Class::Letter => 1 + self.length.saturating_sub(2) / 5,
            Class::Digit => self.length.div_ceil(3),
            Class::Each => self.length,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn estimates() {
        let cases = [
            ("", 0),
            (" \n\t", 0),
            ("tea", 1),
            ("internationalization", 4),
            ("a-b", 3),
            ("12345", 2),
            ("日本語です。", 6),
        ];
        for (text, tokens) in cases {
            assert_eq!(EstimatedTokens.count(text), tokens, "{text}");
        }
    }

    proptest! {
        #[test]
        fn parts_add_up_at_white_space(left in "\\PC{0,40}", right in "\\PC{0,40}") {
            let whole = EstimatedTokens.count(&format!("{left} {right}"));
            prop_assert_eq!(whole, EstimatedTokens.count(&left) + EstimatedTokens.count(&right));
        }
    }
}

//! [`estimate`]: tokens without a vocabulary.

/// Roughly the tokens of a text: close to what byte-pair and word-piece tokenizers give on ordinary text. Linear in its
/// length; white space between two texts makes their estimates add up.
///
/// A word counts one token for its first six letters and one for every further five; three digits, one character of a
/// script without spaces, and one punctuation mark count one each. White space is free.
///
/// ```
/// use llm_tokens::estimate;
///
/// assert_eq!(estimate("Boil the water."), 4);
/// assert_eq!(estimate("東京 2024"), 4);
/// ```
pub fn estimate(text: &str) -> u32 {
    let mut tally = Tally::default();
    text.chars().for_each(|c| tally.push(c));
    tally.tokens()
}

/// The longest beginning with an estimate of at most `max`.
pub(crate) fn truncate(text: &str, max: u32) -> &str {
    let mut tally = Tally::default();
    for (at, c) in text.char_indices() {
        tally.push(c);
        if tally.tokens() > max {
            return text.get(..at).unwrap_or_default();
        }
    }
    text
}

/// What has been counted so far. It never falls.
#[derive(Default)]
struct Tally {
    done: u32,
    run: Run,
}

impl Tally {
    fn push(&mut self, c: char) {
        let class = Class::of(c);
        if class != self.run.class {
            self.done = self.tokens();
            self.run = Run { class, length: 0 };
        }
        self.run.length = self.run.length.saturating_add(1);
    }

    fn tokens(&self) -> u32 {
        self.done.saturating_add(self.run.tokens())
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
            assert_eq!(estimate(text), tokens, "{text}");
        }
    }

    proptest! {
        #[test]
        fn parts_add_up_at_white_space(left in "\\PC{0,40}", right in "\\PC{0,40}") {
            let whole = estimate(&format!("{left} {right}"));
            prop_assert_eq!(whole, estimate(&left) + estimate(&right));
        }

        #[test]
        fn a_truncated_text_is_the_longest_beginning_that_fits(text in "\\PC{0,60}", max in 0_u32..30) {
            let kept = truncate(&text, max);
            prop_assert!(text.starts_with(kept) && estimate(kept) <= max);
            if let Some(next) = text[kept.len()..].chars().next() {
                let longer = format!("{kept}{next}");
                prop_assert!(estimate(&longer) > max, "{}", longer);
            }
        }
    }
}

//! [`TokenCounter`]: the tokens of texts, for one model.

use crate::estimate;
#[cfg(feature = "openai")]
use crate::segments::{LONGEST, Segments};
use crate::vocabulary::Family;

/// A number of tokens, and whether it is exactly the model's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenCount {
    /// How many.
    pub tokens: u32,
    /// Whether the model counts the same; otherwise it is an estimate.
    pub exact: bool,
}

/// Counts tokens as one model does, or nearly. Cheap to make and to copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenCounter {
    pub(crate) family: Option<Family>,
}

impl TokenCounter {
    /// The counter for a model, by its name with or without its provider's (`openai/gpt-4o`, `gpt-4o`). An unknown name
    /// has estimates.
    pub fn for_model(model: &str) -> Self {
        Self { family: Family::of(model).filter(|_| cfg!(feature = "openai")) }
    }

    /// A counter that estimates.
    pub fn estimating() -> Self {
        Self { family: None }
    }

    /// Whether it has the model's own vocabulary.
    pub fn is_exact(&self) -> bool {
        self.family.is_some()
    }

    /// The tokens of a text by itself. What looks like a special token (`<|endoftext|>`) counts as the text that it is.
    ///
    /// Linear in the text's length, with bounded memory. The price: a single word, number or run of white space of more
    /// than 16 KiB is counted in parts, and then the count is no longer marked exact.
    pub fn count(&self, text: &str) -> TokenCount {
        match self.family {
            #[cfg(feature = "openai")]
            Some(family) => exact(family, text),
            _ => TokenCount { tokens: estimate::estimate(text), exact: false },
        }
    }

    /// A beginning of the text with at most `max` tokens: the longest one, or a few characters less, cut between
    /// characters. With a vocabulary, `max` is kept exactly. Takes time in proportion to `max`, however long the text is.
    pub fn truncate<'a>(&self, text: &'a str, max: u32) -> &'a str {
        // A token has at least one byte, and so has what is estimated as one.
        if text.len() <= max as usize {
            return text;
        }
        match self.family {
            #[cfg(feature = "openai")]
            Some(family) => truncate_exact(family, text, max),
            _ => estimate::truncate(text, max),
        }
    }
}

#[cfg(feature = "openai")]
fn exact(family: Family, text: &str) -> TokenCount {
    let Some(encoding) = encoding(family) else {
        return TokenCount { tokens: estimate::estimate(text), exact: false };
    };
    let mut count = TokenCount { tokens: 0, exact: true };
    for segment in Segments::of(text, LONGEST) {
        let tokens = u32::try_from(encoding.count(segment.text)).unwrap_or(u32::MAX);
        count.tokens = count.tokens.saturating_add(tokens);
        count.exact &= segment.ends_a_piece;
    }
    count
}

#[cfg(feature = "openai")]
fn truncate_exact(family: Family, text: &str, max: u32) -> &str {
    let Some(encoding) = encoding(family) else {
        return estimate::truncate(text, max);
    };
    let mut end = fitting_bytes(encoding, text, max as usize);
    // What is left of the last piece may have more tokens than it had as a part of it.
    loop {
        end = text.floor_char_boundary(end);
        let kept = text.get(..end).unwrap_or_default();
        if kept.is_empty() || exact(family, kept).tokens <= max {
            return kept;
        }
        end -= 1;
    }
}

/// How many bytes the first `max` tokens have.
#[cfg(feature = "openai")]
fn fitting_bytes(encoding: &tiktoken::CoreBpe, text: &str, max: usize) -> usize {
    let mut left = max;
    let mut bytes = 0;
    for segment in Segments::of(text, LONGEST) {
        let tokens = encoding.encode(segment.text);
        match tokens.get(..left) {
            Some(fitting) if tokens.len() > left => return bytes + encoding.decode(fitting).len(),
            _ => {
                left -= tokens.len();
                bytes += segment.text.len();
            }
        }
    }
    bytes
}

#[cfg(feature = "openai")]
fn encoding(family: Family) -> Option<&'static tiktoken::CoreBpe> {
    use crate::vocabulary::Vocabulary;
    tiktoken::get_encoding(match family.vocabulary {
        Vocabulary::Cl100k => "cl100k_base",
        Vocabulary::O200k => "o200k_base",
    })
}

#[cfg(all(test, feature = "openai"))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OLDER: &str = "gpt-4";
    const NEWER: &str = "gpt-4o";

    #[test]
    fn counts_as_the_model_does() {
        // Counts of OpenAI's `tiktoken` for the two vocabularies.
        for (text, older, newer) in [
            ("", 0, 0),
            ("hello world", 2, 2),
            ("tiktoken is great!", 6, 6),
            ("お誕生日おめでとう", 9, 8),
            ("antidisestablishmentarianism", 6, 6),
            ("2 + 2 = 4", 7, 7),
            ("<|endoftext|>", 7, 7),
        ] {
            let count = |model| TokenCounter::for_model(model).count(text);
            assert_eq!(count(OLDER), TokenCount { tokens: older, exact: true }, "{text}");
            assert_eq!(count(NEWER), TokenCount { tokens: newer, exact: true }, "{text}");
        }
    }

    #[test]
    fn a_word_without_end_is_counted_in_parts_and_marked() {
        let counter = TokenCounter::for_model(NEWER);
        let count = counter.count(&"a".repeat(10 * LONGEST));
        assert!(!count.exact && count.tokens == 20_480, "{count:?}");
        assert_eq!(counter.truncate(&"a".repeat(10 * LONGEST), 4_000).len(), 32_000);
        let count = counter.count(&"word ".repeat(10 * LONGEST));
        assert!(count.exact && count.tokens == 163_841, "{count:?}");
    }

    /// Text as hostile as it comes: runs of every class that the patterns know.
    fn text() -> impl Strategy<Value = String> {
        let runs = prop_oneof![
            "[a-zA-Z]{1,8}",
            " {1,4}",
            "[ \n\r\t]{1,4}",
            "[0-9]{1,5}",
            "[.,;:!?'\"/_()<>=-]{1,4}",
            "[一-龥]{1,4}",
            "[ぁ-ゖァ-ヺ]{1,3}",
            "[가-힣]{1,3}",
            "[、。，；：！？（）「」]{1,2}",
            "[é\u{301}\u{302}\u{200d}😀👩]{1,3}",
            "'(s|t|re|ve|m|ll|d|S|T)",
            "\\PC{1,3}",
        ];
        prop::collection::vec(runs, 0..24).prop_map(|runs| runs.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn parts_add_up_wherever_they_end(text in text(), longest in 1_usize..40) {
            for model in [OLDER, NEWER] {
                let encoding = encoding(Family::of(model).unwrap()).unwrap();
                let mut whole = 0;
                let mut since = String::new();
                for segment in Segments::of(&text, longest) {
                    since += segment.text;
                    if segment.ends_a_piece {
                        whole += encoding.count(&since);
                        since.clear();
                    }
                }
                prop_assert_eq!(whole, encoding.count(&text), "{}", model);
            }
        }

        #[test]
        fn a_truncated_text_fits_and_is_nearly_as_long_as_can_be(text in text(), max in 0_u32..40) {
            for model in [OLDER, NEWER, "other"] {
                let counter = TokenCounter::for_model(model);
                let kept = counter.truncate(&text, max);
                let count = counter.count(kept).tokens;
                prop_assert!(text.starts_with(kept) && count <= max);
                prop_assert!(kept == text || count + 4 >= max, "{} of {} in {:?}", count, max, kept);
            }
        }
    }
}

//! How long a text is in tokens, roughly, and how to shorten one. Without a tokenizer: it is a bound for texts that are
//! far too long, and the provider's own refusal decides the close cases.

/// Hundredths of a token that a character costs in a usual vocabulary, on the high side.
fn cost(character: char) -> u64 {
    match character {
        'a'..='z' | 'A'..='Z' => 26,
        c if c.is_ascii_whitespace() => 5,
        c if c.is_ascii() => 60,
        c if (c as u32) < 0x800 => 50,
        c if (c as u32) < 0x10000 => 100,
        _ => 200,
    }
}

/// Roughly how many tokens the text has.
pub(crate) fn tokens(text: &str) -> u64 {
    text.chars().map(cost).sum::<u64>().div_ceil(100)
}

/// The longest beginning of the text that has roughly at most `limit` tokens, but at least its first character; `None`
/// if that is the whole text.
pub(crate) fn shortened(text: &str, limit: u64) -> Option<&str> {
    // No character costs more than a token per byte.
    if text.len() as u64 <= limit {
        return None;
    }
    let budget = limit.saturating_mul(100);
    let mut spent = 0_u64;
    for (at, character) in text.char_indices() {
        spent += cost(character);
        if spent > budget && at > 0 {
            return text.get(..at);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn english_has_about_four_letters_a_token() {
        let text = "The quick brown fox jumps over the lazy dog, and nothing else happens today.";
        assert!((14..=24).contains(&tokens(text)), "{}", tokens(text));
    }

    proptest! {
        #[test]
        fn a_shortened_text_is_a_beginning_that_fits(text in ".{0,200}", limit in 0_u64..100) {
            match shortened(&text, limit) {
                Some(short) => {
                    prop_assert!(text.starts_with(short) && short.len() < text.len());
                    let one = short.chars().count() == 1;
                    prop_assert!(tokens(short) <= limit || one);
                    prop_assert!(tokens(&text) > limit);
                }
                None => prop_assert!(tokens(&text) <= limit || text.chars().count() == 1),
            }
        }
    }
}

//! Bold that is not: programs without a bold font print each letter twice, a hair apart, and it is read twice.

use std::borrow::Cow;

/// Fewer pairs of letters in a row can be words (`AA`, `oo`).
const FEW_PAIRS: usize = 8;

/// The text without the second of each two letters, where whole words in a row are made of such pairs.
pub(super) fn undouble(text: &str) -> Cow<'_, str> {
    let mut clean = String::new();
    let mut copied = 0;
    let mut run: Vec<(usize, &str)> = Vec::new();
    let mut end_run = |run: &mut Vec<(usize, &str)>| {
        let pairs = |is: fn(char) -> bool| {
            run.iter().flat_map(|(_, word)| word.chars()).filter(|c| is(*c)).count() / 2
        };
        let letters = pairs(char::is_alphabetic);
        if letters >= FEW_PAIRS && letters >= pairs(char::is_numeric) {
            for (start, word) in run.iter() {
                clean.push_str(text.get(copied..*start).unwrap_or_default());
                clean.extend(word.chars().step_by(2));
                copied = start + word.len();
            }
        }
        run.clear();
    };
    let mut position = 0;
    for piece in text.split_inclusive(char::is_whitespace) {
        let word = piece.trim_end();
        if is_doubled(word) {
            run.push((position, word));
        } else if !word.is_empty() {
            end_run(&mut run);
        }
        position += piece.len();
    }
    end_run(&mut run);
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    clean.push_str(text.get(copied..).unwrap_or_default());
    Cow::Owned(clean)
}

/// Whether a word is made of pairs of equal letters, digits or marks.
fn is_doubled(word: &str) -> bool {
    let mut chars = word.chars();
    let mut pairs = 0;
    while let Some(first) = chars.next() {
        if chars.next() != Some(first) {
            return false;
        }
        pairs += 1;
    }
    pairs > 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_doubled_text_is_cut() {
        let cases = [
            ("see BBOOLL DD  TTEEXXTT\nhheerree.. and on", "see BOL D  TEXT\nhere. and on"),
            ("GGrruunndd iimm JJaahhrr 22002244", "Grund im Jahr 2024"),
            ("ÄÄrrzzttee hheellffeenn", "Ärzte helfen"),
            // Too little to be sure, or numbers.
            ("an AA battery, oo", "an AA battery, oo"),
            ("11 22 33 44 55 66 77 88 99", "11 22 33 44 55 66 77 88 99"),
            ("Mississippi committee", "Mississippi committee"),
            ("", ""),
        ];
        for (text, clean) in cases {
            assert_eq!(undouble(text), clean, "{text}");
        }
    }

    proptest! {
        #[test]
        fn doubled_words_are_found(words in proptest::collection::vec("[a-zé]{3,9}", 3..9)) {
            let text = words.join(" ");
            let doubled: String = text
                .chars()
                .flat_map(|c| std::iter::repeat_n(c, if c == ' ' { 1 } else { 2 }))
                .collect();
            prop_assert_eq!(undouble(&doubled), text);
        }
    }
}

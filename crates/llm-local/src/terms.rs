//! Words in a form that their inflections share, for comparing texts by what they say.

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};
use unicode_segmentation::UnicodeSegmentation;

/// The terms of a text, in order: words without case, accents and common English endings, and
/// pairs of neighbouring characters in scripts that do not put spaces between words.
pub(crate) fn terms(text: &str) -> Vec<String> {
    terms_of_words(text).into_iter().map(|(term, _)| term).collect()
}

/// The terms of a text, each with the word that it was made of.
pub(crate) fn terms_of_words(text: &str) -> Vec<(String, String)> {
    let mut terms = Vec::new();
    for run in runs(text) {
        if run.chars().next().is_some_and(is_unspaced) {
            terms.extend(pairs(run).into_iter().map(|pair| (pair.clone(), pair)));
        } else {
            let words = run.unicode_words().map(folded);
            terms.extend(words.map(|word| (stem(&word), word)));
        }
    }
    terms
}

/// Splits where a script with spaces meets one without.
fn runs(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let unspaced = is_unspaced(rest.chars().next()?);
        let end = rest.find(|char| is_unspaced(char) != unspaced).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        rest = after;
        Some(run)
    })
}

/// Each two neighbours; a character that stands alone is its own pair.
fn pairs(run: &str) -> Vec<String> {
    let chars: Vec<char> = run.chars().collect();
    match chars.as_slice() {
        [alone] => vec![alone.to_string()],
        chars => chars.windows(2).map(|pair| pair.iter().collect()).collect(),
    }
}

/// Han, kana, and the scripts of South-East Asia that are written without spaces.
fn is_unspaced(char: char) -> bool {
    matches!(u32::from(char),
        0x0E01..=0x0EFF
        | 0x1000..=0x109F
        | 0x1780..=0x17FF
        | 0x3005..=0x3007
        | 0x3041..=0x30FF
        | 0x3400..=0x4DBF
        | 0x4E00..=0x9FFF
        | 0xF900..=0xFAFF
        | 0x20000..=0x3FFFF)
}

fn folded(word: &str) -> String {
    if word.is_ascii() {
        return word.to_ascii_lowercase();
    }
    word.nfkd()
        .filter(|char| !is_combining_mark(*char) && !char.is_whitespace())
        .flat_map(char::to_lowercase)
        .collect()
}

/// Takes common English endings off; words of other languages mostly stay as they are.
fn stem(word: &str) -> String {
    if !word.is_ascii() {
        return word.into();
    }
    let mut stem = word.strip_suffix("'s").unwrap_or(word).to_owned();
    if stem.len() > 3
        && stem.ends_with('s')
        && !["ss", "us", "is"].iter().any(|end| stem.ends_with(end))
    {
        stem.pop();
        if stem.ends_with("ie") {
            stem.pop();
        }
    }
    for ending in ["ing", "ed"] {
        if let Some(rest) = stem.strip_suffix(ending)
            && rest.len() >= 3
            && rest.contains(['a', 'e', 'i', 'o', 'u', 'y'])
        {
            stem = undoubled(rest).to_owned();
            break;
        }
    }
    if stem.len() > 3 && stem.ends_with('e') {
        stem.pop();
    }
    if stem.len() > 2 && stem.ends_with('y') {
        stem.pop();
        stem.push('i');
    }
    stem
}

/// `runn` → `run`, but `add` and `fill` stay.
fn undoubled(stem: &str) -> &str {
    let bytes = stem.as_bytes();
    match bytes {
        [.., first, last] if first == last && bytes.len() > 3 && !b"aeiouls".contains(last) => {
            &stem[..stem.len() - 1]
        }
        _ => stem,
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: Expect) {
        expected.assert_eq(&terms(text).join(" "));
    }

    #[test]
    fn inflections_share_a_term() {
        check("city cities City's CITY", expect!["citi citi citi citi"]);
        check("make makes making", expect!["mak mak mak"]);
        check("run running plan planned", expect!["run run plan plan"]);
        check("walk walked walks, walking", expect!["walk walk walk walk"]);
        check("bus class analysis red sing", expect!["bus class analysis red sing"]);
    }

    #[test]
    fn accents_and_width_do_not_matter() {
        check("Café CAFÉ ｃａｆｅ", expect!["caf caf caf"]);
        check("Größe ГОРОД", expect!["große город"]);
    }

    #[test]
    fn unspaced_scripts_give_pairs() {
        check("東京タワー is 高い", expect!["東京 京タ タワ ワー is 高い"]);
        check("茶", expect!["茶"]);
        check("ประเทศ", expect!["ปร ระ ะเ เท ทศ"]);
    }

    proptest! {
        #[test]
        fn any_text_has_terms_without_spaces(text in ".{0,200}") {
            for term in terms(&text) {
                prop_assert!(!term.contains(char::is_whitespace));
            }
        }
    }
}

//! [`Scripts`]: what a model can read.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use unicode_script::{Script, UnicodeScript};

/// Scripts that a model was trained on, by their codes in ISO 15924 (`Latn`, `Cyrl`, `Hani`).
///
/// ```
/// use llm_core::Scripts;
///
/// let scripts = Scripts::from_iter(["Latn"]);
/// assert!(scripts.cover("Who is José?"));
/// assert!(!scripts.cover("Кто такой Tesla?"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scripts(BTreeSet<String>);

impl Scripts {
    /// Whether at least half of the letters of `text` are in these scripts. Text without letters is covered.
    pub fn cover(&self, text: &str) -> bool {
        let (mut known, mut letters) = (0, 0);
        for script in letter_scripts(text) {
            letters += 1;
            known += usize::from(self.0.contains(script));
        }
        known * 2 >= letters
    }
}

impl<S: Into<String>> FromIterator<S> for Scripts {
    fn from_iter<I: IntoIterator<Item = S>>(codes: I) -> Self {
        Self(codes.into_iter().map(Into::into).collect())
    }
}

/// The script of each letter of a text, as its code in ISO 15924. Characters that all scripts have in common, and
/// accents that stand by themselves, are left out.
pub fn letter_scripts(text: &str) -> impl Iterator<Item = &'static str> {
    let scripts = text.chars().filter(|char| char.is_alphabetic()).map(|char| char.script());
    let shared = [Script::Common, Script::Inherited, Script::Unknown];
    scripts.filter(move |script| !shared.contains(script)).map(|script| script.short_name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_letters_decide() {
        let check = |codes: &[&str], text: &str, covered: bool| {
            let scripts = Scripts::from_iter(codes.iter().copied());
            assert_eq!(scripts.cover(text), covered, "{codes:?} {text}");
        };
        check(&["Latn"], "2 + 2", true);
        check(&["Latn"], "", true);
        check(&["Latn"], "首都はどこですか", false);
        check(&["Latn"], "Was ist 水?", true);
        check(&["Hani", "Hira"], "首都はどこですか", true);
        check(&["Hani"], "首都 Tokyo", false);
        check(&[], "a", false);
    }
}

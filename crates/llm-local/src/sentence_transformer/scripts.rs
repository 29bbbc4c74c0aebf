//! Which scripts a model was trained on, as far as its vocabulary tells.

use std::collections::BTreeMap;

use llm_core::{Scripts, letter_scripts};

/// The fewest pieces of a script in the vocabulary of a model that was trained on it. Vocabularies list the letters of
/// scripts that they hardly saw, too: those of BERT's English one have at most 488 pieces of any other script (Han),
/// those of multilingual ones thousands of each.
const FEWEST_PIECES: usize = 1000;

/// The scripts that the vocabulary has many pieces of. A piece is of the script of its first letter.
pub(super) fn known_scripts<'a>(pieces: impl Iterator<Item = &'a str>) -> Scripts {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for script in pieces.filter_map(|piece| letter_scripts(piece).next()) {
        *counts.entry(script).or_default() += 1;
    }
    counts
        .into_iter()
        .filter(|(_, count)| *count >= FEWEST_PIECES)
        .map(|(script, _)| script)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_with_few_pieces_is_not_known() {
        let many = |first: u32, count: u32| {
            (first..first + count).filter_map(char::from_u32).map(|char| format!("##{char}"))
        };
        let pieces: Vec<String> = many(0x4E00, 1000).chain(many(0x0621, 20)).collect();
        let scripts = known_scripts(pieces.iter().map(String::as_str));
        assert_eq!(scripts, Scripts::from_iter(["Hani"]));
    }
}

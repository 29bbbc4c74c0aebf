//! How well a passage fits a question in absolute terms, so that scores of different questions can be compared.

use std::collections::{HashMap, HashSet};

use unicode_segmentation::UnicodeSegmentation;

/// The share of the question's words that stand in each passage, weighted by how rare they are among the passages:
/// 0 to 1. Words are compared without case and by their beginning, which is a stem that fits most languages.
pub(crate) fn coverage(question: &str, passages: &[&str]) -> Vec<f32> {
    let question = terms(question);
    let passages: Vec<HashSet<String>> = passages.iter().map(|text| terms(text)).collect();
    let mut counts: HashMap<&str, f32> = HashMap::new();
    for term in passages.iter().flatten().filter(|term| question.contains(*term)) {
        *counts.entry(term).or_default() += 1.0;
    }
    let rarity = |term: &String| {
        let count = counts.get(term.as_str()).copied().unwrap_or(0.0);
        (1.0 + (passages.len() as f32 + 1.0) / (count + 1.0)).ln() * (term.len() as f32).sqrt()
    };
    let whole: f32 = question.iter().map(rarity).sum();
    let share = |passage: &HashSet<String>| {
        let shared: f32 = question.intersection(passage).map(rarity).sum();
        if whole > 0.0 { shared / whole } else { 0.0 }
    };
    passages.iter().map(share).collect()
}

/// Words shorter than this are compared whole.
const STEM: usize = 6;

fn terms(text: &str) -> HashSet<String> {
    let stem = |word: &str| word.to_lowercase().chars().take(STEM).collect();
    text.unicode_words().map(stem).collect()
}

#[cfg(test)]
mod tests {
    use super::coverage;

    #[test]
    fn more_of_the_question_is_more() {
        let passages = ["The server listens on port 9380.", "The server stops.", "Nothing else."];
        let covered = coverage("On which port does the server listen?", &passages);
        assert!(
            covered[0] > 0.4 && covered[0] > covered[1] && covered[1] > covered[2],
            "{covered:?}"
        );
        assert_eq!(coverage("", &["a"]), [0.0]);
        assert!(coverage("水几度沸腾", &["水在一百度沸腾。"])[0] > 0.5);
    }
}

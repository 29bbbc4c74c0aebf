//! Names that look like one that nobody has.

/// How many near names an error tells.
const NEAR_NAMES: usize = 3;

/// The known names that look most like this one, best first.
pub(super) fn near_names(name: &str, known: &[String]) -> Vec<String> {
    let wanted = shortened(name).to_lowercase();
    let mut scored: Vec<(f64, &String)> = known
        .iter()
        .map(|known| (strsim::jaro_winkler(&wanted, &known.to_lowercase()), known))
        .filter(|(score, _)| *score > 0.8)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    scored.into_iter().take(NEAR_NAMES).map(|(_, name)| format!("`{name}`")).collect()
}

/// A name for a message, bounded, since callers can send anything.
pub(super) fn shortened(name: &str) -> String {
    name.chars().take(100).collect()
}

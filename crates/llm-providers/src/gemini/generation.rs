//! What differs between generations of Gemini models, told from their names.

/// A generation of models. Names that tell none count as the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Generation {
    /// 1.x and 2.x: thinking is measured in tokens, results of tools hold no media, signatures are optional.
    Second,
    /// 3.x and later: thinking has levels, results of tools may hold media, the first call of a step must be signed.
    Third,
}

impl Generation {
    /// `gemini-2.5-flash`, `models/gemini-3-pro`, `publishers/google/models/…` …
    pub(super) fn of(model: &str) -> Self {
        let name = model.rsplit('/').next().unwrap_or(model);
        match name.strip_prefix("gemini-").and_then(|version| version.chars().next()) {
            Some('1' | '2') => Generation::Second,
            _ => Generation::Third,
        }
    }
}

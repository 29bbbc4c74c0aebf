//! What differs between generations of Gemini models, told from their names.

/// A generation of models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Generation {
    /// 1.x and 2.x: thinking is measured in tokens, results of tools hold no media, signatures are optional.
    Second,
    /// Names that tell none (tuned models, other families): as the newest, but nothing is made up for them.
    Unknown,
    /// 3.x and later: thinking has levels, results of tools may hold media, the first call of a step must be signed.
    Third,
}

impl Generation {
    /// `gemini-2.5-flash`, `models/gemini-3-pro`, `publishers/google/models/…`; `gemini-flash-latest` is the newest.
    pub(super) fn of(model: &str) -> Self {
        let name = model.rsplit('/').next().unwrap_or(model);
        match name.strip_prefix("gemini-").map(|version| version.chars().next()) {
            Some(Some('1' | '2')) => Generation::Second,
            Some(_) => Generation::Third,
            None => Generation::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_generation() {
        for (model, expected) in [
            ("gemini-2.5-flash", Generation::Second),
            ("models/gemini-1.5-pro", Generation::Second),
            ("publishers/google/models/gemini-3-pro-preview", Generation::Third),
            ("gemini-flash-latest", Generation::Third),
            ("tunedModels/mine", Generation::Unknown),
            ("gemma-3-27b-it", Generation::Unknown),
        ] {
            assert_eq!(Generation::of(model), expected, "{model}");
        }
    }
}

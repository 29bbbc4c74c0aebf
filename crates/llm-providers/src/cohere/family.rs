//! What families of models take, as far as their names tell.

/// Beginnings of the names of models that do not think ("Reasoning" in the documentation lists those that do). A model
/// that is not known here is asked, and the provider judges.
const WITHOUT_THINKING: [&str; 9] = [
    "command-r",
    "command-a-03",
    "command-a-vision",
    "command-a-translate",
    "command-light",
    "command-nightly",
    "command-text",
    "c4ai-",
    "tiny-aya",
];

/// Whether a model may think before it answers.
pub(super) fn may_think(model: &str) -> bool {
    // A deployment may stand in front: `cohere/command-r`, `cohere.command-r-v1:0`.
    let name = model.rsplit_once('/').map_or(model, |(_, name)| name);
    let name = name.strip_prefix("cohere.").unwrap_or(name);
    name != "command" && !WITHOUT_THINKING.iter().any(|begin| name.starts_with(begin))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_who_thinks() {
        for (model, thinks) in [
            ("command-a-reasoning-08-2025", true),
            ("command-a-plus-05-2026", true),
            ("my-deployment", true),
            ("command-a-03-2025", false),
            ("cohere/command-r7b-12-2024", false),
            ("command", false),
        ] {
            assert_eq!(may_think(model), thinks, "{model}");
        }
    }
}

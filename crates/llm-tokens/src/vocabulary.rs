//! [`Family`]: from a model's name to what is known about its tokens.
//!
//! Which vocabulary a model has is what OpenAI's own `tiktoken` says (`tiktoken/model.py`); fine-tuned models have their
//! base model's.

/// A vocabulary that is public.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Vocabulary {
    Cl100k,
    O200k,
}

/// What is known about the tokens of a family of models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Family {
    /// Its vocabulary.
    pub(crate) vocabulary: Vocabulary,
    /// Whether what is added around messages is known.
    pub(crate) frames_messages: bool,
}

const fn family(vocabulary: Vocabulary, frames_messages: bool) -> Family {
    Family { vocabulary, frames_messages }
}

const EMBEDDING: Family = family(Vocabulary::Cl100k, false);
const OLDER_CHAT: Family = family(Vocabulary::Cl100k, true);
const CHAT: Family = family(Vocabulary::O200k, true);
const REASONING: Family = family(Vocabulary::O200k, false);

/// Beginnings of names. A name belongs to a family when it is the beginning, or goes on with another part of it (`-`, `_`
/// …); after a beginning with a dot, anything may follow.
const FAMILIES: &[(&str, Family)] = &[
    ("text-embedding-3", EMBEDDING),
    ("text-embedding-ada-002", EMBEDDING),
    ("gpt-3.5-turbo", OLDER_CHAT),
    ("gpt-35-turbo", OLDER_CHAT),
    ("gpt-4", OLDER_CHAT),
    ("gpt-4o", CHAT),
    ("chatgpt-4o", CHAT),
    ("gpt-4.1", CHAT),
    ("gpt-4.5", CHAT),
    ("gpt-5", REASONING),
    ("gpt-5.", REASONING),
    ("gpt-oss", REASONING),
    ("o1", REASONING),
    ("o3", REASONING),
    ("o4", REASONING),
];

impl Family {
    /// The family of a model, by its name with or without its provider's: `openai/gpt-4o`, `gpt-4o-mini`,
    /// `ft:gpt-4o:acme::1`, `openai.gpt-oss-20b-1:0`.
    pub(crate) fn of(model: &str) -> Option<Self> {
        let name = model.rsplit('/').next()?.to_ascii_lowercase();
        let name = name.strip_prefix("ft:").unwrap_or(&name);
        let name = name.strip_prefix("openai.").unwrap_or(name);
        let is_of = |beginning: &str| {
            name.strip_prefix(beginning).is_some_and(|rest| {
                let next = rest.chars().next();
                beginning.ends_with('.') || !next.is_some_and(|c| c.is_alphanumeric() || c == '.')
            })
        };
        let (_, family) = FAMILIES.iter().find(|(beginning, _)| is_of(beginning))?;
        // These are given more than the messages.
        let is_special = ["-search", "-audio"].iter().any(|special| name.contains(special));
        Some(Self { frames_messages: family.frames_messages && !is_special, ..*family })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_vocabulary() {
        use Vocabulary::{Cl100k, O200k};
        for (model, expected) in [
            ("gpt-4", Some(Cl100k)),
            ("gpt-4-0613", Some(Cl100k)),
            ("azure/gpt-35-turbo-16k", Some(Cl100k)),
            ("ft:gpt-3.5-turbo-0125:acme::abc", Some(Cl100k)),
            ("text-embedding-3-large", Some(Cl100k)),
            ("openai/text-embedding-ada-002", Some(Cl100k)),
            ("gpt-4o", Some(O200k)),
            ("openrouter/openai/gpt-4o-mini:free", Some(O200k)),
            ("ft:gpt-4o-mini-2024-07-18:acme::abc", Some(O200k)),
            ("gpt-4.1-nano", Some(O200k)),
            ("GPT-5.2_2025-12-11", Some(O200k)),
            ("o3-mini", Some(O200k)),
            ("openai.gpt-oss-120b-1:0", Some(O200k)),
            ("gpt-4all", None),
            ("gpt-4.9", None),
            ("o1x", None),
            ("text-embedding-v3", None),
            ("text-embedding-004", None),
            ("claude-sonnet-4-5", None),
            ("gpt-4/llama-3", None),
            ("", None),
        ] {
            assert_eq!(Family::of(model).map(|family| family.vocabulary), expected, "{model}");
        }
    }
}

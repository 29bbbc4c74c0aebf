//! [`TokenCounter`]: what the chunker measures with.

/// Counts the tokens of a text. Every `Fn(&str) -> u32` is one, [`llm_tokens::estimate`] for instance.
///
/// The chunker expects counts to add up: a text cut at white space has as many tokens as its parts together, give or
/// take none. All word-based tokenizers count so.
pub trait TokenCounter: Send + Sync {
    /// The tokens of `text`; linear in its length.
    fn count(&self, text: &str) -> u32;
}

impl<F: Fn(&str) -> u32 + Send + Sync> TokenCounter for F {
    fn count(&self, text: &str) -> u32 {
        self(text)
    }
}

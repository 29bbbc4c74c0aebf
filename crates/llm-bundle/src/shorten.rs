//! Cutting texts to what a model takes, by its own tokens where they are known. Counting is computing, so it is done on
//! a thread for blocking work, and only where a text can be too long at all.

use llm_core::{ErrorKind, ModelError, Operation};
use llm_tokens::TokenCounter;

/// Texts, and how many of them were cut.
pub(crate) struct Shortened {
    pub(crate) inputs: Vec<String>,
    pub(crate) cut: usize,
    /// The tokens that a text has at most.
    pub(crate) limit: u32,
}

/// Cuts the texts that have more than `limit` tokens.
pub(crate) async fn to_limit(
    counter: TokenCounter,
    inputs: Vec<String>,
    limit: u32,
) -> Result<Shortened, ModelError> {
    // A token has at least one byte.
    if inputs.iter().all(|input| input.len() <= limit as usize) {
        return Ok(Shortened { inputs, cut: 0, limit });
    }
    on_thread(move || cut(counter, inputs, limit)).await
}

/// Cuts the texts that have more than half as many tokens as the longest.
pub(crate) async fn to_half(
    counter: TokenCounter,
    inputs: Vec<String>,
) -> Result<Shortened, ModelError> {
    on_thread(move || {
        let longest = inputs.iter().map(|input| counter.count(input).tokens).max().unwrap_or(0);
        cut(counter, inputs, (longest / 2).max(1))
    })
    .await
}

fn cut(counter: TokenCounter, mut inputs: Vec<String>, limit: u32) -> Shortened {
    let mut cut = 0;
    for input in &mut inputs {
        // Providers refuse blank texts, so something stays.
        let first = input.chars().next().map_or(0, char::len_utf8);
        let end = counter.truncate(input, limit).len().max(first);
        if end < input.len() {
            input.truncate(end);
            cut += 1;
        }
    }
    Shortened { inputs, cut, limit }
}

/// The work's result. The work is bounded by the texts' length; when the caller leaves, it runs to its end unheard.
async fn on_thread(
    work: impl FnOnce() -> Shortened + Send + 'static,
) -> Result<Shortened, ModelError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        ModelError::new(ErrorKind::Internal, Operation::Embed, "counting tokens failed")
            .with_source(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn texts_are_cut_and_never_to_nothing() {
        let inputs = vec!["short".to_owned(), "語".repeat(9), "one two three four".to_owned()];
        let counter = TokenCounter::estimating();
        let limited = to_limit(counter, inputs.clone(), 3).await.unwrap();
        assert_eq!((limited.cut, limited.limit), (2, 3));
        assert_eq!(limited.inputs, ["short", "語語語", "one two three "]);
        let half = to_half(counter, inputs.clone()).await.unwrap();
        assert_eq!((half.cut, half.limit), (1, 4));
        assert_eq!(to_limit(counter, inputs, 0).await.unwrap().inputs, ["s", "語", "o"]);
    }
}

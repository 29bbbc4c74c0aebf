//! What a call consumed, out of `usage`.

use llm_core::Usage;
use serde_json::Value;

/// Reads a `usage` object: cached tokens are inside the prompt, reasoning tokens inside the answer. Calls without an answer
/// (embeddings, rerank) tell a total, which is the prompt's. `None` for anything but an object.
pub fn parse_usage(raw: Value) -> Option<Usage> {
    if !raw.is_object() {
        return None;
    }
    let count = |pointers: &[&str]| pointers.iter().find_map(|at| raw.pointer(at)?.as_u64());
    let output_tokens = count(&["/output_tokens"]);
    let total = if output_tokens.is_none() { count(&["/total_tokens"]) } else { None };
    Some(Usage {
        input_tokens: count(&["/input_tokens"]).or(total),
        output_tokens,
        cache_read_tokens: count(&[
            "/prompt_tokens_details/cached_tokens",
            "/input_tokens_details/cached_tokens",
        ]),
        cache_write_tokens: count(&["/prompt_tokens_details/cache_creation_input_tokens"]),
        reasoning_tokens: count(&["/output_tokens_details/reasoning_tokens"]),
        audio_input_tokens: count(&["/input_tokens_details/audio_tokens", "/audio_tokens"]),
        audio_output_tokens: count(&["/output_tokens_details/audio_tokens"]),
        raw: Some(raw),
        ..Usage::default()
    })
}

//! What a call consumed, out of the counts of the last line.

use llm_core::Usage;
use serde_json::{Map, Value};

/// The fields that count tokens.
const COUNTS: [&str; 2] = ["prompt_eval_count", "eval_count"];

/// Takes the counts of tokens out of the fields of an answer; `None` when there are none. `eval_count` holds what the
/// model thought, too. A prompt that was cached may not be counted.
pub fn parse_usage(fields: &mut Map<String, Value>) -> Option<Usage> {
    let raw: Map<String, Value> = COUNTS
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), fields.shift_remove(name)?)))
        .filter(|(_, value)| !value.is_null())
        .collect();
    let count = |name: &str| raw.get(name).and_then(Value::as_u64);
    let [input, output] = COUNTS;
    let (input_tokens, output_tokens) = (count(input), count(output));
    (!raw.is_empty()).then(|| Usage {
        input_tokens,
        output_tokens,
        raw: Some(raw.into()),
        ..Usage::default()
    })
}

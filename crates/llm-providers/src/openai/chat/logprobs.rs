//! Log-probabilities as they were before chat, in the shape of chat.

use serde_json::{Map, Value, json};

/// Adds the `content` of chat to lists of `tokens` and `token_logprobs`, as completions and some servers of chat tell
/// them. What came stays.
pub(super) fn in_chat_shape(mut value: Value) -> Value {
    let list = |name: &str| value.get(name).and_then(Value::as_array);
    let (Some(tokens), None) = (list("tokens"), list("content")) else {
        return value;
    };
    let (numbers, alternatives) = (list("token_logprobs"), list("top_logprobs"));
    let at =
        |values: Option<&Vec<Value>>, at: usize| values.and_then(|values| values.get(at)).cloned();
    let content: Vec<Value> = tokens
        .iter()
        .enumerate()
        .map(|(index, token)| {
            let mut entry = Map::new();
            entry.insert("token".into(), token.clone());
            entry.insert("logprob".into(), at(numbers, index).unwrap_or_default());
            let others = match at(alternatives, index) {
                Some(Value::Object(others)) => others,
                _ => Map::new(),
            };
            let others = others
                .into_iter()
                .map(|(token, logprob)| json!({ "token": token, "logprob": logprob }));
            entry.insert("top_logprobs".into(), others.collect());
            Value::Object(entry)
        })
        .collect();
    if let Value::Object(fields) = &mut value {
        fields.insert("content".into(), content.into());
    }
    value
}

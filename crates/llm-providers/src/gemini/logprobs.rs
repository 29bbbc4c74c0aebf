//! Log-probabilities in the shape of the OpenAI dialect.

use serde_json::{Map, Value, json};

/// Reads a `logprobsResult`: the chosen tokens, each with its alternatives. `None` when there are none.
pub(super) fn to_openai_logprobs(result: &Value) -> Option<Value> {
    let chosen = result.get("chosenCandidates")?.as_array()?;
    let alternatives = result.get("topCandidates").and_then(Value::as_array);
    let content: Vec<Value> = chosen
        .iter()
        .enumerate()
        .map(|(at, token)| {
            let mut entry = entry(token);
            let top = alternatives.and_then(|all| all.get(at)?.get("candidates")?.as_array());
            let top = top.map_or(Vec::new(), |top| top.iter().map(self::entry).collect());
            entry.insert("top_logprobs".to_owned(), top.into_iter().map(Value::Object).collect());
            Value::Object(entry)
        })
        .collect();
    Some(json!({ "content": content }))
}

fn entry(token: &Value) -> Map<String, Value> {
    let text = token.get("token").and_then(Value::as_str).unwrap_or_default();
    let logprob = token.get("logProbability").cloned().unwrap_or(Value::Null);
    let mut entry = Map::from_iter([
        ("token".to_owned(), Value::from(text)),
        ("logprob".to_owned(), logprob),
        ("bytes".to_owned(), text.as_bytes().into()),
    ]);
    if let Some(id) = token.get("tokenId") {
        entry.insert("token_id".to_owned(), id.clone());
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alternatives_stand_beside_their_token() {
        let result = json!({
            "chosenCandidates": [{ "token": "a", "logProbability": -0.5, "tokenId": 7 }],
            "topCandidates": [{ "candidates": [{ "token": "b", "logProbability": -1.5 }] }],
        });
        let expected = json!({ "content": [{
            "token": "a", "logprob": -0.5, "bytes": [97], "token_id": 7,
            "top_logprobs": [{ "token": "b", "logprob": -1.5, "bytes": [98] }],
        }] });
        assert_eq!(to_openai_logprobs(&result), Some(expected));
        assert_eq!(to_openai_logprobs(&Value::Null), None);
    }
}

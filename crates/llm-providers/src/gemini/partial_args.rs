//! Arguments of a call that come in pieces (`partialArgs`, which Vertex AI sends where a caller asks for
//! `streamFunctionCallArguments`): values by their JSON path, texts bit by bit.

use serde_json::{Map, Value};

/// Bounds on what a path can make us build.
const MOST_DEPTH: usize = 64;
const MOST_ITEMS: usize = 10_000;

/// One step of a path.
#[derive(Debug, PartialEq)]
enum Step<'a> {
    Field(&'a str),
    Item(usize),
}

/// Adds one piece (`{"jsonPath": "$.city", "stringValue": "Par", "willContinue": true}`) to the arguments. Pieces that
/// cannot be placed are left out.
pub(super) fn add_piece(arguments: &mut Value, piece: &Value) {
    let path = piece.get("jsonPath").and_then(Value::as_str).and_then(steps);
    let values = ["stringValue", "numberValue", "boolValue"];
    let value = values.iter().find_map(|name| piece.get(*name));
    let is_null = piece.get("nullValue").is_some();
    let (Some(path), Some(value)) = (path, value.cloned().or(is_null.then_some(Value::Null)))
    else {
        return;
    };
    let Some(place) = place(arguments, &path) else {
        return;
    };
    match (place, value) {
        (Value::String(text), Value::String(more)) => text.push_str(&more),
        (place, value) => *place = value,
    }
}

fn place<'a>(mut at: &'a mut Value, path: &[Step<'_>]) -> Option<&'a mut Value> {
    for step in path {
        at = match step {
            Step::Field(name) => {
                if at.is_null() {
                    *at = Value::Object(Map::new());
                }
                at.as_object_mut()?.entry(*name).or_insert(Value::Null)
            }
            Step::Item(index) => {
                if at.is_null() {
                    *at = Value::Array(Vec::new());
                }
                let items = at.as_array_mut()?;
                if items.len() <= *index {
                    items.resize(index + 1, Value::Null);
                }
                items.get_mut(*index)?
            }
        };
    }
    Some(at)
}

/// `$.a.b[0]['c d']`; `None` for any other form.
fn steps(path: &str) -> Option<Vec<Step<'_>>> {
    let mut rest = path.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() && steps.len() < MOST_DEPTH {
        if let Some(field) = rest.strip_prefix('.') {
            let end = field.find(['.', '[']).unwrap_or(field.len());
            let (name, tail) = field.split_at(end);
            steps.push(Step::Field(name));
            rest = tail;
        } else {
            let (inner, tail) = rest.strip_prefix('[')?.split_once(']')?;
            let quoted = ['\'', '"'].iter().find_map(|q| inner.strip_prefix(*q)?.strip_suffix(*q));
            steps.push(match quoted {
                Some(name) => Step::Field(name),
                None => Step::Item(inner.parse().ok().filter(|index| *index < MOST_ITEMS)?),
            });
            rest = tail;
        }
    }
    rest.is_empty().then_some(steps)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pieces_come_together() {
        let mut arguments = json!({});
        for piece in [
            json!({ "jsonPath": "$.city", "stringValue": "New ", "willContinue": true }),
            json!({ "jsonPath": "$.city", "stringValue": "Delhi" }),
            json!({ "jsonPath": "$.days[1]['a b']", "numberValue": 2 }),
            json!({ "jsonPath": "$.no", "nullValue": "NULL_VALUE" }),
            json!({ "jsonPath": "$.far[99999999]", "numberValue": 2 }),
            json!({ "jsonPath": "city", "boolValue": true }),
        ] {
            add_piece(&mut arguments, &piece);
        }
        let expected = json!({ "city": "New Delhi", "days": [null, { "a b": 2 }], "no": null });
        assert_eq!(arguments, expected);
    }
}

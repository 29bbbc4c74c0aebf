//! [`merge`]: lays one JSON object over another.

use serde_json::{Map, Value};

/// Puts the fields of `over` into `under`. Where both hold an object it is merged field by field; otherwise what is in
/// `over` replaces what was there.
pub(crate) fn merge(under: &mut Map<String, Value>, over: Map<String, Value>) {
    for (name, value) in over {
        match (under.get_mut(&name), value) {
            (Some(Value::Object(known)), Value::Object(value)) => merge(known, value),
            (_, value) => {
                under.insert(name, value);
            }
        }
    }
}

/// Inserts a value at a path of field names, making objects on the way.
#[cfg(feature = "bedrock")]
pub(crate) fn insert_at(target: &mut Map<String, Value>, path: &[&str], value: Value) {
    let wrapped = path
        .iter()
        .rev()
        .fold(value, |value, name| Value::Object(Map::from_iter([((*name).to_owned(), value)])));
    if let Value::Object(fields) = wrapped {
        merge(target, fields);
    }
}

/// Takes the value at a path of field names out; objects that it leaves empty go with it.
#[cfg(feature = "bedrock")]
pub(crate) fn take_at(target: &mut Map<String, Value>, path: &[&str]) -> Option<Value> {
    match path {
        [] => None,
        [name] => target.shift_remove(*name),
        [name, rest @ ..] => {
            let inner = target.get_mut(*name)?.as_object_mut()?;
            let value = take_at(inner, rest);
            if inner.is_empty() {
                target.shift_remove(*name);
            }
            value
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_are_merged_and_the_rest_replaced() {
        let mut under = json!({ "a": { "x": 1, "y": [1] }, "b": 2 }).as_object().unwrap().clone();
        let over = json!({ "a": { "y": [2], "z": 3 }, "b": { "c": 4 } });
        merge(&mut under, over.as_object().unwrap().clone());
        let expected = json!({ "a": { "x": 1, "y": [2], "z": 3 }, "b": { "c": 4 } });
        assert_eq!(Value::Object(under.clone()), expected);

        insert_at(&mut under, &["a", "q"], json!(5));
        assert_eq!(take_at(&mut under, &["a", "q"]), Some(json!(5)));
        assert_eq!(take_at(&mut under, &["b", "c"]), Some(json!(4)));
        assert_eq!(take_at(&mut under, &["b", "c"]), None);
        assert!(!under.contains_key("b"));
    }
}

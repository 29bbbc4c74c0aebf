//! Makes the description shorter without saying less.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

/// Gives refusals a name, since most operations have the same.
pub(super) fn share_refusals(document: &mut Value) {
    let mut shared = Map::new();
    let operations = document["paths"].as_object_mut().into_iter().flat_map(Map::values_mut);
    let operations = operations.filter_map(Value::as_object_mut).flat_map(Map::values_mut);
    for operation in operations {
        let Some(responses) = operation["responses"].as_object_mut() else { continue };
        for (status, response) in responses.iter_mut() {
            let Some(shape) = shape_of(response).filter(|_| !status.starts_with('2')) else {
                continue;
            };
            let names = (1..).map(|number: u32| match number {
                1 => format!("{shape}{status}"),
                number => format!("{shape}{status}v{number}"),
            });
            let is_free = |name: &String| shared.get(name).is_none_or(|known| known == response);
            let Some(name) = names.take(32).find(is_free) else { continue };
            let reference = json!({ "$ref": format!("#/components/responses/{name}") });
            shared.insert(name, std::mem::replace(response, reference));
        }
    }
    shared.sort_keys();
    document["components"]["responses"] = Value::Object(shared);
}

/// The name of the type that a response has.
fn shape_of(response: &Value) -> Option<String> {
    let content = response["content"].as_object()?.values().next()?;
    Some(content["schema"]["$ref"].as_str()?.rsplit('/').next()?.to_owned())
}

/// Drops types that no operation leads to.
pub(super) fn drop_unused(document: &mut Value) {
    let Some(mut schemas) = document["components"]["schemas"].as_object_mut().map(std::mem::take)
    else {
        return;
    };
    let mut used = BTreeSet::new();
    let mut found = BTreeSet::new();
    references(&document["paths"], &mut found);
    references(&document["components"]["responses"], &mut found);
    while let Some(name) = found.pop_first() {
        if let Some(schema) = schemas.get(&name)
            && used.insert(name.clone())
        {
            references(schema, &mut found);
        }
    }
    schemas.retain(|name, _| used.contains(name));
    schemas.sort_keys();
    document["components"]["schemas"] = Value::Object(schemas);
}

fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        Value::Object(object) => {
            for (name, value) in object {
                match value.as_str().and_then(|text| text.strip_prefix("#/components/schemas/")) {
                    Some(target) if name == "$ref" => drop(found.insert(target.to_owned())),
                    _ => references(value, found),
                }
            }
        }
        _ => {}
    }
}

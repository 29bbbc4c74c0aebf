//! Puts right what is made from code and read by others.

use serde_json::{Map, Value, json};

/// Puts right, all over the document, what is made from code: links that only Rust's documentation has, line breaks
/// within paragraphs, and numbers without a sign that have no upper end.
pub(super) fn polish(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(polish),
        Value::Object(object) => {
            bound(object);
            for (name, value) in object.iter_mut() {
                match value {
                    Value::String(text) if name == "description" => *text = plain(text),
                    Value::String(text) if name == "summary" => {
                        *text = plain(text).trim_end_matches('.').to_owned();
                    }
                    other => polish(other),
                }
            }
        }
        _ => {}
    }
}

/// Whole numbers are those of a type that ends somewhere, and none that readers of JSON confuse with its neighbours.
fn bound(schema: &mut Map<String, Value>) {
    const EXACT: i64 = (1 << 53) - 1;
    let kind = schema.get("type");
    let is_whole = kind.is_some_and(|kind| {
        kind == "integer" || kind.as_array().is_some_and(|kinds| kinds.contains(&json!("integer")))
    });
    if !is_whole {
        return;
    }
    let is_narrow = schema.get("format").is_some_and(|format| format == "int32");
    if !schema.contains_key("minimum") {
        schema
            .insert("minimum".into(), json!(if is_narrow { i64::from(i32::MIN) } else { -EXACT }));
    }
    if !schema.contains_key("maximum") {
        schema.insert("maximum".into(), json!(if is_narrow { i64::from(u32::MAX) } else { EXACT }));
    }
    schema.shift_remove("format");
}

/// Text as it reads without Rust: ``[`Name`](path)`` is `Name`, and a paragraph is one line.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('[') {
        plain.push_str(&rest[..at]);
        let Some((label, after)) = rest[at + 1..].split_once(']') else { break };
        let target = after.strip_prefix('(').and_then(|after| after.split_once(')'));
        let code = target.filter(|(target, _)| target.contains("::"));
        rest = match (code, label.starts_with('`')) {
            (Some((_, after)), _) => {
                plain.push_str(label);
                after
            }
            (None, true) => {
                plain.push_str(label);
                after
            }
            (None, false) => {
                plain.push('[');
                &rest[at + 1..]
            }
        };
    }
    plain.push_str(rest);
    let paragraphs = plain.split("\n\n").map(|paragraph| match paragraph.starts_with(['-', '|']) {
        true => paragraph.to_owned(),
        false => paragraph.split_whitespace().collect::<Vec<_>>().join(" "),
    });
    paragraphs.collect::<Vec<_>>().join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_code_reads_without_code() {
        let text = "Not [`Equal`](Self::Equal),\n as [`Limits`] has it.\n\n- a\n- b";
        assert_eq!(plain(text), "Not `Equal`, as `Limits` has it.\n\n- a\n- b");
        assert_eq!(plain("its [patience](crate::P) [1] [a](b)"), "its patience [1] [a](b)");
    }
}

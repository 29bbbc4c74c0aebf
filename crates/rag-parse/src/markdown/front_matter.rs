//! The front matter of a Markdown file: YAML, of which the flat part is read.

use rag_core::{Metadata, MetadataValue};

/// More fields are not kept, nor longer texts.
const MOST_FIELDS: usize = 64;
const LONGEST_TEXT: usize = 2000;

/// The fields of `name: value`, `name: [a, b]`, and `name:` above items `- a`. What nests deeper is left out.
pub(super) fn fields(yaml: &str) -> Metadata {
    let mut fields = Metadata::new();
    // The field whose items may follow.
    let mut list: Option<String> = None;
    for line in yaml.lines().filter(|line| !matches!(line.trim(), "" | "---" | "...")) {
        let item = line.trim_start().strip_prefix("- ").map(text);
        if let (Some(name), Some(item)) = (&list, item) {
            let items = fields.entry(name.clone()).or_insert(MetadataValue::List(Vec::new()));
            if let MetadataValue::List(items) = items
                && items.len() < MOST_FIELDS
                && !item.is_empty()
            {
                items.push(item);
            }
            continue;
        }
        list = None;
        let is_nested = line.starts_with([' ', '\t', '#', '-']);
        let Some((name, rest)) = line.split_once(':').filter(|_| !is_nested) else { continue };
        let name = name.trim().trim_matches(['"', '\'']).to_lowercase();
        if name.is_empty() || fields.len() >= MOST_FIELDS {
            continue;
        }
        match value(rest.trim()) {
            Some(value) => drop(fields.insert(name, value)),
            None => list = rest.trim().is_empty().then_some(name),
        }
    }
    fields
}

fn value(source: &str) -> Option<MetadataValue> {
    if let Some(items) = source.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let items = items.split(',').map(text).filter(|item| !item.is_empty());
        return Some(MetadataValue::List(items.take(MOST_FIELDS).collect()));
    }
    // Nothing, a text over several lines, an object, an anchor: none of them flat.
    if source.is_empty() || source.starts_with(['|', '>', '{', '[', '&', '*']) {
        return None;
    }
    let is_quoted = source.starts_with(['"', '\'']);
    let text = text(source);
    match &*text {
        "true" | "false" if !is_quoted => Some(MetadataValue::Bool(text == "true")),
        "null" | "~" | "" => None,
        number if !is_quoted && number.starts_with(|c: char| c.is_ascii_digit() || c == '-') => {
            let number = number.parse().ok().filter(|number: &f64| number.is_finite());
            Some(number.map_or(MetadataValue::Text(text), MetadataValue::Number))
        }
        _ => Some(MetadataValue::Text(text)),
    }
}

/// Without quotes, and without a comment behind.
fn text(source: &str) -> String {
    let source = source.trim();
    let quote = source.chars().next().filter(|c| matches!(c, '"' | '\''));
    let inner = quote.and_then(|quote| source.get(1..)?.split(quote).next());
    let plain = inner.unwrap_or_else(|| source.split(" #").next().unwrap_or_default());
    plain.trim().chars().take(LONGEST_TEXT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flat_fields_are_read() {
        let fields = fields(
            "---\ntitle: \"A: B\" # x\nDate: 2026-11-23\ndraft: false\nweight: 3.5\nversion: '1.0'\ntags: [a, \"b c\"]\nauthors:\n  - Ada\n  - 'Carl'\nnested:\n  deep: 1\nlong: |\n  text\nempty:\n---\n",
        );
        let text = |text: &str| MetadataValue::Text(text.into());
        let list = |texts: [&str; 2]| MetadataValue::List(texts.map(str::to_owned).into());
        let expected = [
            ("authors", list(["Ada", "Carl"])),
            ("date", text("2026-11-23")),
            ("draft", MetadataValue::Bool(false)),
            ("tags", list(["a", "b c"])),
            ("title", text("A: B")),
            ("version", text("1.0")),
            ("weight", MetadataValue::Number(3.5)),
        ];
        assert_eq!(fields, expected.map(|(name, value)| (name.to_owned(), value)).into());
    }
}

//! What a page says of itself: language, author, dates, in `meta` elements and in JSON-LD.

use dom_query::Document;
use rag_core::{Metadata, MetadataValue};
use serde_json::Value;

/// Longer values are none that people filter by.
const LONGEST: usize = 2000;

/// Larger pieces of JSON-LD hold more than the page's properties.
const LONGEST_JSON: usize = 256 << 10;

/// Fields, and the `name`s or `property`s of `meta` elements that give them, the most trusted first.
const NAMES: [(&str, &[&str]); 8] = [
    ("author", &["author", "article:author", "dc.creator", "parsely-author"]),
    ("description", &["description", "og:description", "dc.description", "twitter:description"]),
    ("keywords", &["keywords", "news_keywords"]),
    ("created", &["article:published_time", "date", "dc.date", "pubdate", "parsely-pub-date"]),
    ("modified", &["article:modified_time", "og:updated_time", "last-modified"]),
    ("site", &["og:site_name", "application-name"]),
    ("type", &["og:type"]),
    ("language", &["content-language"]),
];

/// The page's properties by field.
pub(super) fn of(page: &Document) -> Metadata {
    let mut fields = Metadata::new();
    if let Some(language) = page.select_single("html").attr("lang") {
        insert(&mut fields, "language", &language);
    }
    for element in page.select("meta[content]").nodes() {
        let name = ["name", "property", "http-equiv"].iter().find_map(|key| element.attr(key));
        let (Some(name), Some(content)) = (name, element.attr("content")) else { continue };
        let name = name.trim().to_ascii_lowercase();
        if let Some((field, _)) = NAMES.iter().find(|(_, names)| names.contains(&&*name)) {
            insert(&mut fields, field, &content);
        }
    }
    for script in page.select("script[type='application/ld+json']").nodes() {
        let source = script.text();
        if source.len() <= LONGEST_JSON
            && let Ok(value) = serde_json::from_str::<Value>(&source)
        {
            linked_data(&mut fields, &value);
        }
    }
    fields
}

/// Fields of the article or page that a piece of JSON-LD describes.
fn linked_data(fields: &mut Metadata, value: &Value) {
    let things = match (value, value.get("@graph")) {
        (Value::Array(things), _) | (_, Some(Value::Array(things))) => things.as_slice(),
        _ => std::slice::from_ref(value),
    };
    let is_article =
        |thing: &&Value| thing.get("headline").or(thing.get("datePublished")).is_some();
    let Some(article) = things.iter().find(is_article) else { return };
    for (field, key) in [
        ("created", "datePublished"),
        ("modified", "dateModified"),
        ("author", "author"),
        ("keywords", "keywords"),
        ("description", "description"),
        ("language", "inLanguage"),
    ] {
        if let Some(text) = article.get(key).and_then(text) {
            insert(fields, field, &text);
        }
    }
}

/// A text, the name of a thing, or several of them.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Object(thing) => thing.get("name")?.as_str().map(str::to_owned),
        Value::Array(values) => {
            let name = |value: &Value| {
                value.as_str().or_else(|| value.get("name")?.as_str()).map(str::to_owned)
            };
            let names: Vec<String> = values.iter().filter_map(name).collect();
            (!names.is_empty()).then(|| names.join(", "))
        }
        _ => None,
    }
}

/// Keeps what was found first.
fn insert(fields: &mut Metadata, field: &str, value: &str) {
    let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
    if value.is_empty() || value.len() > LONGEST || fields.contains_key(field) {
        return;
    }
    let value = match field {
        "keywords" => {
            let words = value.split(',').map(|word| word.trim().to_owned());
            MetadataValue::List(words.filter(|word| !word.is_empty()).collect())
        }
        _ => MetadataValue::Text(value),
    };
    fields.insert(field.to_owned(), value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(markup: &str, expected: &[(&str, &str)]) {
        let shown = |value: &MetadataValue| match value {
            MetadataValue::Text(text) => text.clone(),
            other => format!("{other:?}"),
        };
        let found = of(&Document::from(markup));
        let found: Vec<(&str, String)> =
            found.iter().map(|(name, value)| (name.as_str(), shown(value))).collect();
        let expected: Vec<(&str, String)> =
            expected.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn elements_and_linked_data_are_read() {
        check(
            r#"<html lang="de"><head><meta name="Author" content=" Ada
                Byron "><meta property="article:published_time" content="2026-11-23"><meta name="keywords" content="a, b,"><meta name="viewport" content="x">"#,
            &[
                ("author", "Ada Byron"),
                ("created", "2026-11-23"),
                ("keywords", r#"List(["a", "b"])"#),
                ("language", "de"),
            ],
        );
        check(
            r#"<script type="application/ld+json">{"@graph": [{"@type": "WebSite"}, {"headline": "x", "datePublished": "2026-01-02", "author": [{"name": "Ada"}, "Carl"], "dateModified": 7}]}</script>"#,
            &[("author", "Ada, Carl"), ("created", "2026-01-02")],
        );
        check(r#"<script type="application/ld+json">{broken</script>"#, &[]);
    }
}

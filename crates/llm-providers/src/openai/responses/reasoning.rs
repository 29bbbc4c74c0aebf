//! Reasoning items, and the seal around reasoning of other dialects.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use llm_core::{Extra, Reasoning};
use serde_json::{Map, Value, json};

use super::DIALECT;

/// Begins `encrypted_content` that we wrote ourselves around another dialect's reasoning.
const SEAL: &str = "colloquy.v1.";

/// In [`Reasoning::extra`]: the block is an item of this dialect.
const MARK: &str = "dialect";

/// In [`Reasoning::extra`]: the block's text is the item's `content`, not its summary.
const TEXT_IS_CONTENT: &str = "text_is_content";

/// Which part of a reasoning item a text belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Section {
    Summary,
    Content,
}

/// The text of one section of an item, its parts joined.
pub(super) fn section_text(item: &Map<String, Value>, section: Section) -> String {
    parts(item, section).iter().filter_map(|part| part.get("text")?.as_str()).collect()
}

/// The section whose text is shown: the summary, where there is one.
pub(super) fn shown_section(item: &Map<String, Value>) -> Section {
    let has_summary = !section_text(item, Section::Summary).is_empty();
    let has_content = !section_text(item, Section::Content).is_empty();
    if has_content && !has_summary { Section::Content } else { Section::Summary }
}

/// What an item has besides its shown text, id and encrypted content, so that [`item`] can restore it.
pub(super) fn extra(item: &Map<String, Value>, shown: Section) -> Extra {
    let mut extra = Extra::from_iter([(MARK.to_owned(), Value::from(DIALECT))]);
    let hidden = if shown == Section::Summary { Section::Content } else { Section::Summary };
    for (section, most_parts) in [(shown, 1), (hidden, 0)] {
        if parts(item, section).len() > most_parts
            && let Some(value) = item.get(name_of(section))
        {
            extra.insert(name_of(section).to_owned(), value.clone());
        }
    }
    if shown == Section::Content {
        extra.insert(TEXT_IS_CONTENT.to_owned(), true.into());
    }
    for (name, value) in item {
        let is_carried = matches!(
            name.as_str(),
            "type" | "id" | "encrypted_content" | "summary" | "content" | "status"
        );
        if !is_carried && !value.is_null() {
            extra.insert(name.clone(), value.clone());
        }
    }
    extra
}

/// Reads an item that a client returns.
pub(super) fn parse(item: &Map<String, Value>) -> Reasoning {
    let text_of = |name: &str| item.get(name).and_then(Value::as_str).map(str::to_owned);
    let shown = shown_section(item);
    let text = section_text(item, shown);
    let encrypted = text_of("encrypted_content");
    if let Some(sealed) = encrypted.as_deref().and_then(|content| content.strip_prefix(SEAL)) {
        return unseal(sealed, text);
    }
    Reasoning {
        text,
        signature: None,
        redacted: encrypted,
        id: text_of("id"),
        extra: extra(item, shown),
    }
}

/// Whether a block is an item of this dialect.
pub(super) fn is_own(block: &Reasoning) -> bool {
    block.extra.get(MARK).is_some_and(|mark| mark == DIALECT)
}

/// Whether a block of this dialect holds the reasoning itself, not only a summary of it.
pub(super) fn has_content(block: &Reasoning) -> bool {
    block.extra.contains_key(TEXT_IS_CONTENT) || block.extra.contains_key("content")
}

/// The item that a block of this dialect came from.
pub(super) fn item(block: Reasoning) -> Value {
    let Reasoning { text, redacted, id, mut extra, .. } = block;
    extra.shift_remove(MARK);
    let shown = match extra.shift_remove(TEXT_IS_CONTENT) {
        Some(_) => Section::Content,
        None => Section::Summary,
    };
    let mut item = Map::from_iter([("type".to_owned(), Value::from("reasoning"))]);
    if let Some(id) = id {
        item.insert("id".into(), id.into());
    }
    let known = extra.shift_remove(name_of(shown));
    let written = if text.is_empty() { json!([]) } else { json!([part_value(shown, text)]) };
    item.insert("summary".into(), json!([]));
    item.insert(name_of(shown).to_owned(), known.unwrap_or(written));
    if let Some(encrypted) = redacted {
        item.insert("encrypted_content".into(), encrypted.into());
    }
    item.extend(extra);
    Value::Object(item)
}

pub(super) fn part_value(section: Section, text: impl Into<String>) -> Value {
    let kind = match section {
        Section::Summary => "summary_text",
        Section::Content => "reasoning_text",
    };
    json!({ "type": kind, "text": text.into() })
}

/// The `encrypted_content` of a block for a client of ours: the provider's own, or everything that the client must give
/// back sealed into one text. The text itself stays in the summary.
pub(super) fn encrypted_content(block: &Reasoning) -> Value {
    if is_own(block) {
        return block.redacted.clone().map_or(Value::Null, Value::from);
    }
    let sealed = json!({
        "signature": block.signature,
        "redacted": block.redacted,
        "id": block.id,
        "extra": block.extra,
    });
    format!("{SEAL}{}", URL_SAFE_NO_PAD.encode(sealed.to_string())).into()
}

/// Opens a seal; one that was damaged gives the text alone.
fn unseal(sealed: &str, text: String) -> Reasoning {
    let opened = URL_SAFE_NO_PAD
        .decode(sealed)
        .ok()
        .and_then(|bytes| serde_json::from_slice::<Map<String, Value>>(&bytes).ok())
        .unwrap_or_default();
    let text_of = |name: &str| opened.get(name).and_then(Value::as_str).map(str::to_owned);
    Reasoning {
        text,
        signature: text_of("signature"),
        redacted: text_of("redacted"),
        id: text_of("id"),
        extra: opened.get("extra").and_then(Value::as_object).cloned().unwrap_or_default(),
    }
}

fn name_of(section: Section) -> &'static str {
    match section {
        Section::Summary => "summary",
        Section::Content => "content",
    }
}

fn parts(item: &Map<String, Value>, section: Section) -> &[Value] {
    item.get(name_of(section)).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn items_come_back_as_they_were() {
        for value in [
            json!({ "type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "xyz" }),
            json!({ "type": "reasoning", "summary": [{ "type": "summary_text", "text": "a" }] }),
            json!({ "type": "reasoning", "id": "rs_1", "format": "f", "summary": [
                { "type": "summary_text", "text": "a" }, { "type": "summary_text", "text": "b" },
            ] }),
            json!({ "type": "reasoning", "summary": [], "content": [
                { "type": "reasoning_text", "text": "a" },
            ] }),
            json!({ "type": "reasoning", "summary": [{ "type": "summary_text", "text": "a" }],
                "content": [{ "type": "reasoning_text", "text": "b" }] }),
        ] {
            assert_eq!(item(parse(&object(value.clone()))), value);
        }
    }

    #[test]
    fn reasoning_of_others_comes_back_through_its_seal() {
        let block = Reasoning {
            text: "hm".into(),
            signature: Some("sig".into()),
            extra: object(json!({ "k": 1 })),
            ..Reasoning::default()
        };
        let returned = object(json!({
            "type": "reasoning", "id": "rs_made_up",
            "summary": [part_value(Section::Summary, "hm")],
            "encrypted_content": encrypted_content(&block),
        }));
        assert_eq!(parse(&returned), block);
        let damaged = object(json!({ "summary": [], "encrypted_content": format!("{SEAL}%%") }));
        assert_eq!(parse(&damaged), Reasoning::default());
    }
}

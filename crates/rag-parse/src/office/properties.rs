//! What office documents say of themselves.

use rag_core::{MetadataValue, ParseError};

use super::xml::{self, Element};
use crate::archive::Archive;
use crate::builder::DocumentBuilder;

/// Elements of the properties and the fields that they become.
const FIELDS: [(&str, &str); 12] = [
    ("creator", "author"),
    ("initial-creator", "author"),
    ("subject", "subject"),
    ("description", "description"),
    ("keywords", "keywords"),
    ("keyword", "keywords"),
    ("language", "language"),
    ("category", "category"),
    ("created", "created"),
    ("creation-date", "created"),
    ("modified", "modified"),
    ("date", "modified"),
];

/// Reads the properties in the part of this name, if there is one.
pub(super) fn read(
    archive: &mut Archive<'_>,
    name: &str,
    out: &mut DocumentBuilder,
) -> Result<(), ParseError> {
    let Some(bytes) = archive.read(name)? else { return Ok(()) };
    let text = xml::text(&bytes);
    let Ok(tree) = xml::tree(name, &text) else {
        out.warn("the file's properties are broken");
        return Ok(());
    };
    for node in tree.descendants().filter(roxmltree::Node::is_element) {
        let value = node.text().unwrap_or_default().trim();
        if value.is_empty() {
            continue;
        }
        if node.name() == "title" {
            out.title(value);
        }
        if let Some((_, field)) = FIELDS.iter().find(|(element, _)| *element == node.name()) {
            let value = MetadataValue::Text(value.to_owned());
            out.metadata().entry((*field).to_owned()).or_insert(value);
        }
    }
    Ok(())
}

//! What is known of a document besides its text.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Scalar;

/// Fields of a document by name: author, date, language, whatever its parser, its owner or a model found.
pub type Metadata = BTreeMap<String, MetadataValue>;

/// The value of a field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum MetadataValue {
    /// Yes or no.
    Bool(bool),
    /// A number.
    Number(f64),
    /// Text; dates as `2026-11-23` or RFC 3339.
    Text(String),
    /// Several texts.
    List(Vec<String>),
}

impl MetadataValue {
    /// What the value is made of: one scalar, or one for each text of a list. Blank texts are nothing.
    pub fn scalars(&self) -> Vec<Scalar> {
        let texts: &[String] = match self {
            MetadataValue::Bool(value) => return vec![Scalar::text(&value.to_string())],
            MetadataValue::Number(number) => return vec![Scalar::number(*number)],
            MetadataValue::Text(text) => std::slice::from_ref(text),
            MetadataValue::List(texts) => texts,
        };
        texts.iter().map(|text| Scalar::written(text)).filter(|found| !found.is_blank()).collect()
    }
}

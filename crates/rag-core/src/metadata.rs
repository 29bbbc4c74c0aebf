//! What is known of a document besides its text.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer};

use crate::Scalar;

/// Fields of a document by name: author, date, language, whatever its parser, its owner or a model found.
pub type Metadata = BTreeMap<String, MetadataValue>;

/// The value of a field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum MetadataValue {
    /// Yes or no.
    Bool(bool),
    /// A number.
    Number(#[serde(serialize_with = "plainly")] f64),
    /// Text; dates as `2026-11-23` or RFC 3339.
    Text(String),
    /// Several texts.
    List(Vec<String>),
}

/// A field that documents have, for whoever makes filters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KnownField {
    /// Its name.
    pub name: String,
    /// Documents that have it.
    pub documents: u64,
    /// Different values that it has; of several datasets, as many as the one with most has at least.
    pub distinct: u64,
    /// The values that most documents have, most frequent first, as they are compared: trimmed, in lower case.
    pub values: Vec<FieldValue>,
}

/// A value of a field.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FieldValue {
    /// What it is.
    pub value: String,
    /// Documents that have it.
    pub documents: u64,
}

/// Whole numbers without a fraction: a year is 2026, not 2026.0.
fn plainly<S: Serializer>(number: &f64, to: S) -> Result<S::Ok, S::Error> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match number.fract() == 0.0 && number.abs() < EXACT {
        true => to.serialize_i64(*number as i64),
        false => to.serialize_f64(*number),
    }
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

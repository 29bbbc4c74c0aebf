//! What is known of a document besides its text, and filters over that.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

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

/// Which documents may be found, by their metadata.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MetadataFilter {
    /// All of these hold; an empty list holds for every document.
    All(Vec<MetadataFilter>),
    /// At least one of these holds; an empty list holds for none.
    Any(Vec<MetadataFilter>),
    /// This does not hold.
    Not(Box<MetadataFilter>),
    /// One comparison.
    Field(MetadataCondition),
}

/// A comparison of one field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetadataCondition {
    /// The field's name.
    pub field: String,
    /// How it is compared.
    pub operator: FilterOperator,
    /// What with; nothing for [`Empty`](FilterOperator::Empty) and [`NotEmpty`](FilterOperator::NotEmpty).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<MetadataValue>,
}

/// How a field is compared. A field that a document lacks is empty: it equals, contains and exceeds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum FilterOperator {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    /// The text, or one of the list, holds this text.
    Contains,
    NotContains,
    /// The value, or one of the list, is among these.
    In,
    NotIn,
    StartsWith,
    EndsWith,
    /// Absent, an empty text or an empty list.
    Empty,
    NotEmpty,
}

impl MetadataFilter {
    /// Whether a document with this metadata may be found.
    pub fn matches(&self, metadata: &Metadata) -> bool {
        match self {
            MetadataFilter::All(filters) => filters.iter().all(|filter| filter.matches(metadata)),
            MetadataFilter::Any(filters) => filters.iter().any(|filter| filter.matches(metadata)),
            MetadataFilter::Not(filter) => !filter.matches(metadata),
            MetadataFilter::Field(condition) => condition.matches(metadata.get(&condition.field)),
        }
    }
}

impl MetadataCondition {
    /// Whether a field of this value passes; `None`: a document without the field.
    pub fn matches(&self, found: Option<&MetadataValue>) -> bool {
        use FilterOperator::*;
        let wanted = self.value.as_ref();
        let any = |test: fn(&str, &str) -> bool| {
            let (Some(found), Some(wanted)) = (found, wanted) else { return false };
            found.texts().iter().any(|text| wanted.texts().iter().any(|part| test(text, part)))
        };
        let compare = |test: fn(Ordering) -> bool| {
            let (Some(found), Some(wanted)) = (found, wanted) else { return false };
            found.compare(wanted).is_some_and(test)
        };
        match self.operator {
            Equal => compare(Ordering::is_eq),
            NotEqual => !compare(Ordering::is_eq),
            Greater => compare(Ordering::is_gt),
            GreaterOrEqual => compare(Ordering::is_ge),
            Less => compare(Ordering::is_lt),
            LessOrEqual => compare(Ordering::is_le),
            Contains => any(|text, part| text.contains(part)),
            NotContains => !any(|text, part| text.contains(part)),
            In => any(|text, part| text == part),
            NotIn => !any(|text, part| text == part),
            StartsWith => any(|text, part| text.starts_with(part)),
            EndsWith => any(|text, part| text.ends_with(part)),
            Empty => found.is_none_or(MetadataValue::is_empty),
            NotEmpty => !found.is_none_or(MetadataValue::is_empty),
        }
    }
}

impl MetadataValue {
    fn is_empty(&self) -> bool {
        match self {
            MetadataValue::Text(text) => text.trim().is_empty(),
            MetadataValue::List(texts) => texts.iter().all(|text| text.trim().is_empty()),
            MetadataValue::Bool(_) | MetadataValue::Number(_) => false,
        }
    }

    /// As texts in lower case, which is how texts are compared.
    fn texts(&self) -> Vec<String> {
        match self {
            MetadataValue::Bool(value) => vec![value.to_string()],
            MetadataValue::Number(value) => vec![value.to_string()],
            MetadataValue::Text(text) => vec![text.trim().to_lowercase()],
            MetadataValue::List(texts) => {
                texts.iter().map(|text| text.trim().to_lowercase()).collect()
            }
        }
    }

    fn number(&self) -> Option<f64> {
        match self {
            MetadataValue::Number(number) => Some(*number),
            MetadataValue::Text(text) => text.trim().parse().ok().filter(|n: &f64| n.is_finite()),
            MetadataValue::Bool(_) | MetadataValue::List(_) => None,
        }
    }

    /// As numbers where both are, else as texts: dates written from year to day are in order so.
    fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self.number(), other.number()) {
            (Some(left), Some(right)) => left.partial_cmp(&right),
            _ => Some(self.texts().cmp(&other.texts())),
        }
    }
}

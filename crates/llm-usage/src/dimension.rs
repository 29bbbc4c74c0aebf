//! [`Dimension`]: what records can be summed by.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rusqlite::types::ValueRef;
use serde::{Serialize, Serializer};

/// What records can be summed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Dimension {
    /// On whose behalf the call was made.
    Tenant,
    /// The id of the API key.
    Key,
    /// The name that was asked for.
    Route,
    /// The provider that was asked.
    Provider,
    /// The model that answered, `provider/model`.
    Model,
    /// What was done.
    Operation,
    /// How it ended.
    Outcome,
    /// Why it failed.
    Error,
    /// Whether somebody waited for it.
    Priority,
    /// The day, UTC: `2026-11-22`.
    Day,
    /// The hour, UTC: `2026-11-22T21:00:00Z`.
    Hour,
}

const MS_PER_HOUR: i64 = 3_600_000;

impl Dimension {
    /// All of them.
    pub const ALL: [Dimension; 11] = [
        Dimension::Tenant,
        Dimension::Key,
        Dimension::Route,
        Dimension::Provider,
        Dimension::Model,
        Dimension::Operation,
        Dimension::Outcome,
        Dimension::Error,
        Dimension::Priority,
        Dimension::Day,
        Dimension::Hour,
    ];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Dimension::Tenant => "tenant",
            Dimension::Key => "key",
            Dimension::Route => "route",
            Dimension::Provider => "provider",
            Dimension::Model => "model",
            Dimension::Operation => "operation",
            Dimension::Outcome => "outcome",
            Dimension::Error => "error",
            Dimension::Priority => "priority",
            Dimension::Day => "day",
            Dimension::Hour => "hour",
        }
    }

    /// The expression over a row that it is.
    pub(crate) fn sql(self) -> &'static str {
        match self {
            Dimension::Model => "provider || '/' || model",
            Dimension::Day => "started / 86400000 * 24",
            Dimension::Hour => "started / 3600000",
            named => named.as_str(),
        }
    }

    /// The value of the expression, as it is shown; nothing for a call without.
    pub(crate) fn show(self, value: ValueRef<'_>) -> Option<String> {
        match value {
            ValueRef::Text(text) if !text.is_empty() => {
                Some(String::from_utf8_lossy(text).into_owned())
            }
            ValueRef::Integer(hours) => {
                let time = Timestamp::from_millisecond(hours.checked_mul(MS_PER_HOUR)?).ok()?;
                match self {
                    Dimension::Day => Some(time.to_zoned(TimeZone::UTC).date().to_string()),
                    _ => Some(time.to_string()),
                }
            }
            _ => None,
        }
    }
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Dimension {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// A name that no [`Dimension`] has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("records cannot be summed by `{name}`; there are {}", names())]
pub struct UnknownDimension {
    name: String,
}

fn names() -> String {
    Dimension::ALL.map(Dimension::as_str).join(", ")
}

impl FromStr for Dimension {
    type Err = UnknownDimension;

    fn from_str(name: &str) -> Result<Self, UnknownDimension> {
        let found = Dimension::ALL.into_iter().find(|dimension| dimension.as_str() == name);
        found.ok_or_else(|| UnknownDimension { name: name.chars().take(50).collect() })
    }
}

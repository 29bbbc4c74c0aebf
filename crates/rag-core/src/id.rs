//! Identifiers that cannot be mixed up.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A text that is no identifier.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no identifier: 1 to 64 letters, digits, `-` and `_` are allowed")]
pub struct InvalidId(String);

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// 1 to 64 ASCII letters, digits, `-` or `_`: safe in URLs, file names and queries.
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The identifier of a number that is unique by itself, a UUID's say: its 32 hexadecimal digits.
            pub fn from_u128(number: u128) -> Self {
                Self(format!("{number:032x}"))
            }

            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        #[cfg(feature = "openapi")]
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                crate::openapi::text("^[A-Za-z0-9_-]{1,64}$")
            }
        }

        #[cfg(feature = "openapi")]
        impl utoipa::ToSchema for $name {}

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::try_from(text.to_owned())
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
                if (1..=64).contains(&text.len()) && text.bytes().all(allowed) {
                    Ok(Self(text))
                } else {
                    Err(InvalidId(text.chars().take(80).collect()))
                }
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id!(
    /// Who owns data. Nothing of one tenant is visible to another.
    TenantId
);
id!(
    /// A dataset.
    DatasetId
);
id!(
    /// A document within a dataset.
    DocumentId
);
id!(
    /// A chunk of a document. Derived from document, version and ordinal, so that re-ingesting gives the same ids.
    ChunkId
);
id!(
    /// A conversation with a dialog.
    SessionId
);
id!(
    /// A question to a dialog, and its answer.
    TurnId
);

impl TenantId {
    /// The tenant of a server without accounts.
    pub fn local() -> Self {
        Self("local".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_could_escape() {
        for text in ["", "../x", "a/b", "a'b", "ü", &"x".repeat(65)] {
            assert!(text.parse::<DatasetId>().is_err(), "{text}");
        }
        assert!("a-Z_9".parse::<DatasetId>().is_ok());
    }
}

//! Schemas of types that are not ours, as they look in JSON. Only with the feature `openapi`.

use utoipa::ToSchema;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};

/// A range: from `start` on, before `end`.
#[derive(Debug, ToSchema)]
pub struct Span {
    /// Its first place.
    pub start: usize,
    /// The place after its last.
    pub end: usize,
}

/// A time that something took.
#[derive(Debug, ToSchema)]
pub struct Elapsed {
    /// Whole seconds.
    pub secs: u64,
    /// Billionths of a second besides.
    #[schema(maximum = 999_999_999)]
    pub nanos: u32,
}

/// A text of this form.
pub(crate) fn text(pattern: &str) -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern)).into()
}

//! Types that say how bodies look which no type of ours is read from or written as. They are never made: handlers name
//! them in their descriptions.

#![allow(dead_code, reason = "they only describe")]

use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

pub(super) mod chat;
pub(super) mod events;
pub(super) mod messages;
pub(super) mod models;
pub(super) mod native;
pub(super) mod refusals;
pub(super) mod responses;

/// The bytes of a file.
pub(super) struct FileBytes;

impl PartialSchema for FileBytes {
    fn schema() -> RefOr<Schema> {
        let format = SchemaFormat::KnownFormat(KnownFormat::Binary);
        ObjectBuilder::new().schema_type(Type::String).format(Some(format)).into()
    }
}

impl ToSchema for FileBytes {}

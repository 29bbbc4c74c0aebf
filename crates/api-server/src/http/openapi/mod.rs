//! The description of the interface, made from the handlers: `GET /openapi.json`, and `GET /docs` for people.
//!
//! Every surface registers its handlers with [`routes!`](utoipa_axum::routes), which puts an address into the router and
//! into the description at once. A handler says what is its own: its address, what it takes, what it gives. What all of a
//! surface have in common is added here: [`finish`].

mod finish;
mod polish;
mod share;
mod viewer;

use std::sync::{Arc, LazyLock};

use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use utoipa::openapi::{Info, License, OpenApi, OpenApiBuilder, Paths};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use super::dialect::Dialect;
use crate::parts::Parts;

pub(super) use viewer::{is_page, pages};

/// Documented addresses that open to everybody: they hold no data, or are the ways in.
pub(super) const OPEN: &[&str] = &[
    "/healthz",
    "/readyz",
    "/openapi.json",
    "/api/v2/auth/login",
    "/api/v2/auth/join",
    "/api/v1/auth/login",
];

/// Handlers with their description.
pub(super) type Described = OpenApiRouter<Arc<Parts>>;

/// The description, as it is served and checked in.
static TEXT: LazyLock<String> = LazyLock::new(|| {
    let text = serde_json::to_string_pretty(&document()).unwrap_or_default();
    text + "\n"
});

/// The description as JSON text.
pub(crate) fn text() -> &'static str {
    &TEXT
}

fn document() -> Value {
    let mut info = Info::new("Colloquy", env!("CARGO_PKG_VERSION"));
    info.description = Some(include_str!("about.md").trim_end().to_owned());
    info.license = Some(License::new("MIT OR Apache-2.0"));
    let mut whole = OpenApiBuilder::new().info(info).paths(Paths::new()).build();
    for Surface { routes, .. } in super::surfaces() {
        whole.merge(routes.into_openapi());
    }
    whole.merge(super::tools().into_openapi());
    whole.merge(super::operations().into_openapi());
    finish::finish(&whole)
}

/// The handlers of one dialect.
pub(super) struct Surface {
    pub(super) dialect: Dialect,
    pub(super) routes: Described,
}

/// The description of the interface, as OpenAPI 3.1 has it.
#[utoipa::path(get, path = "/openapi.json", tag = "Operations", responses((status = 200, body = Object)))]
pub(super) async fn json() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text()).into_response()
}

/// Puts all operations that have no tag yet under this one.
pub(super) fn tagged(tag: &str, routes: Described) -> Described {
    let (router, mut described) = routes.split_for_parts();
    for item in described.paths.paths.values_mut() {
        let operations =
            [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            operation.tags.get_or_insert_with(|| vec![tag.to_owned()]);
        }
    }
    with_description(router, described)
}

/// The same handlers at another address, too.
pub(super) fn also_at<S: Send + Sync + Clone + 'static>(
    path: &str,
    (schemas, paths, router): UtoipaMethodRouter<S>,
) -> UtoipaMethodRouter<S> {
    let mut moved = Paths::new();
    for (_, item) in paths.paths {
        moved.paths.insert(path.to_owned(), item);
    }
    (schemas, moved, router)
}

/// A router, and what is said of it.
fn with_description(router: axum::Router<Arc<Parts>>, described: OpenApi) -> Described {
    let mut whole = Described::from(router);
    *whole.get_openapi_mut() = described;
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_checked_in_is_what_the_program_says() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
        let checked_in = std::fs::read_to_string(file).unwrap_or_default();
        assert!(
            checked_in == text(),
            "docs/openapi.json is not what the handlers say; write it anew with \
             `cargo run --package api-server -- openapi > docs/openapi.json`"
        );
    }
}

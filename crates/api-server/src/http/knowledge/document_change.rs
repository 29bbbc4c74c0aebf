//! What owners change of their documents.

use axum::Json;
use axum::extract::Path;
use axum::extract::rejection::JsonRejection;
#[allow(unused_imports)]
use rag_core::MetadataValue;
use rag_core::{Document, DocumentChange, Metadata, Store, StoreErrorKind};
use serde::Deserialize;

use super::super::problem::Problem;
use super::documents::{Address, find};
use super::{on_store, uploads};
use crate::app::App;
use crate::http::schemas::refusals::{Conflict, Invalid, Missing};

/// What of a document can be changed; what is left out stays.
#[derive(Default, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = DocumentPatch, example = json!({ "metadata": { "year": 2026 } }))]
pub(crate) struct Change {
    name: Option<String>,
    enabled: Option<bool>,
    #[schema(value_type = Option<BTreeMap<String, MetadataValue>>)]
    metadata: Option<Metadata>,
}

/// Calls a document otherwise, takes it out of searches or into them again, replaces what is known of it besides its text.
#[utoipa::path(
    patch,
    path = "/api/v2/documents/{id}",
    request_body = Change,
    responses((status = 200, description = "What was asked for", body = Document), Invalid, Missing, Conflict),
)]
pub(crate) async fn change(
    app: App,
    Path(asked): Path<Address>,
    change: Result<Json<Change>, JsonRejection>,
) -> Result<Json<Document>, Problem> {
    let Json(change) = change.map_err(|rejection| Problem::invalid(rejection.body_text()))?;
    let (_, document) = find(&app, &asked).await?;
    let name = change.name.filter(|name| *name != document.name);
    if let Some(name) = &name {
        check_name(name, &document.name)?;
    }
    let disabled = change.enabled.map(|enabled| !enabled);
    let (said, metadata) =
        (DocumentChange { name, disabled, ..Default::default() }, change.metadata);
    let change = move |store: &dyn Store| {
        if said != DocumentChange::default() {
            store.change_document(&document.id, &said)?;
        }
        if let Some(metadata) = metadata {
            store.set_metadata(&document.id, &metadata)?;
        }
        Ok(())
    };
    on_store(&app, change).await?.map_err(|error| match error.kind() {
        StoreErrorKind::Occupied => Problem::conflict(error.to_string()),
        _ => Problem::internal(&error.into()),
    })?;
    find(&app, &asked).await.map(|(_, document)| Json(document))
}

/// How a file is read depends on the end of its name.
fn check_name(name: &str, before: &str) -> Result<(), Problem> {
    uploads::check_name(name)?;
    let ending = |name: &str| name.rsplit_once('.').map(|(_, ending)| ending.to_lowercase());
    match ending(name) == ending(before) {
        true => Ok(()),
        false => Err(Problem::invalid("`name`: what is behind the last dot stays as it is")),
    }
}

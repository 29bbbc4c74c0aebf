//! What of a dataset can be changed.

use axum::Json;
use axum::extract::Path;
use axum::extract::rejection::JsonRejection;
use rag_core::{Dataset, DatasetSettings};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::problem::Problem;
use super::datasets::{check_rank, check_tags, find};
use super::with_store;
use crate::app::App;
use crate::http::schemas::refusals::{Invalid, Missing};

/// What of a dataset can be changed.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DatasetPatch, example = json!({ "settings": { "page_rank": 5 } }))]
pub(crate) struct Change {
    #[schema(value_type = Object)]
    settings: Map<String, Value>,
}

/// Changes how documents are cut, enriched and ranked from now on. Settings that are not named stay.
#[utoipa::path(
    patch,
    path = "/api/v2/datasets/{name}",
    request_body = Change,
    responses((status = 200, description = "What was asked for", body = Dataset), Invalid, Missing),
)]
pub(crate) async fn change(
    app: App,
    Path(name): Path<String>,
    change: Result<Json<Change>, JsonRejection>,
) -> Result<Json<Dataset>, Problem> {
    let Json(change) = change.map_err(|rejection| Problem::invalid(rejection.body_text()))?;
    let dataset = find(&app, name.clone()).await?;
    let settings = merged(&dataset.settings, change.settings)?;
    check_rank(&settings)?;
    check_tags(&app, &settings).await?;
    with_store(&app, move |store| store.update_dataset(&dataset.id, &settings)).await?;
    find(&app, name).await.map(Json)
}

fn merged(
    settings: &DatasetSettings,
    change: Map<String, Value>,
) -> Result<DatasetSettings, Problem> {
    let mut all = json!(settings);
    merge(&mut all, Value::Object(change));
    serde_json::from_value(all).map_err(|error| Problem::invalid(format!("`settings`: {error}")))
}

/// A merge patch, as RFC 7396 has it: objects are merged, `null` takes away, anything else replaces.
fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(fields) = target.as_object_mut() else { return };
    for (name, value) in patch {
        match value {
            Value::Null => drop(fields.remove(&name)),
            value => merge(fields.entry(name).or_insert(Value::Null), value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_named_changes() {
        for (target, patch, expected) in [
            (
                json!({ "a": 1, "b": { "c": 2, "d": 3 } }),
                json!({ "b": { "d": 4 } }),
                json!({ "a": 1, "b": { "c": 2, "d": 4 } }),
            ),
            (json!({ "a": 1, "b": 2 }), json!({ "a": null }), json!({ "b": 2 })),
            (json!({ "a": [1, 2] }), json!({ "a": [3] }), json!({ "a": [3] })),
            (
                json!({ "a": "text" }),
                json!({ "a": { "b": 1, "c": null } }),
                json!({ "a": { "b": 1 } }),
            ),
        ] {
            let mut merged = target.clone();
            merge(&mut merged, patch.clone());
            assert_eq!(merged, expected, "{target} {patch}");
        }
    }
}

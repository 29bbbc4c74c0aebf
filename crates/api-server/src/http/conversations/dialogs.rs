//! Dialogs: listed, set up, deleted.

use axum::Json;
use axum::extract::Path;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::super::problem::Problem;
use super::{body, missing};
use crate::app::App;
use crate::dialogs::{self, DialogSettings, ListedDialog};
use crate::http::schemas::native;
use crate::http::schemas::refusals::{Failures, Invalid};

/// The longest name.
const MOST_NAME: usize = 128;

/// The tenant's dialogs: those that are kept, and for each other dataset the one over it.
#[utoipa::path(
    get,
    path = "/api/v2/dialogs",
    responses((status = 200, description = "What was asked for", body = native::Dialogs), Failures),
)]
pub(super) async fn list(app: App) -> Result<Json<Value>, Problem> {
    let dialogs = dialogs::list(&app).await.map_err(|error| Problem::model(&error))?;
    let dialogs: Vec<Value> = dialogs.iter().map(shown).collect();
    Ok(Json(json!({ "dialogs": dialogs })))
}

/// One of them.
#[utoipa::path(
    get,
    path = "/api/v2/dialogs/{name}",
    responses((status = 200, description = "What was asked for", body = native::Dialog), Failures),
)]
pub(super) async fn one(app: App, Path(name): Path<String>) -> Result<Json<Value>, Problem> {
    let dialogs = dialogs::list(&app).await.map_err(|error| Problem::model(&error))?;
    let found = dialogs.iter().find(|dialog| dialog.name == name);
    found.map(|dialog| Json(shown(dialog))).ok_or_else(|| missing("dialog", &name))
}

/// Keeps a dialog, in place of the one of that name.
#[utoipa::path(
    put,
    path = "/api/v2/dialogs/{name}",
    request_body = DialogSettings,
    responses((status = 200, description = "It is in place of another", body = native::Dialog), (status = 201, description = "It was made", body = native::Dialog), Invalid, Failures),
)]
pub(super) async fn save(
    app: App,
    Path(name): Path<String>,
    settings: Result<Json<DialogSettings>, JsonRejection>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let settings = body(settings)?;
    check_name(&name)?;
    check(&app, &settings)?;
    let is_new = dialogs::save(&app, &name, &settings).await;
    let is_new = is_new.map_err(|error| Problem::model(&error))?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(shown(&ListedDialog { name, settings, is_implied: false }))))
}

/// Whether a dialog could answer like that.
pub(super) fn check(app: &App, settings: &DialogSettings) -> Result<(), Problem> {
    settings.check().map_err(Problem::invalid)?;
    if let Some(model) = &settings.model {
        app.bundle.chat_model(model).map_err(|error| Problem::model(&error))?;
    }
    if let Some(model) = settings.rerank.as_ref().filter(|name| !name.trim().is_empty()) {
        app.bundle.reranker(model).map_err(|error| Problem::model(&error))?;
    }
    if let Some(unknown) = settings.tools.iter().find(|name| !app.setup.mcp.knows(name)) {
        let reason = format!("`tools`: there is no MCP server `{unknown}` in the configuration");
        return Err(Problem::invalid(reason));
    }
    if let Some(unknown) = settings.web.iter().find(|name| !app.setup.web.knows(name)) {
        let reason = format!("`web`: there is no search engine `{unknown}` in the configuration");
        return Err(Problem::invalid(reason));
    }
    Ok(())
}

/// Deletes a dialog that is kept. Sessions with it stay, to be read.
#[utoipa::path(
    delete,
    path = "/api/v2/dialogs/{name}",
    responses((status = 204, description = "It was done"), Failures),
)]
pub(super) async fn delete(app: App, Path(name): Path<String>) -> Result<StatusCode, Problem> {
    match dialogs::delete(&app, &name).await.map_err(|error| Problem::model(&error))? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(missing("dialog", &name)),
    }
}

/// Names stand in `dialog/NAME` and in addresses.
fn check_name(name: &str) -> Result<(), Problem> {
    let is_fine = !name.trim().is_empty()
        && name.trim() == name
        && name.len() <= MOST_NAME
        && !name.chars().any(|c| c == '/' || c.is_control());
    match is_fine {
        true => Ok(()),
        false => Err(Problem::invalid(format!(
            "a dialog's name has 1 to {MOST_NAME} bytes, no slash, and no space around it"
        ))),
    }
}

fn shown(dialog: &ListedDialog) -> Value {
    json!({ "name": dialog.name, "implied": dialog.is_implied, "settings": dialog.settings })
}

//! `/api/v2/providers`: where models come from; the operator's, and those that the tenant brings.

use std::collections::BTreeMap;

use accounts::{KeyChange, OwnProvider, OwnProviderSettings};
use axum::Json;
use axum::extract::Path;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use llm_providers::catalogue;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::accounts::{body, missing, on_accounts};
use super::openapi::{Described, tagged};
use super::problem::Problem;
use super::schemas::refusals::{Invalid, Missing};
use crate::app::App;
use crate::trial::{Trial, trial};

/// Characters of the answer of a provider that is tried.
const MOST_SHOWN: usize = 200;

pub(super) fn routes() -> Described {
    let routes =
        Described::new().routes(routes!(list)).routes(routes!(save, delete)).routes(routes!(test));
    tagged("Providers", routes)
}

/// What providers there are.
#[derive(ToSchema)]
#[allow(dead_code)]
struct Providers {
    providers: Vec<ShownProvider>,
    /// Names that need no base URL.
    known: Vec<String>,
}

/// A provider, all but its key.
#[derive(ToSchema)]
#[allow(dead_code)]
struct ShownProvider {
    name: String,
    /// Whether the tenant brings it.
    own: bool,
    /// Where its key comes from, or how it ends.
    #[schema(required)]
    key: Option<String>,
    default_model: Option<String>,
    like: Option<String>,
    dialect: Option<String>,
    base_url: Option<String>,
    variables: Option<BTreeMap<String, String>>,
    #[schema(format = DateTime)]
    changed_at: Option<String>,
}

/// A provider that the tenant brings.
#[derive(ToSchema)]
#[schema(example = json!({ "like": "openai", "base_url": "https://models.example/v1", "api_key": "sk-made-up" }))]
#[allow(dead_code)]
struct SavedProvider {
    /// The well-known name that fills in what is left out.
    like: Option<String>,
    dialect: Option<String>,
    base_url: Option<String>,
    /// Left out, it stays what it is; empty, there is none.
    api_key: Option<String>,
    default_model: Option<String>,
    #[serde(default)]
    variables: BTreeMap<String, String>,
}

/// How a provider answered.
#[derive(ToSchema)]
#[allow(dead_code)]
struct Tried {
    works: bool,
    milliseconds: f64,
    model: Option<String>,
    answer: Option<String>,
    error: Option<String>,
}

/// All providers that the caller's models come from, and the names of those that need no base URL.
#[utoipa::path(
    get,
    path = "/api/v2/providers",
    responses((status = 200, description = "What was asked for", body = Providers)),
)]
pub(super) async fn list(app: App) -> Result<Json<Value>, Problem> {
    let tenant = app.tenant();
    let own = on_accounts(&app, move |store| store.providers(&tenant)).await?;
    let configured = app.setup.providers.iter().map(|provider| {
        json!({
            "name": provider.name,
            "own": false,
            "default_model": provider.default_model,
            "key": provider.key_source,
        })
    });
    let providers: Vec<Value> = configured.chain(own.iter().map(shown)).collect();
    let known: Vec<&str> = catalogue::entries().iter().map(|it| it.name.as_str()).collect();
    Ok(Json(json!({ "providers": providers, "known": known })))
}

fn shown(own: &OwnProvider) -> Value {
    let mut shown = json!(own);
    shown["own"] = json!(true);
    shown["key"] = json!(own.key_ends.as_ref().map(|end| format!("…{end}")));
    if let Some(fields) = shown.as_object_mut() {
        fields.remove("tenant");
        fields.remove("key_ends");
    }
    shown
}

/// Makes a provider of the tenant's own, or changes it: its settings, and its key as `api_key`, which stays what it is where it
/// is left out; empty, there is none. The key is never shown again.
#[utoipa::path(
    put,
    path = "/api/v2/providers/{name}",
    request_body = SavedProvider,
    responses((status = 204, description = "It was done"), Invalid),
)]
pub(super) async fn save(
    app: App,
    Path(name): Path<String>,
    saved: Result<Json<Map<String, Value>>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    let mut saved = body(saved)?;
    let key = match saved.remove("api_key") {
        None | Some(Value::Null) => KeyChange::Keep,
        Some(Value::String(key)) if key.trim().is_empty() => KeyChange::Remove,
        Some(Value::String(key)) => KeyChange::Set(key.trim().to_owned().into()),
        Some(_) => return Err(Problem::invalid("`api_key` is a text")),
    };
    let settings: OwnProviderSettings = serde_json::from_value(Value::Object(saved))
        .map_err(|error| Problem::invalid(error.to_string()))?;
    let (parts, setup, tenant) = (app.parts().clone(), app.setup.clone(), app.tenant());
    let work = move || {
        let own = (&tenant, name.as_str(), &settings);
        parts.own_providers.save(&parts.ground, &setup, own, &key)?;
        parts.refresh_own(&tenant)
    };
    changed(&app, work).await
}

/// Forgets a provider of the tenant's own.
#[utoipa::path(
    delete,
    path = "/api/v2/providers/{name}",
    responses((status = 204, description = "It was done"), Missing),
)]
pub(super) async fn delete(app: App, Path(name): Path<String>) -> Result<StatusCode, Problem> {
    let (tenant, asked) = (app.tenant(), name.clone());
    if !on_accounts(&app, move |store| store.delete_provider(&tenant, &asked)).await? {
        return Err(missing("provider of your own called", &name));
    }
    let (parts, tenant) = (app.parts().clone(), app.tenant());
    changed(&app, move || parts.refresh_own(&tenant)).await
}

async fn changed(
    app: &App,
    work: impl FnOnce() -> anyhow::Result<()> + Send + 'static,
) -> Result<StatusCode, Problem> {
    let done = app.callers.run(work).await.map_err(|error| Problem::internal(&error.into()))?;
    match done.map_err(|error| error.downcast::<accounts::AccountsError>()) {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(Ok(error)) => Err(super::accounts::refused(error.into())),
        Err(Err(error)) => Err(Problem::internal(&error)),
    }
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Try {
    /// Left out: its default model, or the first that it lists.
    model: Option<String>,
}

/// Asks a provider for one short answer. That it fails is no failure of the request.
#[utoipa::path(
    post,
    path = "/api/v2/providers/{name}/test",
    request_body = Option<Try>,
    responses((status = 200, description = "How it answered", body = Tried), Invalid, Missing),
)]
pub(super) async fn test(
    app: App,
    Path(name): Path<String>,
    asked: Result<Json<Try>, JsonRejection>,
) -> Result<Json<Value>, Problem> {
    let Try { model } = match asked {
        Err(JsonRejection::MissingJsonContentType(_)) => Try::default(),
        asked => body(asked)?,
    };
    let own = app.own.iter().flat_map(|own| &own.providers);
    let mut all = app.setup.providers.iter().chain(own);
    let provider = all.find(|provider| provider.name == name);
    let provider = provider.ok_or_else(|| missing("provider", &name))?;
    let Trial { outcome, took } = trial(&app.bundle, provider, model.as_deref()).await;
    let milliseconds = took.as_secs_f64() * 1e3;
    Ok(Json(match outcome {
        Ok((model, said)) => {
            let said: String = said.chars().take(MOST_SHOWN).collect();
            json!({ "works": true, "model": model, "answer": said, "milliseconds": milliseconds })
        }
        Err(error) => {
            json!({ "works": false, "error": error.message(), "milliseconds": milliseconds })
        }
    }))
}

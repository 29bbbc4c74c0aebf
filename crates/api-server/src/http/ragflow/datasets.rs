//! Datasets: made, listed, changed, deleted.

use std::collections::HashMap;

use axum::Json;
use axum::extract::{Path, Query};
use axum::http::HeaderMap;
use rag_core::{Dataset, DatasetSettings, EmbeddingIdentity, StoreError, TenantId};
use serde_json::{Value, json};

use super::caller::RagflowCaller;
use super::dataset_shape::{Counted, DatasetNote};
use super::envelope::{Refusal, Reply, counted, data};
use super::fields::{Body, Fields, Meant};
use super::names::with_number;
use super::paging::{Page, Params, order};
use super::schemas::datasets as schemas;
use super::schemas::datasets::{DatasetChange, NewDataset};
use super::schemas::{Answer, Counted as CountedAnswer, MeantOnly, Named, Paging};
use super::{chat_datasets, model_names, parser_config, uploads, with_store};
use crate::app::App;

/// Characters of a name.
const NAME: std::ops::RangeInclusive<usize> = 1..=128;
const MOST_DESCRIPTION: usize = 65_535;
const MOST_AVATAR: usize = 65_535;

/// Makes a dataset. When its name is taken, it gets a number.
#[utoipa::path(
    post,
    path = "/api/v1/datasets",
    request_body = NewDataset,
    responses((status = 200, description = "What was asked for", body = Answer<schemas::Dataset>)),
)]
pub(super) async fn create(
    app: App,
    caller: RagflowCaller,
    headers: HeaderMap,
    Body(body): Body,
) -> Reply {
    let mut fields = Fields::read(&app, &headers, body).await?;
    if !fields.has("name") {
        fields.missing("name");
    }
    let name = fields.text("name", NAME);
    let model = fields.text("embedding_model", 1..=255);
    let mut settings = DatasetSettings::default();
    change(&mut fields, &mut settings);
    fields.finish_strictly()?;
    let embedding = identity(&app, model.as_deref()).await?;
    let (tenant, name) = (caller.tenant, name.unwrap_or_default());
    check_tags(&app, &tenant, &settings).await?;
    let made = with_store(&app, move |store| {
        let taken: Vec<String> =
            store.datasets(&tenant)?.into_iter().map(|dataset| dataset.name).collect();
        let name = with_number(&name, |name| taken.iter().any(|taken| taken == name));
        store.ensure_dataset(&tenant, &name, &embedding, &settings).and_then(count(store))
    });
    data(made.await?.shown())
}

/// The datasets of the caller, page by page.
#[utoipa::path(
    get,
    path = "/api/v1/datasets",
    params(Paging, Named),
    responses((status = 200, description = "What was asked for", body = schemas::Datasets)),
)]
pub(super) async fn list(
    app: App,
    caller: RagflowCaller,
    Query(params): Query<HashMap<String, String>>,
) -> Reply {
    let params = Params::new(params);
    let page = Page::read(&params)?;
    let tenant = caller.tenant.clone();
    let all = with_store(&app, move |store| {
        store.datasets(&tenant)?.into_iter().map(count(store)).collect::<Result<Vec<_>, _>>()
    });
    let mut all: Vec<Counted> = all.await?;
    let (id, name) = (params.get("id"), params.get("name"));
    all.retain(|it| {
        id.is_none_or(|id| it.dataset.id.as_str() == id)
            && name.is_none_or(|name| it.dataset.name == name)
    });
    if let Some(asked) = id.or(name).filter(|_| all.is_empty()) {
        return Err(missing(&caller.tenant, asked));
    }
    order(&mut all, &params)?;
    let total = all.len();
    let shown: Vec<Value> = page.of(all).iter().map(Counted::shown).collect();
    Ok(Json(json!({ "code": 0, "message": "", "data": shown, "total_datasets": total })))
}

/// One dataset.
#[utoipa::path(
    get,
    path = "/api/v1/datasets/{dataset}",
    responses((status = 200, description = "What was asked for", body = Answer<schemas::Dataset>)),
)]
pub(super) async fn one(app: App, caller: RagflowCaller, Path(id): Path<String>) -> Reply {
    let dataset = find(&app, &caller, &id).await?;
    let counted = with_store(&app, move |store| count(store)(dataset));
    data(counted.await?.shown())
}

/// Changes what is named of a dataset.
#[utoipa::path(
    put,
    path = "/api/v1/datasets/{dataset}",
    request_body = DatasetChange,
    responses((status = 200, description = "What was asked for", body = Answer<schemas::Dataset>)),
)]
pub(super) async fn update(
    app: App,
    caller: RagflowCaller,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Reply {
    let mut fields = Fields::read(&app, &headers, body).await?;
    if fields.is_empty() {
        return Err(Refusal::argument("No properties were modified"));
    }
    let dataset = find(&app, &caller, &id).await?;
    let mut settings = dataset.settings.clone();
    let name = fields.text("name", NAME).filter(|name| *name != dataset.name);
    let model = fields.text("embedding_model", 1..=255);
    change(&mut fields, &mut settings);
    fields.finish_strictly()?;
    if let Some(model) = model.map(|model| model_names::ours(&model))
        && model != dataset.embedding.model
    {
        return Err(Refusal::data(format!(
            "the dataset is embedded with {}; `api-server reembed` moves it to {model}",
            dataset.embedding.model
        )));
    }
    check_tags(&app, &caller.tenant, &settings).await?;
    if let Some(name) = &name {
        rename(&app, &caller.tenant, &dataset, name).await?;
    }
    let dataset = Dataset { name: name.unwrap_or(dataset.name), settings, ..dataset };
    let updated = with_store(&app, move |store| {
        store.update_dataset(&dataset.id, &dataset.settings)?;
        count(store)(dataset)
    });
    data(updated.await?.shown())
}

/// Deletes datasets with all that is in them: all that are named, or none.
#[utoipa::path(
    delete,
    path = "/api/v1/datasets",
    request_body = Option<MeantOnly>,
    responses((status = 200, description = "What was asked for", body = Answer<CountedAnswer>)),
)]
pub(super) async fn delete(
    app: App,
    caller: RagflowCaller,
    headers: HeaderMap,
    Body(body): Body,
) -> Reply {
    let mut fields = Fields::read(&app, &headers, body).await?;
    let meant = Meant::read(&mut fields, "ids")?;
    fields.finish_strictly()?;
    let tenant = caller.tenant.clone();
    let all = with_store(&app, move |store| store.datasets(&tenant)).await?;
    let doomed: Vec<Dataset> = match meant {
        Meant::All => all,
        Meant::Ids(ids) => {
            let is_there = |id: &&String| all.iter().any(|it| it.id.as_str() == id.as_str());
            if let Some(unknown) = ids.iter().find(|id| !is_there(id)) {
                return Err(missing(&caller.tenant, unknown));
            }
            all.into_iter().filter(|it| ids.iter().any(|id| id == it.id.as_str())).collect()
        }
    };
    let deleted = doomed.len();
    for dataset in doomed {
        let id = dataset.id.clone();
        with_store(&app, move |store| store.delete_dataset(&id)).await?;
        uploads::forget_dataset(&app, &dataset.id).await;
    }
    counted(deleted, Vec::new())
}

/// The caller's dataset of that id.
pub(super) async fn find(app: &App, caller: &RagflowCaller, id: &str) -> Result<Dataset, Refusal> {
    let refused = || missing(&caller.tenant, id);
    let (tenant, wanted) = (caller.tenant.clone(), id.parse().map_err(|_| refused())?);
    let found = with_store(app, move |store| store.dataset_by_id(&tenant, &wanted)).await?;
    let found = found.filter(|dataset| app.may_search(&dataset.name));
    found.ok_or_else(refused)
}

/// The same answer for what is not there and for what is somebody else's.
fn missing(tenant: &TenantId, asked: &str) -> Refusal {
    let asked: String = asked.chars().take(128).collect();
    Refusal::data(format!("User '{tenant}' lacks permission for dataset '{asked}'"))
}

fn count(store: &dyn rag_core::Store) -> impl Fn(Dataset) -> Result<Counted, StoreError> {
    |dataset| Ok(Counted { totals: store.dataset_totals(&dataset.id)?, dataset })
}

/// Reads what both making and changing take.
fn change(fields: &mut Fields, settings: &mut DatasetSettings) {
    let mut note = DatasetNote::of(settings);
    if let Some(description) = fields.text("description", 0..=MOST_DESCRIPTION) {
        settings.description = description;
    }
    if let Some(avatar) = fields.text("avatar", 0..=MOST_AVATAR) {
        note.avatar = avatar;
    }
    if let Some(language) = fields.text("language", 1..=32) {
        note.language = language;
    }
    if fields.word("permission", &["me", "team"]).as_deref() == Some("team") {
        let reason = "Input should be 'me': this server has no teams";
        fields.wrong("permission", reason, &json!("team"));
    }
    if let Some(rank) = fields.whole("pagerank", 0..=100) {
        settings.page_rank = rank as u8;
    }
    parser_config::method(fields, &mut settings.chunking);
    let kept = parser_config::read(fields, &mut settings.chunking, &mut settings.enrichment);
    note.parser_config.extend(kept);
    note.keep(settings);
}

/// Tags come from the caller's own datasets.
async fn check_tags(
    app: &App,
    tenant: &TenantId,
    settings: &DatasetSettings,
) -> Result<(), Refusal> {
    let wanted = settings.enrichment.tag_datasets.clone();
    let tenant = tenant.clone();
    let unknown = with_store(app, move |store| {
        for id in wanted {
            if store.dataset_by_id(&tenant, &id)?.is_none() {
                return Ok(Some(id));
            }
        }
        Ok(None)
    });
    match unknown.await? {
        Some(id) => Err(Refusal::data(format!("You don't own the dataset {id}"))),
        None => Ok(()),
    }
}

/// What the vectors of the model are that is named in this dialect, or of the default one.
async fn identity(app: &App, model: Option<&str>) -> Result<EmbeddingIdentity, Refusal> {
    let Some(asked) = model else { return Ok(app.embedding_identity().await?) };
    let identity = app.identity_of(&model_names::ours(asked)).await;
    identity.map_err(|error| {
        Refusal::data(format!("Unsupported model: <{asked}>: {}", error.message()))
    })
}

/// Calls the dataset otherwise, also in the dialogs that search it.
async fn rename(
    app: &App,
    tenant: &TenantId,
    dataset: &Dataset,
    name: &str,
) -> Result<(), Refusal> {
    let (own, wanted) = (tenant.clone(), name.to_owned());
    if with_store(app, move |store| store.dataset(&own, &wanted)).await?.is_some() {
        return Err(Refusal::data(format!("Dataset name '{name}' already exists")));
    }
    let (id, to) = (dataset.id.clone(), name.to_owned());
    with_store(app, move |store| store.rename_dataset(&id, &to)).await?;
    chat_datasets::rename(app, &dataset.name, name).await
}

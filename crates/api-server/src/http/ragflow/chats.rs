//! Chats: dialogs, made, listed, changed and deleted.

use std::collections::HashMap;

use axum::Json;
use axum::extract::{Path, Query};
use axum::http::{HeaderMap, header};
use rag_core::{Dataset, SessionPage};
use serde_json::{Value, json};
use uuid::Uuid;

use super::caller::RagflowCaller;
use super::chat_shape::{Chat, ChatNote};
use super::envelope::{Refusal, Reply, counted, data};
use super::fields::{Body, Fields, Meant};
use super::paging::{Page, Params, order};
use super::schemas::chats::{self as schemas, ChatChange, ChatQuery, Chats};
use super::schemas::{Answer, Counted, Keywords, Meant as MeantChats, Paging};
use super::with_store;
use crate::app::App;
use crate::conversations::now;
use crate::dialogs::{self, DialogSettings};

/// Bytes of a name: it stands in the names of models and in addresses.
const MOST_NAME: usize = 128;
/// Sessions that are deleted in one go.
const AT_ONCE: usize = 256;

/// Makes a chat.
#[utoipa::path(
    post,
    path = "/api/v1/chats",
    request_body = ChatChange,
    responses((status = 200, description = "What was asked for", body = Answer<schemas::Chat>)),
)]
pub(super) async fn create(
    app: App,
    caller: RagflowCaller,
    headers: HeaderMap,
    Body(body): Body,
) -> Reply {
    let mut fields = Fields::read(&app, &headers, body).await?;
    let name = fields.text("name", 0..=usize::MAX).filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| Refusal::data("`name` is required."))?;
    check_name(&name)?;
    let now = now();
    let note = ChatNote { id: Uuid::now_v7().simple().to_string(), ..ChatNote::default() };
    let settings = DialogSettings { prologue: OPENER.to_owned(), ..DialogSettings::default() };
    let mut chat = Chat { name, settings, note, created_at: now, updated_at: now };
    let (all, datasets) = all(&app, &caller).await?;
    if all.iter().any(|other| other.name == chat.name) {
        return Err(Refusal::data("Duplicated chat name in creating chat."));
    }
    if let Some(ids) = fields.texts("dataset_ids") {
        chat.settings.datasets = searched(&app, &datasets, &ids).await?;
    }
    chat.change(&mut fields);
    fields.finish()?;
    save(&app, &chat).await?;
    data(chat.shown(&datasets))
}

/// What a chat begins with when it is not told otherwise.
const OPENER: &str = "Hello! What would you like to know?";

/// The caller's chats, page by page.
#[utoipa::path(
    get,
    path = "/api/v1/chats",
    params(Paging, ChatQuery, Keywords),
    responses((status = 200, description = "What was asked for", body = Answer<Chats>)),
)]
pub(super) async fn list(
    app: App,
    caller: RagflowCaller,
    Query(params): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Reply {
    let params = Params::new(params);
    let page = Page::read(&params)?;
    let (mut chats, datasets) = all(&app, &caller).await?;
    let is_older = wants_older(&chats, &params, &headers);
    let words = params.get("keywords").map(str::to_lowercase);
    chats.retain(|chat| {
        params.get("id").is_none_or(|id| chat.note.id == id)
            && params.get("name").is_none_or(|name| chat.name == name)
            && words.as_ref().is_none_or(|words| chat.name.to_lowercase().contains(words))
    });
    let asked = params.get("id").or(params.get("name"));
    if asked.is_some() && chats.is_empty() && is_older {
        return Err(Refusal::data("The chat doesn't exist"));
    }
    order(&mut chats, &params)?;
    let total = chats.len();
    let shown: Vec<Value> = page.of(chats).iter().map(|chat| chat.shown(&datasets)).collect();
    match is_older {
        true => data(shown),
        false => data(json!({ "chats": shown, "total": total })),
    }
}

/// Clients of two generations read this list in two forms, and ask for it in the same words. Whoever made the chats
/// reads them, so the form is that of the last one made; where there is none, the older Python client is known by all
/// that it always sends.
fn wants_older(chats: &[Chat], params: &Params, headers: &HeaderMap) -> bool {
    if let Some(last) = chats.iter().max_by_key(|chat| chat.created_at) {
        return last.note.is_older;
    }
    let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
    agent.is_some_and(|agent| agent.starts_with("python-requests/"))
        && ["page", "page_size", "orderby", "desc"].iter().all(|name| params.has(name))
}

/// One chat.
#[utoipa::path(
    get,
    path = "/api/v1/chats/{chat}",
    responses((status = 200, description = "What was asked for", body = Answer<schemas::Chat>)),
)]
pub(super) async fn one(app: App, caller: RagflowCaller, Path(id): Path<String>) -> Reply {
    let (chat, datasets) = find(&app, &caller, &id).await?;
    data(chat.shown(&datasets))
}

/// Changes what is named of a chat.
#[utoipa::path(
    method(put, patch),
    path = "/api/v1/chats/{chat}",
    request_body = ChatChange,
    responses((status = 200, description = "What was asked for", body = Answer<schemas::Chat>)),
)]
pub(super) async fn update(
    app: App,
    caller: RagflowCaller,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Reply {
    let mut fields = Fields::read(&app, &headers, body).await?;
    let (mut chat, datasets) = find(&app, &caller, &id).await?;
    let name = fields.text("name", 0..=usize::MAX).filter(|name| *name != chat.name);
    if let Some(name) = &name {
        check_name(name)?;
    }
    if let Some(ids) = fields.texts("dataset_ids") {
        chat.settings.datasets = searched(&app, &datasets, &ids).await?;
    }
    chat.change(&mut fields);
    fields.finish()?;
    // Refused before anything is changed.
    check(&app, &chat)?;
    if let Some(name) = name {
        rename(&app, &caller, &chat.name, &name).await?;
        chat.name = name;
    }
    chat.updated_at = now();
    save(&app, &chat).await?;
    data(chat.shown(&datasets))
}

async fn rename(app: &App, caller: &RagflowCaller, from: &str, to: &str) -> Result<(), Refusal> {
    let (tenant, from, to) = (caller.tenant.clone(), from.to_owned(), to.to_owned());
    let renamed = with_store(app, move |store| {
        if store.dialog(&tenant, &to)?.is_some() {
            return Ok(false);
        }
        store.rename_dialog(&tenant, &from, &to).map(|_| true)
    });
    match renamed.await? {
        true => Ok(()),
        false => Err(Refusal::data("Duplicated chat name in updating chat.")),
    }
}

/// Deletes chats with their sessions.
#[utoipa::path(
    delete,
    path = "/api/v1/chats",
    request_body = Option<MeantChats>,
    responses((status = 200, description = "What was asked for", body = Answer<Counted>)),
)]
pub(super) async fn delete(
    app: App,
    caller: RagflowCaller,
    headers: HeaderMap,
    Body(body): Body,
) -> Reply {
    let mut fields = Fields::read(&app, &headers, body).await?;
    let meant = Meant::read(&mut fields, "ids")?;
    fields.finish()?;
    let (chats, _) = all(&app, &caller).await?;
    let ids = match meant {
        Meant::All => chats.iter().map(|chat| chat.note.id.clone()).collect(),
        Meant::Ids(ids) => ids,
    };
    let (mut deleted, mut errors, mut seen) = (0, Vec::new(), Vec::new());
    for id in ids {
        if seen.contains(&id) {
            errors.push(format!("Duplicate assistant ids: {id}"));
            continue;
        }
        match chats.iter().find(|chat| chat.note.id == id) {
            Some(chat) => {
                remove(&app, &caller, &chat.name).await?;
                deleted += 1;
            }
            None => errors.push(format!("Assistant({id}) not found.")),
        }
        seen.push(id);
    }
    counted(deleted, errors)
}

/// Deletes one chat with its sessions.
#[utoipa::path(
    delete,
    path = "/api/v1/chats/{chat}",
    responses((status = 200, description = "What was asked for", body = Answer<bool>)),
)]
pub(super) async fn delete_one(app: App, caller: RagflowCaller, Path(id): Path<String>) -> Reply {
    let (chat, _) = find(&app, &caller, &id).await?;
    remove(&app, &caller, &chat.name).await?;
    Ok(Json(json!({ "code": 0, "message": "", "data": true })))
}

async fn remove(app: &App, caller: &RagflowCaller, name: &str) -> Result<(), Refusal> {
    dialogs::delete(app, name).await?;
    loop {
        let (tenant, dialog) = (caller.tenant.clone(), name.to_owned());
        let page = SessionPage { dialog: Some(dialog), after: None, limit: AT_ONCE };
        let sessions = with_store(app, move |store| store.sessions(&tenant, &page)).await?;
        if sessions.is_empty() {
            return Ok(());
        }
        for session in sessions {
            app.conversations.stop_session(&caller.tenant, &session.id);
            let tenant = caller.tenant.clone();
            with_store(app, move |store| store.delete_session(&tenant, &session.id)).await?;
        }
    }
}

/// The caller's chat of that id, and all datasets that it may search.
pub(super) async fn find(
    app: &App,
    caller: &RagflowCaller,
    id: &str,
) -> Result<(Chat, Vec<Dataset>), Refusal> {
    let (chats, datasets) = all(app, caller).await?;
    let found = chats.into_iter().find(|chat| chat.note.id == id);
    let missing = || Refusal::data("You do not own the assistant");
    Ok((found.ok_or_else(missing)?, datasets))
}

/// The dialogs that are kept. Those that are only there because a dataset of their name is are no chats.
async fn all(app: &App, caller: &RagflowCaller) -> Result<(Vec<Chat>, Vec<Dataset>), Refusal> {
    let tenant = caller.tenant.clone();
    with_store(app, move |store| {
        let chats = store.dialogs(&tenant)?.into_iter().filter_map(Chat::of).collect();
        Ok((chats, store.datasets(&tenant)?))
    })
    .await
}

/// The names of the datasets of these ids, which must have something to find.
async fn searched(app: &App, datasets: &[Dataset], ids: &[String]) -> Result<Vec<String>, Refusal> {
    let mut names = Vec::new();
    for id in ids {
        let shown: String = id.chars().take(128).collect();
        let own = datasets.iter().find(|dataset| dataset.id.as_str() == id);
        let own = own.ok_or_else(|| Refusal::data(format!("You don't own the dataset {shown}")))?;
        let wanted = own.id.clone();
        let totals = with_store(app, move |store| store.dataset_totals(&wanted)).await?;
        if totals.chunks == 0 {
            return Err(Refusal::data(format!("The dataset {shown} doesn't own parsed file")));
        }
        if !names.contains(&own.name) {
            names.push(own.name.clone());
        }
    }
    Ok(names)
}

async fn save(app: &App, chat: &Chat) -> Result<(), Refusal> {
    check(app, chat)?;
    dialogs::save(app, &chat.name, &chat.clone().settled()).await?;
    Ok(())
}

fn check(app: &App, chat: &Chat) -> Result<(), Refusal> {
    let settings = chat.clone().settled();
    settings.check().map_err(Refusal::data)?;
    if let Some(model) = &settings.model {
        let known = app.bundle.chat_model(model);
        known.map_err(|_| Refusal::data(format!("`model_name` {model} doesn't exist")))?;
    }
    if let Some(model) = settings.rerank.as_ref().filter(|name| !name.trim().is_empty()) {
        let known = app.bundle.reranker(model);
        known.map_err(|_| Refusal::data(format!("`rerank_model` {model} doesn't exist")))?;
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), Refusal> {
    let is_fine =
        (1..=MOST_NAME).contains(&name.len()) && !name.chars().any(|c| c == '/' || c.is_control());
    match is_fine {
        true => Ok(()),
        false => {
            Err(Refusal::data(format!("a chat's `name` has 1 to {MOST_NAME} bytes and no slash")))
        }
    }
}

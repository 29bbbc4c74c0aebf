//! Sessions of chats: made, listed, renamed, deleted; their messages.

use std::collections::HashMap;

use axum::extract::{Path, Query};
use axum::http::HeaderMap;
use dialog_service::TurnRecord;
use rag_core::{Feedback, SavedTurn, Session, SessionId, SessionPage, TurnId};
use serde_json::{Value, json};

use super::caller::RagflowCaller;
use super::chat_shape::Chat;
use super::chunk_shape::reference;
use super::envelope::{Refusal, Reply, counted, data};
use super::fields::{Body, Fields, Meant};
use super::marked::marked;
use super::paging::{Page, Params, Timed, date, order};
use super::schemas::sessions::{self as schemas, Judgement, SessionName, SessionQuery};
use super::schemas::{Answer, Counted, ListAnswer, Meant as MeantSessions, Paging};
use super::{chats, with_store};
use crate::app::App;
use crate::conversations::new_session;
use crate::http::schemas::refusals::RagflowRefusal;

/// Characters of a name.
const MOST_NAME: usize = 255;
/// Turns whose messages are shown.
const MOST_TURNS: usize = 200;
/// Sessions of a chat that are looked through.
const MOST_SESSIONS: usize = 10_000;
/// The most bytes of a comment.
const MOST_COMMENT: usize = 8_192;

impl Timed for Session {
    fn created_at(&self) -> i64 {
        self.created_at
    }

    fn updated_at(&self) -> i64 {
        self.updated_at
    }

    fn name(&self) -> &str {
        &self.title
    }
}

/// Makes an empty session.
#[utoipa::path(
    post,
    path = "/api/v1/chats/{chat}/sessions",
    request_body = Option<SessionName>,
    responses((status = 200, description = "What was asked for", body = Answer<schemas::Session>)),
)]
pub(super) async fn create(
    app: App,
    caller: RagflowCaller,
    Path(chat): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Reply {
    let mut fields = Fields::read(&app, &headers, body).await?;
    let (chat, _) = chats::find(&app, &caller, &chat).await?;
    let is_named = fields.has("name");
    let name = fields.text("name", 0..=usize::MAX);
    fields.finish()?;
    let name = match name {
        Some(name) if !name.is_empty() => name,
        None if !is_named => "New session".to_owned(),
        _ => return Err(Refusal::data("`name` can not be empty.")),
    };
    data(shown(&begin(&app, &caller, &chat, &name).await?, &chat, &[]))
}

/// A new session of this chat.
pub(super) async fn begin(
    app: &App,
    caller: &RagflowCaller,
    chat: &Chat,
    name: &str,
) -> Result<Session, Refusal> {
    let title: String = name.chars().take(MOST_NAME).collect();
    let session = new_session(app, chat.name.clone(), "");
    let session = Session { title, tenant: caller.tenant.clone(), ..session };
    let made = session.clone();
    with_store(app, move |store| store.create_session(&made)).await?;
    Ok(session)
}

/// The sessions of a chat with their messages, page by page.
#[utoipa::path(
    get,
    path = "/api/v1/chats/{chat}/sessions",
    params(Paging, SessionQuery),
    responses((status = 200, description = "What was asked for", body = ListAnswer<schemas::Session>)),
)]
pub(super) async fn list(
    app: App,
    caller: RagflowCaller,
    Path(chat): Path<String>,
    Query(params): Query<HashMap<String, String>>,
) -> Reply {
    let params = Params::new(params);
    let page = Page::read(&params)?;
    let (chat, _) = chats::find(&app, &caller, &chat).await?;
    let (tenant, dialog) = (caller.tenant.clone(), Some(chat.name.clone()));
    let asked = SessionPage { dialog, after: None, limit: MOST_SESSIONS };
    let mut sessions = with_store(&app, move |store| store.sessions(&tenant, &asked)).await?;
    let (id, name) = (params.get("id"), params.get("name"));
    sessions.retain(|session| {
        id.is_none_or(|id| session.id.as_str() == id)
            && name.is_none_or(|name| session.title == name)
    });
    order(&mut sessions, &params)?;
    let sessions = page.of(sessions);
    // Passages make turns large, so all of it is on a thread.
    let listed = with_store(&app, move |store| {
        let shown = sessions.iter().map(|session| {
            let turns = store.turns(&caller.tenant, &session.id, None, MOST_TURNS)?;
            Ok(shown(session, &chat, &turns))
        });
        shown.collect::<Result<Vec<Value>, _>>()
    });
    data(listed.await?)
}

/// One session with its messages.
#[utoipa::path(
    get,
    path = "/api/v1/chats/{chat}/sessions/{session}",
    responses((status = 200, description = "What was asked for", body = Answer<schemas::Session>)),
)]
pub(super) async fn one(
    app: App,
    caller: RagflowCaller,
    Path((chat, session)): Path<(String, String)>,
) -> Reply {
    let (chat, _) = chats::find(&app, &caller, &chat).await?;
    let session = find(&app, &caller, &chat, &session).await?;
    let read = with_store(&app, move |store| {
        let turns = store.turns(&caller.tenant, &session.id, None, MOST_TURNS)?;
        Ok(shown(&session, &chat, &turns))
    });
    data(read.await?)
}

/// Renames a session.
#[utoipa::path(
    method(put, patch),
    path = "/api/v1/chats/{chat}/sessions/{session}",
    request_body = SessionName,
    responses((status = 200, description = "What was asked for", body = Answer<schemas::Session>)),
)]
pub(super) async fn update(
    app: App,
    caller: RagflowCaller,
    Path((chat, session)): Path<(String, String)>,
    headers: HeaderMap,
    Body(body): Body,
) -> Reply {
    let mut fields = Fields::read(&app, &headers, body).await?;
    let (chat, _) = chats::find(&app, &caller, &chat).await?;
    let session = find(&app, &caller, &chat, &session).await?;
    if let Some(name) = ["messages", "message", "reference"].iter().find(|name| fields.has(name)) {
        return Err(Refusal::data(format!("`{name}` can not be change")));
    }
    let name = fields.text("name", 0..=MOST_NAME);
    fields.finish()?;
    let Some(name) = name.filter(|name| !name.is_empty()) else {
        return Err(Refusal::data("`name` can not be empty."));
    };
    let tenant = caller.tenant.clone();
    let renamed = with_store(&app, move |store| {
        store.rename_session(&tenant, &session.id, &name)?;
        let turns = store.turns(&tenant, &session.id, None, MOST_TURNS)?;
        Ok(shown(&Session { title: name, ..session }, &chat, &turns))
    });
    data(renamed.await?)
}

/// Stops and deletes sessions with all that was said.
#[utoipa::path(
    delete,
    path = "/api/v1/chats/{chat}/sessions",
    request_body = Option<MeantSessions>,
    responses((status = 200, description = "What was asked for", body = Answer<Counted>)),
)]
pub(super) async fn delete(
    app: App,
    caller: RagflowCaller,
    Path(chat): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Reply {
    let mut fields = Fields::read(&app, &headers, body).await?;
    let meant = Meant::read(&mut fields, "ids")?;
    fields.finish()?;
    let (chat, _) = chats::find(&app, &caller, &chat).await?;
    let ids = match meant {
        Meant::Ids(ids) => ids,
        Meant::All => {
            let (tenant, dialog) = (caller.tenant.clone(), Some(chat.name.clone()));
            let all = SessionPage { dialog, after: None, limit: MOST_SESSIONS };
            let all = with_store(&app, move |store| store.sessions(&tenant, &all)).await?;
            all.into_iter().map(|session| session.id.into()).collect()
        }
    };
    let (mut deleted, mut errors, mut seen) = (0, Vec::new(), Vec::new());
    for id in ids {
        if seen.contains(&id) {
            errors.push(format!("Duplicate session ids: {id}"));
            continue;
        }
        match find(&app, &caller, &chat, &id).await {
            Ok(session) => {
                app.conversations.stop_session(&caller.tenant, &session.id);
                let tenant = caller.tenant.clone();
                with_store(&app, move |store| store.delete_session(&tenant, &session.id)).await?;
                deleted += 1;
            }
            Err(_) => errors.push(format!("The chat doesn't own the session {id}")),
        }
        seen.push(id);
    }
    counted(deleted, errors)
}

/// Notes what a reader thinks of an answer.
#[utoipa::path(
    put,
    path = "/api/v1/chats/{chat}/sessions/{session}/messages/{message}/feedback",
    request_body = Judgement,
    responses((status = 200, description = "What was asked for", body = Answer<schemas::Session>)),
)]
pub(super) async fn judge(
    app: App,
    caller: RagflowCaller,
    Path((chat, session, message)): Path<(String, String, String)>,
    headers: HeaderMap,
    Body(body): Body,
) -> Reply {
    let mut fields = Fields::read(&app, &headers, body).await?;
    let helpful = fields.flag("thumbup");
    let comment = fields.text("feedback", 0..=MOST_COMMENT);
    fields.finish()?;
    let (chat, _) = chats::find(&app, &caller, &chat).await?;
    let session = find(&app, &caller, &chat, &session).await?;
    let missing = || Refusal::data("Message not found!");
    let turn: TurnId = message.parse().map_err(|_| missing())?;
    let comment = comment.filter(|comment| !comment.is_empty());
    let feedback = helpful.map(|helpful| Feedback { helpful, comment });
    let noted = with_store(&app, move |store| {
        let known = store.turn(&caller.tenant, &turn)?;
        if known.is_none_or(|known| known.session != session.id) {
            return Ok(None);
        }
        store.set_feedback(&caller.tenant, &turn, feedback.as_ref())?;
        let turns = store.turns(&caller.tenant, &session.id, None, MOST_TURNS)?;
        Ok(Some(shown(&session, &chat, &turns)))
    });
    data(noted.await?.ok_or_else(missing)?)
}

/// The session of that id, which must be of this chat.
pub(super) async fn find(
    app: &App,
    caller: &RagflowCaller,
    chat: &Chat,
    id: &str,
) -> Result<Session, Refusal> {
    let missing = || Refusal::data("Session not found!");
    let (tenant, id) = (caller.tenant.clone(), id.parse::<SessionId>().map_err(|_| missing())?);
    let found = with_store(app, move |store| store.session(&tenant, &id)).await?;
    let found = found.ok_or_else(missing)?;
    match found.dialog == chat.name {
        true => Ok(found),
        false => Err(Refusal::data("Session does not belong to this chat!")),
    }
}

/// A session with the messages of these turns.
fn shown(session: &Session, chat: &Chat, turns: &[SavedTurn]) -> Value {
    let opener = json!({ "role": "assistant", "content": chat.settings.prologue });
    let opener = Some(opener).filter(|_| !chat.settings.prologue.is_empty());
    let messages: Vec<Value> =
        opener.into_iter().chain(turns.iter().flat_map(|turn| messages(turn, chat))).collect();
    json!({
        "id": session.id,
        "chat_id": chat.note.id,
        "name": session.title,
        "messages": messages,
        "user_id": "",
        "create_time": session.created_at,
        "create_date": date(session.created_at),
        "update_time": session.updated_at,
        "update_date": date(session.updated_at),
    })
}

fn messages(turn: &SavedTurn, chat: &Chat) -> [Value; 2] {
    let record: TurnRecord = serde_json::from_str(&turn.record).unwrap_or_default();
    let citations = if chat.note.quote { record.citations.as_slice() } else { &[] };
    let cited = record.done.as_ref().map(|done| done.cited.clone()).unwrap_or_default();
    let mut reference = reference(&record.passages, &cited);
    let seconds = |time: i64| time as f64 / 1e3;
    let mut answer = json!({
        "id": turn.id,
        "role": "assistant",
        "content": marked(&turn.answer, citations),
        "created_at": seconds(turn.ended_at.unwrap_or(turn.asked_at)),
        "reference": reference["chunks"].take(),
    });
    if let Some(feedback) = &turn.feedback {
        answer["thumbup"] = json!(feedback.helpful);
        answer["feedback"] = json!(feedback.comment);
    }
    let question = json!({
        "id": turn.id,
        "role": "user",
        "content": turn.question,
        "created_at": seconds(turn.asked_at),
    });
    [question, answer]
}

/// Messages of a session cannot be taken out of it.
#[utoipa::path(
    delete,
    path = "/api/v1/chats/{chat}/sessions/{session}/messages/{message}",
    responses((status = 200, description = "What was asked for", body = RagflowRefusal)),
)]
pub(super) async fn delete_message() -> Reply {
    Err(Refusal::unsupported("single messages to delete"))
}

//! Questions to dialogs as sessions keep them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use dialog_service::{Attachment, ConversationError, Follows, LiveTurn, TurnRecord};
use llm_core::{ChatRequest, Message, ModelError};
use rag_core::{ConversationStore, DocumentId, SavedTurn, Session, SessionId, StoreError, TurnId};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::app::App;
use crate::attachments::{self, AttachmentError, GivenFile};
use crate::dialogs::{self, Choice};

/// The longest question, in bytes; what is longer is a file.
pub(crate) const MOST_QUESTION: usize = 256 << 10;

/// Characters of a title; further ones are cut.
const MOST_TITLE: usize = 80;

/// What is asked, and where.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "question": "How hot is water for green tea?", "stream": false }))]
pub(crate) struct Question {
    /// The user's words. Left out: those of the turn that is answered anew.
    #[serde(default)]
    question: Option<String>,
    /// The session that it continues. Left out: a new one.
    #[serde(default)]
    session: Option<String>,
    /// The turn that it follows. Left out: the last one; `null`: none, as if the conversation began.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    parent: Option<Option<String>>,
    /// The turn that is answered anew, as a branch beside it. With `question`: edited.
    #[serde(default)]
    instead_of: Option<String>,
    /// The model that answers. Left out: the default.
    #[serde(default)]
    model: Option<String>,
    /// Only these documents.
    #[serde(default)]
    documents: Option<Vec<DocumentId>>,
    /// Files that the model is to see.
    #[serde(default)]
    attachments: Vec<GivenFile>,
    /// Values of the dialog's parameters.
    #[serde(default)]
    parameters: BTreeMap<String, String>,
    /// The longest answer.
    #[serde(default)]
    max_output_tokens: Option<u32>,
    /// Whether to give events as they come. Left out: yes.
    #[serde(default)]
    pub(crate) stream: Option<bool>,
}

/// Tells a field that is `null` from one that is missing.
fn given<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(from).map(Some)
}

/// Why nothing was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    /// The request says something that it cannot say.
    #[error("{0}")]
    Invalid(String),
    /// What it names does not exist.
    #[error("{0}")]
    NotFound(String),
    /// The dialog or its model cannot be reached.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The session does not take it.
    #[error(transparent)]
    Conversation(#[from] ConversationError),
    /// The store or the threads failed.
    #[error("the question could not be asked")]
    Failed(#[source] anyhow::Error),
}

impl From<AttachmentError> for AskError {
    fn from(error: AttachmentError) -> Self {
        match error {
            AttachmentError::Unreadable(reason) => Self::Invalid(reason),
            AttachmentError::Failed(error) => Self::Failed(error),
        }
    }
}

/// Begins a turn of a session, which is made where none is named.
///
/// # Errors
/// [`AskError`]. What fails later is an event of the turn.
pub(crate) async fn ask(
    app: &App,
    dialog: String,
    question: Question,
) -> Result<Arc<LiveTurn>, AskError> {
    let Place { session, follows, text, kept } = place(app, &dialog, &question).await?;
    let request = ChatRequest {
        messages: vec![Message::user(&text)],
        max_output_tokens: question.max_output_tokens,
        ..ChatRequest::default()
    };
    let mut attachments = attachments::read(app, question.attachments).await?;
    if attachments.is_empty() {
        attachments = kept;
    }
    let choice = Choice {
        attachments,
        model: question.model,
        documents: question.documents,
        parameters: question.parameters,
    };
    let turn = dialogs::turn(app.clone(), &app.bundle, dialog.clone(), request, choice).await?;
    if let Some(session) = session {
        return Ok(app.conversations.begin(app.tenant(), session, follows, turn).await?);
    }
    let session = new_session(app, dialog, &text);
    let (id, tenant) = (session.id.clone(), app.tenant());
    with_store(app, move |store| store.create_session(&session)).await?;
    let begun = app.conversations.begin(tenant.clone(), id.clone(), follows, turn).await;
    if begun.is_err() {
        with_store(app, move |store| store.delete_session(&tenant, &id)).await?;
    }
    Ok(begun?)
}

/// Where a question stands.
struct Place {
    /// `None`: in a session of its own.
    session: Option<SessionId>,
    follows: Follows,
    text: String,
    /// What is kept of the files of the turn that is answered anew.
    kept: Vec<Attachment>,
}

async fn place(app: &App, dialog: &str, asked: &Question) -> Result<Place, AskError> {
    let invalid = |detail: &str| Err(AskError::Invalid(detail.to_owned()));
    let text = asked.question.clone().unwrap_or_default();
    if text.len() > MOST_QUESTION {
        return invalid("`question` is too long; send what it is about as an attachment");
    }
    if let Some(id) = &asked.instead_of {
        if asked.parent.is_some() || asked.session.is_some() {
            return invalid("`instead_of` tells session and parent; leave these out");
        }
        let other = turn(app, id).await?;
        check_dialog(app, dialog, other.session.as_str()).await?;
        let follows = other.parent.map_or(Follows::Nothing, Follows::Turn);
        let text = if text.trim().is_empty() { other.question } else { text };
        let record: TurnRecord = serde_json::from_str(&other.record).unwrap_or_default();
        let kept = record.attachments;
        return Ok(Place { session: Some(other.session), follows, text, kept });
    }
    if text.trim().is_empty() {
        return invalid("`question` is missing or blank; write what you want to know");
    }
    let follows = match &asked.parent {
        None => Follows::Latest,
        Some(None) => Follows::Nothing,
        Some(Some(_)) if asked.session.is_none() => {
            return invalid("`parent` is a turn of a session; name that, too");
        }
        Some(Some(parent)) => Follows::Turn(id("turn", parent)?),
    };
    let session = match &asked.session {
        Some(session) => Some(check_dialog(app, dialog, session).await?.id),
        None => None,
    };
    Ok(Place { session, follows, text, kept: Vec::new() })
}

/// The session of that id, which must be with this dialog.
async fn check_dialog(app: &App, dialog: &str, session: &str) -> Result<Session, AskError> {
    let (tenant, id) = (app.tenant(), id::<SessionId>("session", session)?);
    let found = with_store(app, move |store| store.session(&tenant, &id)).await?;
    let found = found.ok_or_else(|| missing("session", session))?;
    if found.dialog == dialog {
        return Ok(found);
    }
    Err(AskError::Invalid(format!("the session is with the dialog `{}`", found.dialog)))
}

async fn turn(app: &App, asked: &str) -> Result<SavedTurn, AskError> {
    let (tenant, id) = (app.tenant(), id::<TurnId>("turn", asked)?);
    let found = with_store(app, move |store| store.turn(&tenant, &id)).await?;
    found.ok_or_else(|| missing("turn", asked))
}

fn id<I: std::str::FromStr>(what: &str, text: &str) -> Result<I, AskError> {
    text.parse().map_err(|_| missing(what, text))
}

fn missing(what: &str, id: &str) -> AskError {
    let id: String = id.chars().take(80).collect();
    AskError::NotFound(format!("there is no {what} `{id}`"))
}

async fn with_store<T: Send + 'static>(
    app: &App,
    work: impl FnOnce(&dyn ConversationStore) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, AskError> {
    let store = app.store.clone();
    let done = app.callers.run(move || work(&*store)).await;
    let done = done.map_err(|error| AskError::Failed(error.into()))?;
    done.map_err(|error| AskError::Failed(error.into()))
}

/// A session that begins now.
pub(crate) fn new_session(app: &App, dialog: String, called: &str) -> Session {
    let now = now();
    Session {
        id: SessionId::from_u128(Uuid::now_v7().as_u128()),
        tenant: app.tenant(),
        dialog,
        title: title(called),
        created_at: now,
        updated_at: now,
    }
}

/// Milliseconds since the epoch.
pub(crate) fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}

/// A title of these words: one line, not too long.
pub(crate) fn title(words: &str) -> String {
    let line = words.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MOST_TITLE) {
        Some((end, _)) => format!("{}…", line[..end].trim_end()),
        None => line,
    }
}

/// A turn as it is shown: what it is, and how its answer came about, in one object.
pub(crate) fn shown(turn: &SavedTurn) -> Value {
    let mut shown: Map<String, Value> = serde_json::from_str(&turn.record).unwrap_or_default();
    let Value::Object(own) = json!({
        "id": turn.id,
        "session": turn.session,
        "parent": turn.parent,
        "status": turn.status,
        "question": turn.question,
        "answer": turn.answer,
        "feedback": turn.feedback,
        "asked_at": turn.asked_at,
        "ended_at": turn.ended_at,
    }) else {
        return Value::Null;
    };
    shown.extend(own);
    Value::Object(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_are_one_short_line() {
        assert_eq!(title("  How\n hot? "), "How hot?");
        assert_eq!(title(&"ü".repeat(80)), "ü".repeat(80));
        assert_eq!(title(&"ü".repeat(81)), format!("{}…", "ü".repeat(80)));
    }
}

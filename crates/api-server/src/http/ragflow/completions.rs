//! Asking a chat: a turn of a session, whole or as events.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use async_stream::stream;
use axum::extract::Path;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use dialog_service::{ConversationError, DialogEvent, Follows, LiveTurn, Passage, TurnFailure};
use futures::{Stream, StreamExt};
use llm_core::Message;
use rag_core::Session;
use serde_json::{Value, json};
use service_guards::{HeldBody, Hold};

use super::asking::{MOST_QUESTION, Wishes};
use super::caller::RagflowCaller;
use super::chat_shape::Chat;
use super::chunk_shape::reference;
use super::envelope::{Refusal, data};
use super::fields::{Body, Fields};
use super::marked::{Marked, marked};
use super::schemas::Answer as AnswerOf;
use super::schemas::chats::{ChatAnswer, Question};
use super::{chats, sessions};
use crate::app::App;
use crate::http::schemas::events::AnswerEvent;
use crate::http::sse;

/// Asks the chat of the address. Text is cumulative unless said otherwise: this is the older address.
#[utoipa::path(
    post,
    path = "/api/v1/chats/{chat}/completions",
    request_body = Question,
    responses((status = 200, description = "The answer, whole or as it comes; or why there is none", content((AnswerOf<ChatAnswer> = "application/json"), (AnswerEvent = "text/event-stream")))),
)]
pub(super) async fn of_chat(
    app: App,
    caller: RagflowCaller,
    Path(chat): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Refusal> {
    let fields = Fields::read(&app, &headers, body).await?;
    ask(&app, &caller, &chat, fields, true).await
}

/// Asks the chat that the body names. Text comes in pieces unless said otherwise.
#[utoipa::path(
    post,
    path = "/api/v1/chat/completions",
    request_body = Question,
    responses((status = 200, description = "The answer, whole or as it comes; or why there is none", content((AnswerOf<ChatAnswer> = "application/json"), (AnswerEvent = "text/event-stream")))),
)]
pub(super) async fn of_body(
    app: App,
    caller: RagflowCaller,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Refusal> {
    let mut fields = Fields::read(&app, &headers, body).await?;
    match fields.verbatim("chat_id").filter(|id| !id.is_empty()) {
        Some(chat) => ask(&app, &caller, &chat, fields, false).await,
        None if fields.has("session_id") => {
            Err(Refusal::data("`chat_id` is required when `session_id` is provided."))
        }
        None => {
            Err(Refusal::data("`chat_id` is required; a model is asked at /v1/chat/completions"))
        }
    }
}

async fn ask(
    app: &App,
    caller: &RagflowCaller,
    chat: &str,
    mut fields: Fields,
    is_cumulative: bool,
) -> Result<Response, Refusal> {
    let (chat, _) = chats::find(app, caller, chat).await?;
    let question = question(&mut fields)?;
    let session = fields.verbatim("session_id").filter(|id| !id.is_empty());
    let is_streamed = fields.flag("stream").unwrap_or(true);
    let is_cumulative = fields.flag("legacy").unwrap_or(is_cumulative);
    let session = match session {
        Some(id) => Some(sessions::find(app, caller, &chat, &id).await?),
        None => None,
    };
    if question.trim().is_empty() {
        return match session {
            Some(_) => Err(Refusal::data("Please input your question.")),
            None => opening(app, caller, &chat, is_streamed).await,
        };
    }
    if question.len() > MOST_QUESTION {
        return Err(Refusal::argument(format!("`question` has {MOST_QUESTION} bytes at most")));
    }
    let wishes = Wishes::read(&mut fields, &chat)?;
    fields.finish()?;
    let quote = wishes.quote.unwrap_or(chat.note.quote);
    let turn = wishes.turn(app, &chat, vec![Message::user(&question)]).await?;
    let session = match session {
        Some(session) => session,
        None => sessions::begin(app, caller, &chat, &question).await?,
    };
    let tenant = caller.tenant.clone();
    let live = app.conversations.begin(tenant, session.id.clone(), Follows::Latest, turn).await;
    let live = live.map_err(refused)?;
    let answer = Answer { chat: chat.note.id.clone(), session, quote, is_cumulative };
    match is_streamed {
        true => Ok(streamed(app, live, answer)),
        false => whole(live, answer).await,
    }
}

/// The last of `messages`, or `question`.
fn question(fields: &mut Fields) -> Result<String, Refusal> {
    if let Some(question) = fields.verbatim("question") {
        return Ok(question);
    }
    let Some(Value::Array(messages)) = fields.any("messages") else { return Ok(String::new()) };
    let last = messages.last().unwrap_or(&Value::Null);
    if last["role"] != "user" {
        return Err(Refusal::data("The last content of this conversation is not from user."));
    }
    Ok(last["content"].as_str().unwrap_or_default().to_owned())
}

/// A session that begins without a question: what the chat opens with.
async fn opening(
    app: &App,
    caller: &RagflowCaller,
    chat: &Chat,
    is_streamed: bool,
) -> Result<Response, Refusal> {
    let session = sessions::begin(app, caller, chat, "New session").await?;
    let opened = json!({
        "answer": chat.settings.prologue,
        "reference": {},
        "audio_binary": null,
        "id": null,
        "session_id": session.id,
    });
    match is_streamed {
        false => Ok(data(opened)?.into_response()),
        true => Ok(sse::response(futures::stream::iter([frame(opened), frame(json!(true))]))),
    }
}

fn refused(error: ConversationError) -> Refusal {
    match error {
        ConversationError::Store(_) => Refusal::internal(&error.into()),
        error => Refusal::data(error.to_string()),
    }
}

/// What stays the same through an answer.
struct Answer {
    chat: String,
    session: Session,
    quote: bool,
    is_cumulative: bool,
}

impl Answer {
    fn event(&self, live: &LiveTurn, text: &str, reference: Value, is_final: bool) -> Value {
        json!({
            "answer": text,
            "reference": reference,
            "audio_binary": null,
            "prompt": "",
            "created_at": now(),
            "final": is_final,
            "id": live.id,
            "session_id": self.session.id,
            "chat_id": self.chat,
        })
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |age| age.as_secs_f64())
}

fn frame(data: Value) -> String {
    json!({ "code": 0, "message": "", "data": data }).to_string()
}

/// Waits for the answer.
async fn whole(live: Arc<LiveTurn>, answer: Answer) -> Result<Response, Refusal> {
    let mut events = std::pin::pin!(live.events(0));
    let (mut text, mut citations) = (String::new(), Vec::new());
    let mut passages: Arc<[Passage]> = Arc::new([]);
    let mut cited = Vec::new();
    while let Some(numbered) = events.next().await {
        match &numbered.event {
            Ok(DialogEvent::Retrieved { passages: found, .. }) => passages = found.clone(),
            Ok(DialogEvent::Delta { text: delta }) => text.push_str(delta),
            Ok(DialogEvent::Citation(citation)) => citations.push(citation.clone()),
            Ok(DialogEvent::Done(done)) => cited.clone_from(&done.cited),
            Ok(_) => {}
            Err(failure) => return Err(Refusal::new(500, failure.message.clone())),
        }
    }
    if answer.quote {
        text = marked(&text, &citations);
    }
    let reference = reference(&passages, &cited);
    Ok(data(answer.event(&live, &text, reference, true))?.into_response())
}

/// The answer as it comes. When its reader leaves, the turn goes on, and is kept.
fn streamed(app: &App, live: Arc<LiveTurn>, answer: Answer) -> Response {
    let place = app.metrics.live_stream();
    let response = sse::response(events(live, answer));
    response.map(|body| axum::body::Body::new(HeldBody::new(body).hold(place)))
}

fn events(live: Arc<LiveTurn>, answer: Answer) -> impl Stream<Item = String> + Send {
    stream! {
        let mut writer = Writer::new(&answer);
        let mut events = std::pin::pin!(live.events(0));
        while let Some(numbered) = events.next().await {
            for (text, marker) in writer.take(&numbered.event) {
                let mut event = answer.event(&live, &text, json!({ "chunks": [] }), false);
                if let Some(marker) = marker {
                    event[marker] = json!(true);
                }
                yield frame(event);
            }
            match &numbered.event {
                Ok(DialogEvent::Done(done)) => {
                    let reference = reference(&writer.passages, &done.cited);
                    yield frame(answer.event(&live, &writer.last(), reference, true));
                }
                Err(failure) => yield failed(failure),
                Ok(_) => {}
            }
        }
        yield frame(json!(true));
    }
}

/// How clients of this dialect are told of a failure half-way.
fn failed(failure: &TurnFailure) -> String {
    let message = &failure.message;
    let data = json!({ "answer": format!("**ERROR**: {message}"), "reference": [] });
    json!({ "code": 500, "message": message, "data": data }).to_string()
}

/// Turns events into what is said next.
struct Writer {
    marked: Marked,
    /// The answer so far, where each event says all of it.
    whole: Option<String>,
    thinks: bool,
    passages: Arc<[Passage]>,
}

/// Text, and the marker that the event carries.
type Said = (String, Option<&'static str>);

impl Writer {
    fn new(answer: &Answer) -> Self {
        Self {
            marked: Marked::new(answer.quote),
            whole: answer.is_cumulative.then(String::new),
            thinks: false,
            passages: Arc::new([]),
        }
    }

    fn take(&mut self, event: &Result<DialogEvent, TurnFailure>) -> Vec<Said> {
        match event {
            Ok(DialogEvent::Retrieved { passages, .. }) => {
                self.passages = passages.clone();
                Vec::new()
            }
            Ok(DialogEvent::Reasoning(delta)) => {
                let mut said = self.thinking(true);
                said.extend(self.say(&delta.text));
                said
            }
            Ok(DialogEvent::Delta { text }) => {
                let mut said = self.thinking(false);
                self.marked.text(text);
                said.extend(self.say(text));
                said
            }
            Ok(DialogEvent::Citation(citation)) => {
                let marker = self.marked.citation(citation);
                marker.map_or_else(Vec::new, |marker| self.say(&marker))
            }
            Ok(_) => Vec::new(),
            Err(_) => self.thinking(false),
        }
    }

    /// Begins or ends reasoning: as a mark of the event, or, where text is cumulative, as a tag in it.
    fn thinking(&mut self, thinks: bool) -> Vec<Said> {
        if self.thinks == thinks {
            return Vec::new();
        }
        self.thinks = thinks;
        let (tag, marker) = match thinks {
            true => ("<think>", "start_to_think"),
            false => ("</think>", "end_to_think"),
        };
        match &mut self.whole {
            Some(whole) => {
                whole.push_str(tag);
                Vec::new()
            }
            None => vec![(String::new(), Some(marker))],
        }
    }

    fn say(&mut self, text: &str) -> Vec<Said> {
        if text.is_empty() {
            return Vec::new();
        }
        match &mut self.whole {
            Some(whole) => {
                whole.push_str(text);
                vec![(whole.clone(), None)]
            }
            None => vec![(text.to_owned(), None)],
        }
    }

    /// What the last event says.
    fn last(&self) -> String {
        self.whole.clone().unwrap_or_default()
    }
}

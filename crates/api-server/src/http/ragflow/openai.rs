//! A chat behind OpenAI's chat completions. No session is kept.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use async_stream::stream;
use axum::Json;
use axum::extract::Path;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use dialog_service::{DialogError, DialogEvent, Passage, TurnFailure};
use futures::{Stream, StreamExt};
use llm_core::{FinishReason, Message, Usage};
use serde_json::{Value, json};
use service_guards::{HeldBody, Hold};

use super::asking::Wishes;
use super::caller::RagflowCaller;
use super::chats;
use super::chunk_shape::reference;
use super::envelope::Refusal;
use super::fields::{Body, Fields};
use super::marked::{Marked, marked};
use super::metadata_condition;
use super::model_names;
use super::schemas::chats::{CompletionAnswer, CompletionRequest};
use crate::app::App;
use crate::http::schemas::events::AnswerEvent;
use crate::http::sse;

/// Answers the conversation of the body.
#[utoipa::path(
    post,
    path = "/api/v1/openai/{chat}/chat/completions",
    request_body = CompletionRequest,
    responses((status = 200, description = "The answer, whole or as it comes; or why there is none", content((CompletionAnswer = "application/json"), (AnswerEvent = "text/event-stream")))),
)]
pub(super) async fn completions(
    app: App,
    caller: RagflowCaller,
    Path(chat): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Refusal> {
    let mut fields = Fields::read(&app, &headers, body).await?;
    let model = fields.verbatim("model");
    let messages = fields.any("messages");
    let (Some(model), Some(messages)) = (model, messages) else {
        return Err(Refusal::argument("required argument are missing: model,messages; "));
    };
    let (chat, _) = chats::find(&app, &caller, &chat).await?;
    let messages = conversation(&messages)?;
    let is_streamed = fields.flag("stream").unwrap_or(false);
    let extra = fields.object("extra_body").unwrap_or_default();
    let mut extra = Fields::of(extra, "extra_body");
    let quote = fields.flag("reference").or_else(|| extra.flag("reference")).unwrap_or(false);
    let condition = extra.any("metadata_condition");
    let mut wishes = Wishes::read(&mut fields, &chat)?;
    if let Some(condition) = condition {
        wishes.metadata = metadata_condition::read(&condition)?;
    }
    if model != "model" && !model.is_empty() {
        // A name that leads nowhere is a habit of clients that must send one.
        let named = model_names::ours(&model);
        wishes.choice.model = app.bundle.chat_model(&named).is_ok().then_some(named);
    }
    fields.finish()?;
    extra.finish()?;
    let turn = wishes.turn(&app, &chat, messages).await?;
    let name = turn.model.info().name.to_string();
    let events = app.dialogs.answer(turn);
    let completion = Completion { id: format!("chatcmpl-{}", chat.note.id), model: name, quote };
    match is_streamed {
        true => {
            let place = app.metrics.live_stream();
            let response = sse::response(completion.streamed(events));
            Ok(response.map(|body| axum::body::Body::new(HeldBody::new(body).hold(place))))
        }
        false => completion.whole(events).await,
    }
}

/// The user's and the assistant's words; system messages are the chat's matter.
fn conversation(messages: &Value) -> Result<Vec<Message>, Refusal> {
    let list = messages.as_array().filter(|list| !list.is_empty());
    let list = list.ok_or_else(|| Refusal::data("You have to provide messages."))?;
    let mut conversation = Vec::new();
    for message in list {
        let text = match &message["content"] {
            Value::String(text) => text.clone(),
            Value::Array(parts) => {
                let texts = parts.iter().filter_map(|part| part["text"].as_str());
                texts.collect::<Vec<_>>().join("\n")
            }
            _ => String::new(),
        };
        match message["role"].as_str() {
            Some("user") => conversation.push(Message::user(text)),
            Some("assistant") if !conversation.is_empty() => {
                conversation.push(Message::assistant(text));
            }
            _ => {}
        }
    }
    match list.last().map(|last| last["role"] == "user") {
        Some(true) => Ok(conversation),
        _ => Err(Refusal::data("The last content of this conversation is not from user.")),
    }
}

/// One answer.
struct Completion {
    id: String,
    model: String,
    quote: bool,
}

impl Completion {
    async fn whole(
        self,
        events: impl Stream<Item = Result<DialogEvent, DialogError>>,
    ) -> Result<Response, Refusal> {
        let mut events = std::pin::pin!(events);
        let (mut text, mut citations, mut reasoning) = (String::new(), Vec::new(), String::new());
        let mut passages: Arc<[Passage]> = Arc::new([]);
        let mut end = None;
        while let Some(event) = events.next().await {
            match event.map_err(|error| failed(&error))? {
                DialogEvent::Retrieved { passages: found, .. } => passages = found,
                DialogEvent::Delta { text: delta } => text.push_str(&delta),
                DialogEvent::Reasoning(delta) => reasoning.push_str(&delta.text),
                DialogEvent::Citation(citation) => citations.push(citation),
                DialogEvent::Done(done) => end = Some(done),
                _ => {}
            }
        }
        let end = end.ok_or_else(|| Refusal::new(500, "the answer has no end"))?;
        let mut message = json!({ "role": "assistant", "content": text });
        if self.quote {
            message["content"] = json!(marked(&text, &citations));
            message["reference"] = reference(&passages, &end.cited)["chunks"].take();
        }
        if !reasoning.is_empty() {
            message["reasoning_content"] = json!(reasoning);
        }
        let reason = finish(end.finish);
        let choice =
            json!({ "index": 0, "message": message, "finish_reason": reason, "logprobs": null });
        let mut body = self.body("chat.completion", choice);
        body["usage"] = usage(&end.usage);
        Ok(Json(body).into_response())
    }

    fn streamed(
        self,
        events: impl Stream<Item = Result<DialogEvent, DialogError>> + Send,
    ) -> impl Stream<Item = String> + Send {
        stream! {
            let mut events = std::pin::pin!(events);
            let mut shown = Marked::new(self.quote);
            let (mut whole, mut passages): (String, Arc<[Passage]>) = (String::new(), Arc::new([]));
            while let Some(event) = events.next().await {
                match event {
                    Ok(DialogEvent::Retrieved { passages: found, .. }) => passages = found,
                    Ok(DialogEvent::Delta { text }) => {
                        shown.text(&text);
                        whole.push_str(&text);
                        yield self.piece("content", &text);
                    }
                    Ok(DialogEvent::Reasoning(delta)) => {
                        yield self.piece("reasoning_content", &delta.text);
                    }
                    Ok(DialogEvent::Citation(citation)) => {
                        if let Some(marker) = shown.citation(&citation) {
                            whole.push_str(&marker);
                            yield self.piece("content", &marker);
                        }
                    }
                    Ok(DialogEvent::Done(done)) => {
                        let mut delta = json!({ "role": "assistant", "content": null });
                        if self.quote {
                            delta["reference"] = reference(&passages, &done.cited)["chunks"].take();
                            delta["final_content"] = json!(whole);
                        }
                        let reason = finish(done.finish);
                        let choice = json!({ "index": 0, "delta": delta, "finish_reason": reason });
                        let mut body = self.body("chat.completion.chunk", choice);
                        body["usage"] = usage(&done.usage);
                        yield body.to_string();
                    }
                    Ok(_) => {}
                    Err(error) => {
                        let message = failed(&error).message().to_owned();
                        yield json!({ "error": { "message": message, "type": "api_error" } })
                            .to_string();
                    }
                }
            }
            yield "[DONE]".to_owned();
        }
    }

    fn piece(&self, field: &str, text: &str) -> String {
        let mut delta = json!({ "role": "assistant" });
        delta[field] = json!(text);
        let choice = json!({ "index": 0, "delta": delta, "finish_reason": null });
        self.body("chat.completion.chunk", choice).to_string()
    }

    fn body(&self, object: &str, choice: Value) -> Value {
        let created = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |age| age.as_secs());
        json!({
            "id": self.id,
            "object": object,
            "created": created,
            "model": self.model,
            "choices": [choice],
        })
    }
}

fn failed(error: &DialogError) -> Refusal {
    Refusal::new(500, TurnFailure::from(error).message)
}

fn finish(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Length => "length",
        FinishReason::ContentFilter | FinishReason::Refusal => "content_filter",
        FinishReason::ToolCalls => "tool_calls",
        _ => "stop",
    }
}

fn usage(usage: &Usage) -> Value {
    let (input, output) = (usage.input_tokens.unwrap_or(0), usage.output_tokens.unwrap_or(0));
    json!({
        "prompt_tokens": input,
        "completion_tokens": output,
        "total_tokens": input + output,
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning_tokens.unwrap_or(0),
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    })
}

//! Questions to chats as turns of ours.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use dialog_service::{Dialog, Turn};
use llm_core::{ChatRequest, Message};
use rag_core::{DocumentId, MetadataFilter, TurnId};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::chat_shape::Chat;
use super::envelope::Refusal;
use super::fields::Fields;
use super::{metadata_condition, model_names};
use crate::app::App;
use crate::dialogs::{self, Choice};

/// The longest question, in bytes.
pub(super) const MOST_QUESTION: usize = 256 << 10;

/// What a request says of one question besides the question.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    pub(super) choice: Choice,
    pub(super) metadata: Option<MetadataFilter>,
    pub(super) request: ChatRequest,
    /// Whether citations are shown; `None`: as the chat says.
    pub(super) quote: Option<bool>,
}

impl Wishes {
    /// Reads what is to be known; what is named as one of the chat's variables is its value.
    pub(super) fn read(fields: &mut Fields, chat: &Chat) -> Result<Self, Refusal> {
        let mut request = ChatRequest::default();
        request.sampling.temperature = fields.number("temperature", 0.0..=2.0);
        request.sampling.top_p = fields.number("top_p", 0.0..=1.0);
        request.sampling.frequency_penalty = fields.number("frequency_penalty", -2.0..=2.0);
        request.sampling.presence_penalty = fields.number("presence_penalty", -2.0..=2.0);
        let most = fields.whole("max_tokens", 1..=i64::from(u32::MAX));
        request.max_output_tokens = most.and_then(|most| u32::try_from(most).ok());
        let model = fields.text("llm_id", 0..=255).filter(|name| !name.is_empty());
        let metadata = match fields.any("metadata_condition") {
            Some(condition) => metadata_condition::read(&condition)?,
            None => None,
        };
        let documents = documents(fields)?;
        let quote = fields.flag("quote");
        let given = fields.rest();
        let names = chat.settings.parameters.iter().map(|parameter| &parameter.name);
        let parameters: BTreeMap<String, String> =
            names.filter_map(|name| Some((name.clone(), text(given.get(name)?)?))).collect();
        let lacks =
            |name: &str| Refusal::new(Refusal::EXCEPTION, format!("Miss parameter: {name}"));
        let required = chat.settings.parameters.iter().filter(|it| it.default.is_none());
        if let Some(missing) = required.map(|it| &it.name).find(|it| !parameters.contains_key(*it))
        {
            return Err(lacks(missing));
        }
        let model = model.map(|name| model_names::ours(&name));
        let choice = Choice { model, documents, parameters, ..Choice::default() };
        Ok(Self { choice, metadata, request, quote })
    }

    /// The turn of this chat that answers the conversation.
    pub(super) async fn turn(
        self,
        app: &App,
        chat: &Chat,
        messages: Vec<Message>,
    ) -> Result<Turn, Refusal> {
        let request = ChatRequest { messages, ..self.request };
        let turn = dialogs::turn(app.clone(), &app.bundle, chat.name.clone(), request, self.choice);
        let mut turn = turn.await?;
        if let Some(condition) = self.metadata {
            let both = turn.dialog.metadata.take().into_iter().chain([condition]);
            turn.dialog.metadata = Some(MetadataFilter::All(both.collect()));
        }
        Ok(turn)
    }
}

/// The documents that are meant: a list, or a text with commas; none of them is no restriction.
fn documents(fields: &mut Fields) -> Result<Option<Vec<DocumentId>>, Refusal> {
    let ids: Vec<String> = match fields.any("doc_ids") {
        None => return Ok(None),
        Some(Value::String(text)) => {
            text.split(',').map(|id| id.trim().to_owned()).filter(|id| !id.is_empty()).collect()
        }
        Some(Value::Array(items)) => items.iter().filter_map(text).collect(),
        Some(other) => {
            fields.wrong("doc_ids", "Input should be a valid string", &other);
            return Ok(None);
        }
    };
    let ids: Result<Vec<DocumentId>, _> = ids.iter().map(|id| id.parse()).collect();
    let ids = ids.map_err(|error| Refusal::argument(error.to_string()))?;
    Ok(Some(ids).filter(|ids| !ids.is_empty()))
}

/// A value as it stands in a prompt.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// A turn of no chat, for asking the default model something on the side.
pub(super) async fn aside(app: &App, dialog: Dialog, question: String) -> Result<Turn, Refusal> {
    let bundle = app.bundle.clone();
    let trail = bundle.trail().cloned().unwrap_or_default();
    let bundle = bundle.with_trail(trail.clone());
    Ok(Turn {
        id: TurnId::from_u128(Uuid::now_v7().as_u128()),
        asked_at: SystemTime::now(),
        messages: vec![Message::user(question)],
        attachments: Vec::new(),
        model: app.chat_model_of(&bundle, None).await?,
        request: ChatRequest::default(),
        dialog,
        trail,
        embedders: None,
        trace: Arc::default(),
        stop: CancellationToken::new(),
    })
}

//! Dialogs over datasets, and how they look as chat models.

use std::sync::Arc;
use std::time::SystemTime;

use dialog_service::{Citation, Dialog, DialogError, DialogEvent, Passage, Turn};
use futures::{Stream, StreamExt};
use llm_bundle::Bundle;
use llm_core::{
    Annotation, ChatEvent, ChatReply, ChatRequest, ErrorKind, ModelError, Operation, Warning,
};
use rag_core::{DocumentId, MetadataStore, TenantId, TurnId};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::app::App;

/// A model of this prefix is a dialog over the dataset of the name that follows.
pub(crate) const PREFIX: &str = "dialog/";

/// The dialog that a request names, if it names one.
pub(crate) fn named(request: &ChatRequest) -> Option<String> {
    request.model.strip_prefix(PREFIX).map(str::to_owned)
}

/// A turn of the dialog `name` that answers the request's conversation with a model of `bundle`.
pub(crate) async fn turn(
    app: Arc<App>,
    bundle: &Bundle,
    name: String,
    request: ChatRequest,
) -> Result<Turn, ModelError> {
    turn_over(app, bundle, name, request, None, None).await
}

/// As [`turn`], over some of the documents only, and with a model of the caller's choice.
pub(crate) async fn turn_over(
    app: Arc<App>,
    bundle: &Bundle,
    name: String,
    mut request: ChatRequest,
    documents: Option<Vec<DocumentId>>,
    model: Option<String>,
) -> Result<Turn, ModelError> {
    let (asked, store) = (name.clone(), app.store.clone());
    let found = app
        .on_thread(Operation::Chat, move || store.dataset(&TenantId::local(), &asked))
        .await?
        .map_err(|error| {
            ModelError::new(ErrorKind::Internal, Operation::Chat, error.to_string())
                .with_source(error)
        })?;
    let dataset = found.ok_or_else(|| {
        let message = format!("there is no dialog `{name}`; GET /v1/models lists them");
        ModelError::new(ErrorKind::NotFound, Operation::Chat, message).with_param("model")
    })?;
    let trail = bundle.trail().cloned().unwrap_or_default();
    let bundle = bundle.clone().with_trail(trail.clone());
    let model = app.chat_model_of(&bundle, model.as_deref()).await?;
    let settings = &app.config.dialog;
    let dialog = Dialog {
        datasets: vec![dataset],
        documents,
        top: settings.top,
        vector_weight: settings.vector_weight,
        threshold: settings.threshold,
        instructions: settings.instructions.clone(),
        empty_response: Some(settings.empty_response.clone())
            .filter(|text| !text.trim().is_empty()),
        rewrite: settings.rewrite,
        keywords: settings.keywords,
        languages: settings.languages.clone(),
        deadline: settings.deadline(),
        ..Dialog::default()
    };
    let messages = std::mem::take(&mut request.messages);
    Ok(Turn {
        id: TurnId::from_u128(Uuid::now_v7().as_u128()),
        asked_at: SystemTime::now(),
        messages,
        model,
        request,
        dialog,
        trail,
        stop: CancellationToken::new(),
    })
}

/// A turn's events as those of a chat model; citations become annotations.
pub(crate) fn as_chat(
    events: impl Stream<Item = Result<DialogEvent, DialogError>> + Send + 'static,
) -> ChatReply {
    let mut passages: Arc<[Passage]> = Arc::new([]);
    ChatReply::new(events.flat_map(move |event| {
        let translated = match event {
            Ok(DialogEvent::Retrieved { passages: found, .. }) => {
                passages = found;
                Vec::new()
            }
            Ok(event) => chat_events(event, &passages).into_iter().map(Ok).collect(),
            Err(error) => vec![Err(model_error(error))],
        };
        futures::stream::iter(translated)
    }))
}

fn chat_events(event: DialogEvent, passages: &[Passage]) -> Vec<ChatEvent> {
    match event {
        DialogEvent::Delta { text } => vec![ChatEvent::text(text)],
        DialogEvent::Reasoning(delta) => vec![ChatEvent::Reasoning(delta)],
        DialogEvent::Tool(delta) => vec![ChatEvent::ToolCall(delta)],
        DialogEvent::Annotation(annotation) => {
            vec![ChatEvent::Annotation { choice: 0, annotation }]
        }
        DialogEvent::Citation(citation) => {
            let Some(passage) = passages.get(citation.passage) else { return Vec::new() };
            let annotation = Annotation::Other { value: file_citation(&citation, passage) };
            vec![ChatEvent::Annotation { choice: 0, annotation }]
        }
        DialogEvent::Warning { message } => {
            vec![ChatEvent::Warning(Warning { code: "dialog".into(), param: None, message })]
        }
        DialogEvent::Done(done) => vec![
            ChatEvent::Usage(done.usage),
            ChatEvent::Finished { choice: 0, reason: done.finish, raw: None },
        ],
        _ => Vec::new(),
    }
}

/// A citation in the shape of OpenAI's annotations, with what theirs lack.
fn file_citation(citation: &Citation, passage: &Passage) -> serde_json::Value {
    let chunk = &passage.chunk;
    let heading = (!chunk.headings.is_empty()).then(|| chunk.headings.join(" › "));
    json!({
        "type": "file_citation",
        "file_citation": {
            "index": citation.passage,
            "file_id": chunk.document,
            "chunk_id": chunk.id,
            "filename": passage.document_name,
            "page": citation.page,
            "heading": heading,
            "quote": citation.quote,
            "start_index": citation.answer.start,
            "end_index": citation.answer.end,
            "source_start": citation.source.start,
            "source_end": citation.source.end,
            "support": citation.support,
        },
    })
}

fn model_error(error: DialogError) -> ModelError {
    let kind = match error {
        DialogError::Model(error) => return error,
        DialogError::Invalid(reason) => {
            return ModelError::new(ErrorKind::InvalidRequest, Operation::Chat, reason)
                .with_param("messages");
        }
        DialogError::Deadline { .. } => ErrorKind::Timeout,
        DialogError::Stopped => ErrorKind::Cancelled,
        _ => ErrorKind::Internal,
    };
    tracing::error!(error = &error as &dyn std::error::Error, "a turn failed");
    ModelError::new(kind, Operation::Chat, error.to_string()).with_source(error)
}

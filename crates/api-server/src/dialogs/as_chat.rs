//! How dialogs look as chat models.

use std::sync::Arc;

use dialog_service::{Citation, DialogError, DialogEvent, Passage};
use futures::{Stream, StreamExt};
use llm_core::{Annotation, ChatEvent, ChatReply, ErrorKind, ModelError, Operation, Warning};
use serde_json::json;

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
            let value = match &passage.url {
                Some(url) => url_citation(&citation, passage, url),
                None => file_citation(&citation, passage),
            };
            let annotation = Annotation::Other { value };
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

/// A citation of a page of the web in the shape of OpenAI's annotations, with what theirs lack.
fn url_citation(citation: &Citation, passage: &Passage, url: &str) -> serde_json::Value {
    json!({
        "type": "url_citation",
        "url_citation": {
            "index": citation.passage,
            "url": url,
            "title": passage.document_name,
            "quote": citation.quote,
            "start_index": citation.answer.start,
            "end_index": citation.answer.end,
            "support": citation.support,
        },
    })
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

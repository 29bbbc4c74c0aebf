//! `ask`: an answer with its citations.

use std::fmt::Write;

use dialog_service::{Citation, DialogEvent, Recorder, Turn, TurnFailure, TurnRecord};
use futures::StreamExt;
use llm_core::{ChatRequest, Message};
use rmcp::model::{ProgressNotificationParam, ProgressToken};
use rmcp::service::{Peer, RequestContext, RoleServer};
use serde::Deserialize;
use serde_json::{Value, json};

use super::documents::all_datasets;
use super::reply::{Failure, Reply};
use crate::app::App;
use crate::conversations::MOST_QUESTION;
use crate::dialogs::{self, Choice, DialogSettings};

/// The question, and what to answer it from.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    question: String,
    dialog: Option<String>,
    datasets: Option<Vec<String>>,
    model: Option<String>,
}

/// Answers. A client that wants to know hears of each step.
///
/// # Errors
/// What is wrong with the arguments; the turn's.
pub(super) async fn ask(
    app: &App,
    asked: Asked,
    context: &RequestContext<RoleServer>,
) -> Result<Reply, Failure> {
    if asked.question.trim().is_empty() || asked.question.len() > MOST_QUESTION {
        return Err(Failure::new(format!("`question` has 1 to {MOST_QUESTION} bytes")));
    }
    let mut turn = turn(app, asked).await?;
    // What would cost calls, and has no place in a tool's result.
    (turn.dialog.speech, turn.dialog.related, turn.dialog.mind_map) = (None, false, false);
    turn.stop = app.shutdown.cut.child_token();
    let mut recorder = Recorder::new(&turn.attachments);
    let mut progress = Progress::of(context);
    let _live = app.metrics.live_stream();
    let mut answer = app.dialogs.answer(turn).boxed();
    while let Some(event) = answer.next().await {
        if let Ok(event) = &event {
            progress.tell(event).await;
        }
        let event = event.map_err(|error| TurnFailure::from(&error));
        recorder.take(&event);
        if let Err(failure) = event {
            return Err(Failure::new(failure.message));
        }
    }
    Ok(reply(recorder.answer(), recorder.record()))
}

/// A turn of the dialog of that name, or of one over these datasets, or over all.
async fn turn(app: &App, asked: Asked) -> Result<Turn, Failure> {
    let request =
        ChatRequest { messages: vec![Message::user(&asked.question)], ..ChatRequest::default() };
    let choice = Choice { model: asked.model, ..Choice::default() };
    let datasets = match (asked.dialog, asked.datasets) {
        (Some(_), Some(_)) => {
            return Err(Failure::new("give a `dialog` or `datasets`, not both"));
        }
        (Some(name), None) => {
            return Ok(dialogs::turn(app.clone(), &app.bundle, name, request, choice).await?);
        }
        (None, Some(datasets)) => datasets,
        (None, None) => all_datasets(app).await?.into_iter().map(|dataset| dataset.name).collect(),
    };
    if datasets.is_empty() {
        return Err(Failure::new("there are no datasets to answer from"));
    }
    let settings = DialogSettings { datasets, ..DialogSettings::default() };
    settings.check().map_err(Failure::new)?;
    let found = dialogs::unnamed(app, settings).await?;
    Ok(dialogs::turn_of(app, &app.bundle, found, request, choice).await?)
}

fn reply(answer: &str, record: &TurnRecord) -> Reply {
    let citations: Vec<Value> =
        record.citations.iter().filter_map(|citation| shown(citation, record)).collect();
    Reply {
        text: text(answer, record),
        data: json!({
            "answer": answer,
            "citations": citations,
            "model": record.model,
            "finish_reason": record.done.as_ref().map(|done| done.finish.as_openai()),
            "warnings": record.warnings,
        }),
    }
}

fn shown(citation: &Citation, record: &TurnRecord) -> Option<Value> {
    let passage = record.passages.get(citation.passage)?;
    Some(json!({
        "document": passage.chunk.document,
        "document_name": passage.document_name,
        "url": passage.url,
        "passage": passage.chunk.ordinal,
        "page": citation.page,
        "headings": passage.chunk.headings,
        "quote": citation.quote,
        "start": citation.answer.start,
        "end": citation.answer.end,
        "support": citation.support,
    }))
}

/// The answer, and under it what it rests on.
fn text(answer: &str, record: &TurnRecord) -> String {
    let mut text = answer.to_owned();
    let mut told = Vec::new();
    for citation in &record.citations {
        let Some(passage) = record.passages.get(citation.passage) else { continue };
        let source = format!("{}: “{}”", passage.location_on(citation.page), citation.quote);
        if told.contains(&source) {
            continue;
        }
        // Writing to memory does not fail.
        let _ = match told.is_empty() {
            true => write!(text, "\n\nSources:\n- {source}"),
            false => write!(text, "\n- {source}"),
        };
        told.push(source);
    }
    text
}

/// Tells a client that wants to know how far a turn is.
struct Progress<'a> {
    wanted: Option<(ProgressToken, &'a Peer<RoleServer>)>,
    steps: f64,
    is_answering: bool,
}

impl<'a> Progress<'a> {
    fn of(context: &'a RequestContext<RoleServer>) -> Self {
        let token = context.meta.get_progress_token();
        let wanted = token.map(|token| (token, &context.peer));
        Self { wanted, steps: 0.0, is_answering: false }
    }

    async fn tell(&mut self, event: &DialogEvent) {
        let message = match event {
            DialogEvent::Question { text, .. } => format!("searching for: {text}"),
            DialogEvent::Retrieved { passages, .. } => format!("{} passages found", passages.len()),
            DialogEvent::ToolCalled { call } => format!("running {}", call.name),
            DialogEvent::Delta { .. } if !std::mem::replace(&mut self.is_answering, true) => {
                "answering".into()
            }
            _ => return,
        };
        let Some((token, peer)) = &self.wanted else { return };
        self.steps += 1.0;
        let told = ProgressNotificationParam::new(token.clone(), self.steps).with_message(message);
        // Who does not hear it has left, which ends the call by itself.
        let _ = peer.notify_progress(told).await;
    }
}

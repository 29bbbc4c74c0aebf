//! `ask`

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use futures::StreamExt;
use llm_core::{ChatRequest, Message};
use rag_core::DocumentId;
use serde_json::json;

use super::answer_text::AnswerText;
use super::progress::with_progress;
use crate::app::App;
use crate::cli::AskArgs;
use crate::config::{Config, Environment};
use crate::{causes_line, dialogs, ingest};

/// Answers one question. With `--docs`, what changed there is ingested first, and only those documents are used.
pub(crate) async fn ask(
    args: AskArgs,
    config: Config,
    environment: Environment,
) -> Result<ExitCode> {
    let app = App::open(config, &environment).await?;
    let answered = tokio::select! {
        answered = answer(&app, args) => answered,
        _ = tokio::signal::ctrl_c() => Ok(ExitCode::FAILURE),
    };
    app.close().await;
    answered
}

async fn answer(app: &App, args: AskArgs) -> Result<ExitCode> {
    let documents = documents(app, &args).await?;
    let request = ChatRequest::new(vec![Message::user(args.question)]);
    let choice = dialogs::Choice { model: args.model, documents, ..Default::default() };
    let turn = dialogs::turn(app.clone(), &app.bundle, args.dataset, request, choice).await?;
    let mut events = std::pin::pin!(app.dialogs.answer(turn));
    let mut out = std::io::stdout().lock();
    if !args.json {
        let mut text = AnswerText::new(out);
        while let Some(event) = events.next().await {
            text.event(event?)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => writeln!(out, "{}", serde_json::to_string(&event)?)?,
            Err(error) => {
                let message = causes_line(&error);
                writeln!(out, "{}", json!({ "type": "error", "message": message }))?;
                return Ok(ExitCode::FAILURE);
            }
        }
        out.flush()?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The documents below `--docs`, ingested where that is needed; `None` for the whole dataset.
async fn documents(app: &App, args: &AskArgs) -> Result<Option<Vec<DocumentId>>> {
    let ingested = with_progress(app, ingest(app, &args.dataset, &args.docs)).await?;
    for (name, reason) in &ingested.failed {
        eprintln!("not ingested: {name}: {reason}");
    }
    if args.docs.is_empty() {
        return Ok(None);
    }
    let nothing = "none of the named documents can be read; see the reasons above";
    anyhow::ensure!(!ingested.documents.is_empty(), nothing);
    Ok(Some(ingested.documents))
}

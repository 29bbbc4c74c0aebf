//! `check`

use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures::{StreamExt, stream};
use llm_core::{ChatRequest, ChatResponse, ErrorKind, Message, ModelError, Operation};
use serde_json::json;

use crate::app::App;
use crate::cli::CheckArgs;
use crate::config::{Config, Environment};
use crate::providers::Provider;
use crate::setup::first_chat_model;

/// Who has not answered by then is out of reach.
const PATIENCE: Duration = Duration::from_secs(30);

/// Providers that are asked at once.
const AT_ONCE: usize = 8;

/// Tokens of an answer: enough for a word, also with some reasoning before it.
const MOST_TOKENS: u32 = 64;

/// Reads the configuration, and asks each provider for one cheap answer. Leaves the data directory alone, so that it runs
/// beside a server.
pub(crate) async fn check(
    args: CheckArgs,
    mut config: Config,
    environment: Environment,
) -> Result<ExitCode> {
    let directory = tempfile::tempdir().context("making a directory for the time of the check")?;
    config.server.data_dir = directory.path().to_owned();
    let app = App::open(config, &environment).await?;
    if !args.json {
        println!("the configuration can be read");
    }
    let mut answers = stream::iter(app.setup.providers.iter().map(|provider| ask(&app, provider)))
        .buffered(AT_ONCE);
    let (mut asked, mut failed) = (0, 0);
    while let Some(answer) = answers.next().await {
        asked += 1;
        failed += usize::from(answer.outcome.is_err());
        answer.print(args.json)?;
    }
    drop(answers);
    if asked == 0 && !args.json {
        println!("no provider is set up; questions are answered by local/extractive, which quotes");
    }
    app.close().await;
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// How a provider answered.
struct Answer {
    provider: String,
    key_source: String,
    /// The model that answered, or why none did.
    outcome: Result<String, ModelError>,
    took: Duration,
}

async fn ask(app: &App, provider: &Provider) -> Answer {
    let began = Instant::now();
    let outcome = tokio::time::timeout(PATIENCE, ask_model(app, provider)).await;
    let outcome = outcome.unwrap_or_else(|_| {
        let message = format!("there was no answer within {} s", PATIENCE.as_secs());
        Err(ModelError::new(ErrorKind::Timeout, Operation::Chat, message).at(&provider.name, ""))
    });
    Answer {
        provider: provider.name.clone(),
        key_source: provider.key_source.clone(),
        outcome,
        took: began.elapsed(),
    }
}

/// The name of the model that answered.
async fn ask_model(app: &App, provider: &Provider) -> Result<String, ModelError> {
    let name = first_chat_model(provider).await?;
    let request = ChatRequest {
        max_output_tokens: Some(MOST_TOKENS),
        ..ChatRequest::new(vec![Message::user("Reply with the word: ready")])
    };
    let reply = app.bundle.chat_model(&name)?.chat(request).await?;
    ChatResponse::collect(reply).await?;
    Ok(name)
}

impl Answer {
    fn print(&self, as_json: bool) -> Result<()> {
        let mut stdout = std::io::stdout().lock();
        let Self { provider, key_source, outcome, took } = self;
        let milliseconds = took.as_secs_f64() * 1e3;
        if as_json {
            let line = json!({
                "provider": provider, "key": key_source, "milliseconds": milliseconds,
                "model": outcome.as_ref().ok(),
                "error": outcome.as_ref().err().map(ToString::to_string),
            });
            writeln!(stdout, "{line}")?;
            return Ok(());
        }
        match outcome {
            Ok(model) => {
                writeln!(stdout, "{model} answered in {milliseconds:.0} ms ({key_source})")?
            }
            Err(error) => writeln!(stdout, "{provider} did not answer: {error} ({key_source})")?,
        }
        Ok(())
    }
}

//! `check`

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result};
use futures::{StreamExt, stream};
use serde_json::json;

use crate::app::App;
use crate::cli::CheckArgs;
use crate::config::{Config, Environment};
use crate::providers::Provider;
use crate::trial::{Trial, trial};

/// Providers that are asked at once.
const AT_ONCE: usize = 8;

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
        writeln!(std::io::stdout(), "the configuration can be read")?;
    }
    let mut answers = stream::iter(app.setup.providers.iter().map(|provider| ask(&app, provider)))
        .buffered(AT_ONCE);
    let (mut asked, mut failed) = (0, 0);
    while let Some(answer) = answers.next().await {
        asked += 1;
        failed += usize::from(answer.trial.outcome.is_err());
        answer.print(args.json)?;
    }
    drop(answers);
    if asked == 0 && !args.json {
        let quotes = "questions are answered by local/extractive, which quotes";
        writeln!(std::io::stdout(), "no provider is set up; {quotes}")?;
    }
    app.close().await;
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// How a provider answered.
struct Answer {
    provider: String,
    key_source: String,
    trial: Trial,
}

async fn ask(app: &App, provider: &Provider) -> Answer {
    Answer {
        provider: provider.name.clone(),
        key_source: provider.key_source.clone(),
        trial: trial(&app.bundle, provider, None).await,
    }
}

impl Answer {
    fn print(&self, as_json: bool) -> Result<()> {
        let mut stdout = std::io::stdout().lock();
        let Self { provider, key_source, trial: Trial { outcome, took } } = self;
        let milliseconds = took.as_secs_f64() * 1e3;
        if as_json {
            let line = json!({
                "provider": provider, "key": key_source, "milliseconds": milliseconds,
                "model": outcome.as_ref().ok().map(|(model, _)| model),
                "error": outcome.as_ref().err().map(ToString::to_string),
            });
            writeln!(stdout, "{line}")?;
            return Ok(());
        }
        match outcome {
            Ok((model, _)) => {
                writeln!(stdout, "{model} answered in {milliseconds:.0} ms ({key_source})")?
            }
            Err(error) => writeln!(stdout, "{provider} did not answer: {error} ({key_source})")?,
        }
        Ok(())
    }
}

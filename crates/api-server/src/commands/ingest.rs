//! `ingest`

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Result;
use futures::StreamExt;
use serde_json::json;

use super::progress::with_progress;
use crate::app::App;
use crate::cli::IngestArgs;
use crate::config::{Config, Environment};
use crate::ingest::{Cut, Ingested, ingest_cut, watch};

/// Takes documents in. Fails when one of them does, after the others are in.
pub(crate) async fn ingest(
    args: IngestArgs,
    config: Config,
    environment: Environment,
) -> Result<ExitCode> {
    let app = App::open(config, &environment).await?;
    let work = work(&app, &args);
    let outcome = tokio::select! {
        outcome = work => outcome,
        _ = tokio::signal::ctrl_c() => match args.watch {
            true => Ok(ExitCode::SUCCESS),
            false => Err(anyhow::anyhow!("interrupted; what was accepted goes on with the next start")),
        }
    };
    app.close().await;
    outcome
}

async fn work(app: &App, args: &IngestArgs) -> Result<ExitCode> {
    let cut = Cut { method: args.method, max_tokens: args.chunk_tokens };
    let ingested = shown(app, args.json, ingest_cut(app, &args.dataset, &args.paths, cut)).await?;
    tell(&ingested, args.json)?;
    if args.watch {
        shown(app, args.json, watch(app, &args.dataset, &args.paths)).await?;
    }
    Ok(if ingested.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Does `work`, and shows meanwhile what happens: a bar for people, or a JSON object a line for programs.
async fn shown<T>(app: &App, json: bool, work: impl Future<Output = Result<T>>) -> Result<T> {
    if !json {
        return with_progress(app, work).await;
    }
    let mut events = std::pin::pin!(app.pipeline.events());
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            // What is told already goes before the end.
            biased;
            Some(event) = events.next() => writeln!(io::stdout(), "{}", json!(event))?,
            done = &mut work => return done,
        }
    }
}

fn tell(ingested: &Ingested, json: bool) -> Result<()> {
    if json {
        let summary = json!({ "event": "summary", "summary": ingested });
        return Ok(writeln!(io::stdout(), "{summary}")?);
    }
    for (name, reason) in &ingested.failed {
        eprintln!("not ingested: {name}: {reason}");
    }
    eprintln!("{ingested}");
    Ok(())
}

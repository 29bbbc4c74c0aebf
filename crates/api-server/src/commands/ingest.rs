//! `ingest`

use std::process::ExitCode;

use anyhow::Result;

use super::progress::with_progress;
use crate::app::App;
use crate::cli::IngestArgs;
use crate::config::{Config, Environment};

/// Takes documents in. Fails when one of them does, after the others are in.
pub(crate) async fn ingest(
    args: IngestArgs,
    config: Config,
    environment: Environment,
) -> Result<ExitCode> {
    let app = App::open(config, &environment).await?;
    let ingested = tokio::select! {
        ingested = with_progress(&app, crate::ingest(&app, &args.dataset, &args.paths)) => ingested,
        _ = tokio::signal::ctrl_c() => {
            Err(anyhow::anyhow!("interrupted; what was accepted goes on with the next start"))
        }
    };
    app.close().await;
    let ingested = ingested?;
    for (name, reason) in &ingested.failed {
        eprintln!("not ingested: {name}: {reason}");
    }
    eprintln!("{ingested}");
    Ok(if ingested.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

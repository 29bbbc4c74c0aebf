//! `serve`

use std::future::pending;
use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Error, Result, ensure};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::spawn_blocking;

use super::progress::with_progress;
use crate::cli::{ServeArgs, ServeRole};
use crate::config::{Config, Environment, StorageConfig, load};
use crate::ingest::{dataset, watch};
use crate::{Server, error_line, ingest};

/// How long ingestion is left alone that failed as a whole (a full disk, say).
const AGAIN: Duration = Duration::from_secs(10);

/// The part of readiness that ingestion at start is.
const INGEST: &str = "ingestion";

/// Serves until SIGTERM or SIGINT. Requests are answered from the start; `listening on` is printed when what was to be
/// ingested is there.
pub(crate) async fn serve(
    args: ServeArgs,
    mut config: Config,
    environment: Environment,
    began: Instant,
) -> Result<ExitCode> {
    if let Some(listen) = args.listen {
        config.server.listen = listen;
    }
    refuse_part(&args, &config.storage)?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let server = Server::start_as(args.role, config, &environment).await?;

    let work = async {
        start(&server, &args, began).await?;
        follow(&server, &args).await;
        Ok(())
    };
    let result = tokio::select! {
        result = work => result,
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
        () = reload(&server, &args, &environment, &mut hangup) => Ok(()),
    };
    tracing::info!("stopping");
    tokio::select! {
        () = server.stop() => {}
        // A second signal does not wait for live streams.
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    result.map(|()| ExitCode::SUCCESS)
}

/// A part of a server alone needs a store that others open at the same time.
fn refuse_part(args: &ServeArgs, storage: &StorageConfig) -> Result<()> {
    let is_shared = storage.postgres().map_err(Error::msg)?.is_some();
    ensure!(
        args.role == ServeRole::All || is_shared,
        "with the embedded store one process does everything: leave `--role` out, or choose `--role all`"
    );
    ensure!(
        args.role != ServeRole::Api || args.ingest.is_empty(),
        "with `--role api` others ingest: give `--ingest` to a process with `--role worker`"
    );
    Ok(())
}

/// Reads the configuration again at each SIGHUP.
async fn reload(server: &Server, args: &ServeArgs, environment: &Environment, hangup: &mut Signal) {
    while hangup.recv().await.is_some() {
        let (file, variables) = (args.common.config.clone(), environment.clone());
        let read = spawn_blocking(move || load(file.as_deref(), &variables)).await;
        let read = read.map_err(Error::from).and_then(|read| read.map_err(Error::from));
        // What came of it is in the log and among the metrics.
        let _ = server.take_over(read, environment).await;
    }
    pending().await
}

/// Works off what is submitted, and what changes in watched folders.
async fn follow(server: &Server, args: &ServeArgs) {
    if args.role == ServeRole::Api {
        pending::<()>().await;
    }
    let app = server.app();
    loop {
        let ended = match args.watch {
            true => watch(app, "default", &args.ingest).await,
            false => app.pipeline.run(pending()).await.map(drop).map_err(anyhow::Error::from),
        };
        // Questions are answered all the same, and what was accepted is not lost.
        if let Err(error) = ended {
            tracing::error!(error = error_line(&error), "ingestion stopped; it begins again soon");
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn start(server: &Server, args: &ServeArgs, began: Instant) -> Result<()> {
    let app = server.app();
    app.readiness.lacks(INGEST, "documents are being ingested");
    // The dataset is there even when nothing is ingested, so that `dialog/default` is.
    if args.role == ServeRole::Api {
        dataset(app, "default").await?;
        return listens(server, began);
    }
    let ingested = with_progress(app, ingest(app, "default", &args.ingest)).await?;
    if !args.ingest.is_empty() {
        eprintln!("{ingested}");
    }
    for (name, reason) in &ingested.failed {
        eprintln!("not ingested: {name}: {reason}");
    }
    listens(server, began)
}

fn listens(server: &Server, began: Instant) -> Result<()> {
    let app = server.app();
    app.readiness.has(INGEST);
    app.metrics.ready(began.elapsed());
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "listening on {}", server.url())?;
    stdout.flush()?;
    Ok(())
}

//! `reembed`

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use rag_core::ReembeddingProgress;
use serde_json::{Value, json};

use crate::app::App;
use crate::cli::ReembedArgs;
use crate::config::{Config, Environment};

/// Moves a dataset to another embedding model. Interrupted, it goes on where it was when it is started again.
pub(crate) async fn reembed(
    args: ReembedArgs,
    config: Config,
    environment: Environment,
) -> Result<ExitCode> {
    let app = App::open(config, &environment).await?;
    let outcome = tokio::select! {
        outcome = work(&app, &args) => outcome,
        _ = tokio::signal::ctrl_c() => {
            Err(anyhow::anyhow!("interrupted; the same command goes on where it was"))
        }
    };
    app.close().await;
    outcome.map(|()| ExitCode::SUCCESS)
}

async fn work(app: &App, args: &ReembedArgs) -> Result<()> {
    let (store, tenant, name) = (app.store.clone(), app.tenant(), args.dataset.clone());
    let dataset = app.callers.run(move || store.dataset(&tenant, &name)).await??;
    let dataset = dataset.with_context(|| format!("there is no dataset `{}`", args.dataset))?;
    let embedding = app.identity_of(&args.model).await.context("asking the embedding model")?;
    let bar = ProgressBar::new(0);
    if let Ok(style) =
        ProgressStyle::with_template("{spinner} embedding {pos}/{len} {wide_bar} {per_sec} {eta}")
    {
        bar.set_style(style);
    }
    let told = |ReembeddingProgress { done, left }| match args.json {
        // Whoever reads may have read enough.
        true => drop(say(&json!({ "event": "progress", "done": done, "left": left }))),
        false => {
            bar.set_length(done + left);
            bar.set_position(done);
        }
    };
    let chunks = app.pipeline.reembed(&dataset, &embedding, told).await?;
    bar.finish_and_clear();
    match args.json {
        true => say(&json!({ "event": "done", "chunks": chunks, "model": embedding.model }))?,
        false => {
            eprintln!("`{}` is embedded with {} ({chunks} chunks)", args.dataset, embedding.model)
        }
    }
    Ok(())
}

fn say(event: &Value) -> io::Result<()> {
    writeln!(io::stdout(), "{event}")
}

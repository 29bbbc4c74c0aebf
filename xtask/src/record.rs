//! `cargo xtask record`: a recording proxy in front of providers, until ctrl-c.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, Result};
use llm_replay::{Recorder, RecorderLimits};
use url::Url;

/// What to record.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A provider and its base URL; repeatable
    #[arg(long, value_name = "NAME=URL", required = true, value_parser = upstream)]
    upstream: Vec<(String, Url)>,
    /// Where the recordings go: DIR/NAME/ID.json
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Address of this machine to listen on
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
}

/// Records until ctrl-c, then writes what is under way.
pub(crate) fn run(args: Args) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(record(args))
}

async fn record(args: Args) -> Result<()> {
    let recorder = Recorder::start_at(args.listen, &args.out, RecorderLimits::default()).await?;
    for (name, url) in &args.upstream {
        let origin = recorder.add(name, url)?;
        println!("{name}: {origin}{}", url.path().trim_end_matches('/'));
    }
    println!("point the clients at these base URLs; ctrl-c ends");
    tokio::signal::ctrl_c().await.context("waiting for ctrl-c")?;
    recorder.finish().await;
    println!("recorded in {}", args.out.display());
    Ok(())
}

fn upstream(text: &str) -> Result<(String, Url)> {
    let (name, url) = text.split_once('=').context("expected NAME=URL")?;
    Ok((name.to_owned(), url.parse().context("the part after `=` is no URL")?))
}

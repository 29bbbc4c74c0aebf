//! `cargo xtask conformance`: replays recorded exchanges through the real clients, over HTTP.
//!
//! For each exchange the recorded request is read the way our own server reads requests, sent by the client to a replay
//! server, and compared with the recording; the answer that comes back is compared with what an independent reader made
//! of the same bytes.

mod anthropic;
mod audio;
mod azure;
mod bedrock;
mod cohere;
mod completions;
mod gemini;
mod huggingface;
mod models;
mod ollama;
mod openai;
mod raw;
mod rerank;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use futures::future::BoxFuture;
use llm_core::Warning;
use serde_json::Value;
use testkit::conformance::{KnownDifferences, Report, compare_requests};
use testkit::{Exchange, ReplayServer};

/// How the exchanges of one family of wire formats are replayed.
struct Suite {
    /// Whether it replays an exchange.
    covers: fn(&Exchange) -> bool,
    /// Replays it through the real client, and tells how request and answer differ from the recording.
    replay: for<'a> fn(&'a ReplayServer, &'a Exchange) -> BoxFuture<'a, Result<Vec<String>>>,
}

/// All there are; the first that covers an exchange replays it.
const SUITES: &[Suite] = &[
    Suite { covers: openai::covers, replay: |server, e| Box::pin(openai::replay(server, e)) },
    Suite { covers: anthropic::covers, replay: |server, e| Box::pin(anthropic::replay(server, e)) },
    Suite { covers: gemini::covers, replay: |server, e| Box::pin(gemini::replay(server, e)) },
    Suite { covers: bedrock::covers, replay: |server, e| Box::pin(bedrock::replay(server, e)) },
    Suite { covers: cohere::covers, replay: |server, e| Box::pin(cohere::replay(server, e)) },
    Suite { covers: rerank::covers, replay: |server, e| Box::pin(rerank::replay(server, e)) },
    Suite {
        covers: huggingface::covers,
        replay: |server, e| Box::pin(huggingface::replay(server, e)),
    },
    Suite { covers: ollama::covers, replay: |server, e| Box::pin(ollama::replay(server, e)) },
    Suite {
        covers: completions::covers,
        replay: |server, e| Box::pin(completions::replay(server, e)),
    },
    Suite { covers: models::covers, replay: |server, e| Box::pin(models::replay(server, e)) },
    Suite { covers: audio::covers, replay: |server, e| Box::pin(audio::replay(server, e)) },
    // The last: it takes what the others leave.
    Suite { covers: raw::covers, replay: |server, e| Box::pin(raw::replay(server, e)) },
];

/// Where recordings are looked for unless told otherwise.
const RECORDINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/captures");

/// Differences that are understood.
const KNOWN: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/conformance/known-differences.toml");

/// What to replay.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A folder of folders of recorded exchanges
    #[arg(default_value = RECORDINGS)]
    dir: PathBuf,
    /// Only this folder (`openai-chat` …); repeatable
    #[arg(long)]
    dialect: Vec<String>,
}

/// Replays, prints the table, and fails unless every difference is known.
pub(crate) fn run(args: Args) -> Result<()> {
    if !args.dir.is_dir() {
        println!("conformance: skipped, there are no recordings at {}", args.dir.display());
        return Ok(());
    }
    let exchanges = Exchange::read_all(&args.dir, |folder| {
        args.dialect.is_empty() || args.dialect.iter().any(|wanted| wanted == folder)
    })?;
    let known = KnownDifferences::read(Path::new(KNOWN))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let report = runtime.block_on(replay_all(&exchanges, &known))?;
    println!("{report}");
    if report.failed() > 0 {
        bail!("{} exchanges differ from their recordings", report.failed());
    }
    Ok(())
}

/// Replays every exchange by the suite that covers it; one that none covers differs.
async fn replay_all(exchanges: &[Exchange], known: &KnownDifferences) -> Result<Report> {
    let server = ReplayServer::start().await.context("starting the replay server")?;
    let mut report = Report::default();
    for exchange in exchanges {
        let differences = match SUITES.iter().find(|suite| (suite.covers)(exchange)) {
            Some(suite) => (suite.replay)(&server, exchange).await?,
            None => vec![format!("there is no client for the wire format {}", exchange.wire)],
        };
        report.add(exchange, differences, known);
    }
    Ok(report)
}

/// How many vectors an independent reader found.
fn expected_vectors(exchange: &Exchange) -> usize {
    let dims = exchange.expect.as_ref().and_then(|expect| expect.dims.as_ref());
    dims.and_then(Value::as_array).map_or(1, Vec::len)
}

/// Compares the one request that arrived with the recorded one, if there is one; `warnings` name what may differ.
fn compare_sent(
    server: &ReplayServer,
    exchange: &Exchange,
    warnings: &[Warning],
    is_recorded: bool,
    normalise: fn(Value) -> Value,
) -> Vec<String> {
    match &server.taken(&exchange.id)[..] {
        [sent] if is_recorded => compare_requests(exchange, sent, warnings, normalise),
        [_] => Vec::new(),
        sent => vec![format!("{} requests were sent", sent.len())],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same as `cargo xtask conformance`, where there are recordings.
    #[test]
    fn recordings_replay() {
        // Every folder that some client covers: the whole of it takes seconds.
        let args = Args { dir: RECORDINGS.into(), dialect: Vec::new() };
        if !args.dir.is_dir() {
            eprintln!("skipped: there are no recordings at {}", args.dir.display());
            return;
        }
        run(args).unwrap();
    }
}

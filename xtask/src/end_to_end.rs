//! The end-to-end check: the release binary as a user runs it, asked with clients that others wrote: the official ones of
//! OpenAI (Python and Node), Anthropic, MCP and RAGFlow, and LangChain, LlamaIndex and LiteLLM.

mod clients;

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use testkit::{Behaviour, FakeUpstream};

use crate::run;

/// What the made-up provider answers, speaks and hears.
const ANSWER: &str = "Tea was first drunk in China.";

/// The goals of docs/evidence/first-run.md. They are printed, not enforced: the machine that runs this may be busy.
const START_GOAL: Duration = Duration::from_millis(300);
const IDLE_GOAL_MB: u64 = 120;

/// Builds the binary, starts it on an empty data directory beside a provider that is made up (`fake`), asks it, stops it,
/// and starts it once more.
pub(crate) fn run() -> Result<()> {
    // Its threads serve the provider until the end.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("starting threads for the provider")?;
    let upstream = runtime.block_on(FakeUpstream::start())?;
    upstream.always(Behaviour::text(ANSWER));
    let multiply = Behaviour::tool_call("multiply", r#"{"a": 6, "b": 7}"#);
    upstream.for_model("calculator", multiply.then_text("It is 42."));
    upstream.for_model("writer", Behaviour::text(r#"{"city": "Oslo", "degrees": 7}"#));
    check(&upstream)
}

fn check(upstream: &FakeUpstream) -> Result<()> {
    run::cargo(&["build", "--release", "--locked", "--package", "api-server"])?;
    let python = clients::official()?;
    let data = run::target_dir().join("end-to-end-data");
    if data.exists() {
        fs::remove_dir_all(&data)?;
    }

    let config = run::target_dir().join("end-to-end.toml");
    fs::write(&config, configuration(upstream))?;

    let settings = [OsStr::new("--config"), config.as_os_str()];
    let first = Server::start_with(&data, &settings)?;
    println!("first start, docs ingested: ready after {:?}", first.ready_after);
    run::command(Command::new(&python).arg("tests/end_to_end/openai_client.py").arg(&first.url))?;
    let anthropic = ["tests/end_to_end/anthropic_client.py", &first.url];
    run::command(Command::new(&python).args(anthropic))?;
    let mcp = ["tests/end_to_end/mcp_client.py", &first.url];
    run::command(Command::new(&python).args(mcp))?;
    let ragflow = ["tests/end_to_end/ragflow_client.py", &first.url];
    run::command(Command::new(&python).args(ragflow))?;
    let frameworks = ["tests/end_to_end/frameworks_client.py", &first.url];
    run::command(Command::new(clients::frameworks()?).args(frameworks))?;
    match clients::node()? {
        Some(script) => run::command(Command::new("node").arg(script).arg(&first.url))?,
        None => println!("there is no npm: OpenAI's client for Node is not tried"),
    }
    first.stop()?;

    let second = Server::start_with(&data, &settings)?;
    let idle = second.resident_mb()?;
    println!("second start: ready after {:?} (goal: {START_GOAL:?})", second.ready_after);
    println!("idle resident memory: {idle} MB (goal: {IDLE_GOAL_MB} MB)");
    run::command(
        Command::new(&python)
            .args(["tests/end_to_end/openai_client.py", &second.url])
            .env("EXPECT_UNCHANGED", "1"),
    )?;
    println!("resident memory after questions: {} MB", second.resident_mb()?);
    second.stop()?;
    fs::remove_dir_all(&data)?;
    println!("end to end: ok");
    Ok(())
}

/// The made-up provider, which nobody asks who does not name it.
fn configuration(upstream: &FakeUpstream) -> String {
    let url = upstream.base_url();
    format!(
        "[[provider]]\nname = \"fake\"\nbase_url = \"{url}\"\n\
         [defaults]\nchat = \"local/extractive\"\n"
    )
}

/// A running server; killed when dropped.
pub(crate) struct Server {
    process: Child,
    /// Kept open, so that the server can go on writing to it.
    _stdout: BufReader<ChildStdout>,
    pub(crate) url: String,
    ready_after: Duration,
}

impl Server {
    /// Starts it on this data directory, over `docs`, with further arguments.
    pub(crate) fn start_with(data: &Path, more: &[&OsStr]) -> Result<Self> {
        let begun = Instant::now();
        let mut process = Command::new(run::target_dir().join("release/api-server"))
            .args(["serve", "--ingest", "docs", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(data)
            .args(more)
            // A key in the environment would make it ask a provider.
            .env_clear()
            .current_dir(run::root())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting the release binary")?;
        let stdout = process.stdout.take().context("its standard output is piped")?;
        let mut stdout = BufReader::new(stdout);
        let mut line = String::new();
        stdout.read_line(&mut line)?;
        let ready_after = begun.elapsed();
        let url = line.trim().strip_prefix("listening on ").map(str::to_owned);
        let mut server = Self { process, _stdout: stdout, url: String::new(), ready_after };
        server.url = url.with_context(|| format!("unexpected first line: {line:?}"))?;
        Ok(server)
    }

    fn resident_mb(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let kilobytes = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|rest| rest.split_whitespace().next())
            .context("no VmRSS in the process's status")?;
        Ok(kilobytes.parse::<u64>()? / 1024)
    }

    /// Asks it to stop, and sees that it does.
    pub(crate) fn stop(mut self) -> Result<()> {
        run::command(Command::new("kill").args(["-TERM", &self.process.id().to_string()]))?;
        let deadline = Instant::now() + Duration::from_secs(30);
        while Instant::now() < deadline {
            if let Some(status) = self.process.try_wait()? {
                ensure!(status.success(), "the server ended with {status}");
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        anyhow::bail!("the server did not stop within 30 s of SIGTERM")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

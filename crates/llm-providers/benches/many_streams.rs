//! Ten thousand streams at once through one client: that no event is lost or out of order, and what a stream costs in
//! memory. `cargo bench -p llm-providers --bench many_streams [-- STREAMS]`.
//!
//! The upstream is another process (this program again), so that the memory told is the client's alone. Each stream is a
//! connection of its own (HTTP/1.1), so the limit of open files must be above the number of streams.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::TryStreamExt;
use futures::future::try_join_all;
use llm_core::{ChatEvent, ChatModel, ChatRequest, Message, ModelError};
use llm_providers::OpenAi;
use testkit::{Behaviour, FakeUpstream};
use tokio::sync::{Barrier, Semaphore};

const STREAMS: usize = 10_000;
const TOKENS: usize = 40;
const PACE: Duration = Duration::from_millis(500);

/// Connections that are being made at once: more than the system's queue holds would be sent again after a second.
const CONNECTING: usize = 256;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|word| word != "--bench").collect();
    match arguments.first().map(String::as_str) {
        Some("upstream") => runtime.block_on(upstream()),
        Some(number) => runtime.block_on(measure(number.parse()?)),
        None => runtime.block_on(measure(STREAMS)),
    }
}

/// Serves until its standard input ends.
async fn upstream() -> Result<(), Failure> {
    let upstream = FakeUpstream::start().await?;
    upstream.always(Behaviour::tokens(TOKENS).every(PACE));
    println!("{}", upstream.base_url());
    let end = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    end.await??;
    Ok(())
}

async fn measure(streams: usize) -> Result<(), Failure> {
    let mut process = Command::new(std::env::current_exe()?)
        .arg("upstream")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    let output = process.stdout.take().ok_or("its output is piped")?;
    BufReader::new(output).read_line(&mut line)?;
    let result = streams_through(line.trim(), streams).await;
    drop(process.stdin.take());
    process.wait()?;
    result
}

async fn streams_through(base_url: &str, streams: usize) -> Result<(), Failure> {
    let model = OpenAi::builder("fake", base_url).build()?.chat("m");
    one(model.clone(), &Semaphore::new(1), None).await?;
    let before = resident()?;
    let began = Instant::now();
    let all_live = Arc::new(Barrier::new(streams + 1));
    let connecting = Arc::new(Semaphore::new(CONNECTING));
    let tasks = (0..streams).map(|_| {
        let (model, all_live, connecting) = (model.clone(), all_live.clone(), connecting.clone());
        tokio::spawn(async move { one(model, &connecting, Some(&all_live)).await })
    });
    let all = try_join_all(tasks.collect::<Vec<_>>());
    let at_work = async {
        all_live.wait().await;
        resident().map(|bytes| (bytes, began.elapsed()))
    };
    let (ended, at_work) = tokio::join!(all, at_work);
    let (with_streams, all_live_after) = at_work?;
    let events: usize = ended?.into_iter().sum::<Result<usize, ModelError>>()?;
    let per_stream = with_streams.saturating_sub(before) as f64 / streams as f64 / 1024.0;
    println!(
        "{streams} streams at once through one client: {events} tokens, none lost, none out of order\n\
         all live after {:.1} s, done after {:.1} s; {per_stream:.1} KiB of memory a stream \
         ({:.0} MiB before, {:.0} MiB with all of them)",
        all_live_after.as_secs_f64(),
        began.elapsed().as_secs_f64(),
        before as f64 / 1048576.0,
        with_streams as f64 / 1048576.0,
    );
    Ok(())
}

/// Reads one stream to its end, checks every token's place, and tells how many there were.
async fn one(
    model: Arc<dyn ChatModel>,
    connecting: &Semaphore,
    all_live: Option<&Barrier>,
) -> Result<usize, ModelError> {
    let request = ChatRequest::new(vec![Message::user("go")]).streamed();
    let permit = connecting.acquire().await;
    let mut reply = model.chat(request).await?;
    let mut text = String::new();
    let mut seen = 0;
    let mut permit = Some(permit);
    while let Some(event) = reply.try_next().await? {
        if let ChatEvent::Text { text: more, .. } = event {
            text.push_str(&more);
            seen += 1;
            permit.take();
            if let (1, Some(all_live)) = (seen, all_live) {
                all_live.wait().await;
            }
        }
    }
    let expected: String = (0..TOKENS).map(|at| format!("t{at} ")).collect();
    assert_eq!(text, expected, "a token was lost or came out of order");
    Ok(seen)
}

/// Bytes of memory that this process holds.
fn resident() -> Result<u64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|rest| rest.split_whitespace().next()).ok_or("no VmRSS")?;
    Ok(kilobytes.parse::<u64>()? * 1024)
}

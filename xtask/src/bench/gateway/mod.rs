//! `cargo xtask bench gateway`: what a chat costs that goes through the server, beside the upstream asked directly and nginx as
//! a reverse proxy before it. Targets take turns in every round.

mod load;
mod target;
mod upstream;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::time::Instant;

use load::{Answered, Ask, at_once, closed_loop};
use target::Target;

/// How much to measure.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Rounds; what is printed is the median
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds of each measurement
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Streams at once, 100 tokens each, 10 ms apart
    #[arg(long, value_delimiter = ',', default_value = "1000,2000")]
    streams: Vec<usize>,
    /// The server's binary [default: that of this workspace's release build]
    #[arg(long)]
    program: Option<PathBuf>,
    /// Be the upstream
    #[arg(long, hide = true)]
    serve_upstream: bool,
}

/// Requests that may be under way when nothing is to be refused.
const PLENTY: usize = 100_000;

/// Measures and prints.
pub(crate) fn run(args: &Args) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if args.serve_upstream {
        return runtime.block_on(upstream::serve());
    }
    runtime.block_on(async {
        let folder = tempfile::tempdir()?;
        let program = args.program.clone().unwrap_or_else(target::program);
        let upstream = Target::upstream()?;
        let nginx = Target::nginx(folder.path(), upstream.address)?;
        let ours = Target::ours(folder.path(), &program, upstream.address, PLENTY)?;
        let mut targets = vec![&upstream, &ours];
        match &nginx {
            Some(nginx) => targets.insert(1, nginx),
            None => println!("nginx is not installed: it is left out"),
        }
        whole(args, &targets).await?;
        streams(args, &targets).await?;
        paced(args, &targets).await?;
        drop((nginx, ours));
        overload(args, &program, &upstream).await
    })
}

async fn whole(args: &Args, targets: &[&Target]) -> Result<()> {
    println!(
        "whole answers of 16 tokens: requests/s, p50 and p99 in ms, processor time per request"
    );
    for (connections, prompt) in [(1, 200), (16, 200), (64, 200), (16, 20_000)] {
        let title = format!("{connections} connections, prompts of {prompt} bytes");
        compare(args, targets, &title, connections, |target| ask(target, "t16", false, prompt))
            .await?;
    }
    Ok(())
}

async fn streams(args: &Args, targets: &[&Target]) -> Result<()> {
    println!("streams of 100 tokens without a pause: the same");
    let ask = |target: &Target| Ask { tokens: 100, ..ask(target, "t100", true, 200) };
    compare(args, targets, "16 connections", 16, ask).await
}

fn ask(target: &Target, model: &str, stream: bool, prompt: usize) -> Ask {
    let model = format!("{}{model}", target.prefix);
    Ask { address: target.address, model, stream, tokens: 16, prompt }
}

/// Targets take turns; a line of medians for each.
async fn compare(
    args: &Args,
    targets: &[&Target],
    title: &str,
    connections: usize,
    ask: impl Fn(&Target) -> Ask,
) -> Result<()> {
    let mut rounds: Vec<Vec<[f64; 4]>> = vec![Vec::new(); targets.len()];
    for target in targets {
        closed_loop(&ask(target), connections, Duration::from_millis(500)).await?;
    }
    for _ in 0..args.rounds {
        for (target, rounds) in targets.iter().zip(&mut rounds) {
            let (before, began) = (target.processor_seconds(), Instant::now());
            let time = Duration::from_secs(args.seconds);
            let answered = closed_loop(&ask(target), connections, time).await?;
            ensure!(answered.iter().all(|answer| answer.status == 200), "{}: refused", target.name);
            let (took, used) = (began.elapsed(), target.processor_seconds() - before);
            let count = answered.len() as f64;
            let times = Times::of(answered.iter().map(|answer| answer.all));
            let rate = count / took.as_secs_f64();
            rounds.push([rate, times.at(0.5), times.at(0.99), used / count * 1e6]);
        }
    }
    println!("  {title}");
    for (target, rounds) in targets.iter().zip(&rounds) {
        let middle = |column: usize| median(rounds.iter().map(|round| round[column]));
        println!(
            "    {:<7} {:>9.0}/s   p50 {:>7.3}   p99 {:>7.3}   {:>6.1} µs",
            target.name,
            middle(0),
            middle(1),
            middle(2),
            middle(3)
        );
    }
    Ok(())
}

/// Streams at the speed of a model, many at once.
async fn paced(args: &Args, targets: &[&Target]) -> Result<()> {
    println!("streams of 100 tokens, 10 ms apart: the answer takes 1,000 ms");
    for &count in &args.streams {
        for target in targets {
            let ask = Ask { tokens: 100, ..ask(target, "t100-d10", true, 200) };
            let before = target.processor_seconds();
            let asking = at_once(&ask, count, Duration::from_secs(1));
            let peak = peak_memory(target, asking);
            let (answered, memory) = peak.await;
            let answered = answered?;
            let used = target.processor_seconds() - before;
            let complete = answered.iter().filter(|answer| answer.status == 200).count();
            let first = Times::of(answered.iter().map(|answer| answer.first));
            let all = Times::of(answered.iter().map(|answer| answer.all));
            println!(
                "  {count} {:<7} complete {complete}   first token p50 {:.1} p99 {:.1} ms   answer p50 {:.0} p99 \
                 {:.0} ms   {memory:.0} MiB   {:.1} µs per event",
                target.name,
                first.at(0.5),
                first.at(0.99),
                all.at(0.5),
                all.at(0.99),
                used * 1e6 / (count * 101) as f64,
            );
        }
    }
    Ok(())
}

/// The future's result, and the most memory that the target had meanwhile.
async fn peak_memory<T>(target: &Target, work: impl Future<Output = T>) -> (T, f64) {
    let mut work = std::pin::pin!(work);
    let mut most = target.memory();
    loop {
        tokio::select! {
            done = &mut work => return (done, most.max(target.memory())),
            () = tokio::time::sleep(Duration::from_millis(100)) => most = most.max(target.memory()),
        }
    }
}

/// Ten times as many clients as places.
async fn overload(args: &Args, program: &std::path::Path, upstream: &Target) -> Result<()> {
    const PLACES: usize = 64;
    println!("{PLACES} places, answers that take 160 ms");
    let folder = tempfile::tempdir()?;
    let ours = Target::ours(folder.path(), program, upstream.address, PLACES)?;
    let ask = ask(&ours, "t16-d10", false, 200);
    for clients in [PLACES, 10 * PLACES] {
        let time = Duration::from_secs(args.seconds);
        let answered = closed_loop(&ask, clients, time).await?;
        let of = |status: u16| {
            let own = answered.iter().filter(move |answer: &&Answered| answer.status == status);
            (own.clone().count(), Times::of(own.map(|answer| answer.all)))
        };
        let ((taken, fast), (refused, refusals)) = (of(200), of(503));
        ensure!(taken + refused == answered.len(), "something else than 200 and 503 came");
        println!(
            "  {clients} clients: {taken} answered, p50 {:.1} p99 {:.1} ms; {refused} refused, p50 {:.2} p99 {:.2} ms",
            fast.at(0.5),
            fast.at(0.99),
            refusals.at(0.5),
            refusals.at(0.99),
        );
    }
    Ok(())
}

/// Sorted times.
struct Times(Vec<Duration>);

impl Times {
    fn of(times: impl Iterator<Item = Duration>) -> Self {
        let mut times: Vec<Duration> = times.collect();
        times.sort_unstable();
        Self(times)
    }

    /// The time that this share of all do not exceed, in milliseconds.
    fn at(&self, share: f64) -> f64 {
        let place = ((self.0.len() as f64 * share).ceil() as usize).saturating_sub(1);
        self.0.get(place).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

//! How fast tokens are counted: `cargo run --release -p llm-tokens --example speed -- FILE…`.
//!
//! Prints, for each vocabulary and the estimate, how long the first count takes (it unpacks the vocabulary), megabytes a
//! second over the files' text, and over 10 MB of what is hard for such tokenizers.

use std::time::{Duration, Instant};

use llm_tokens::TokenCounter;

const HARD_BYTES: usize = 10 << 20;

fn main() -> std::io::Result<()> {
    let mut text = String::new();
    for file in std::env::args().skip(1) {
        text += &std::fs::read_to_string(file)?;
    }
    let run = |piece: &str| piece.repeat(HARD_BYTES / piece.len());
    let inputs = [
        ("the files' text", text),
        ("spaces", run(" ")),
        ("line feeds", run("\n")),
        ("the letter a", run("a")),
        ("a letter and spaces", run("a          ")),
        ("digits", run("1")),
        ("exclamation marks", run("!")),
        ("Han without an end", run("日本語")),
        ("faces", run("😀")),
        ("combining marks", run("a\u{301}\u{302}")),
    ];
    println!("| input | MB | vocabulary | tokens | exact | MB/s |\n|---|---|---|---|---|---|");
    for (name, model) in [("cl100k", "gpt-4"), ("o200k", "gpt-4o"), ("estimate", "other")] {
        let counter = TokenCounter::for_model(model);
        let first = time(|| counter.count("a")).0;
        eprintln!("{name}: the first count takes {first:.1?}");
        for (input, text) in &inputs {
            let (took, count) = time(|| counter.count(text));
            let megabytes = text.len() as f64 / 1e6;
            let speed = megabytes / took.as_secs_f64();
            let (tokens, exact) = (count.tokens, count.exact);
            println!("| {input} | {megabytes:.1} | {name} | {tokens} | {exact} | {speed:.1} |");
        }
    }
    Ok(())
}

fn time<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let result = work();
    (start.elapsed(), result)
}

//! Parsing in worker processes: this test binary is its own worker.

use std::ffi::OsString;
use std::time::{Duration, Instant};

use rag_core::{DocumentParser, ParseErrorKind, ParseRequest};
use rag_parse::ParseLimits;
use rag_parse::isolated::{IsolatedParser, worker_main};

/// Filters that no test's name contains; they tell the two tests below that they are to serve.
const WORKER: &str = "be-a-worker";
const HANG: &str = "be-a-hanging-worker";

/// Serves when the test binary was started as a worker, and else has nothing to test.
#[test]
fn as_a_worker() {
    if std::env::args().any(|arg| arg == WORKER) {
        worker_main(std::io::stdin().lock(), std::io::stdout()).unwrap();
        std::process::exit(0);
    }
}

/// A worker that greets and then computes for ever.
#[test]
fn as_a_hanging_worker() {
    if std::env::args().any(|arg| arg == HANG) {
        println!("colloquy-parse-worker 2");
        std::thread::park();
    }
}

fn parser(test: &str, marker: &str, limits: ParseLimits) -> IsolatedParser {
    let args = [test, "--exact", "--nocapture", marker].map(OsString::from);
    IsolatedParser::new(std::env::current_exe().unwrap(), args, limits)
}

fn worker(limits: ParseLimits) -> IsolatedParser {
    parser("as_a_worker", WORKER, limits)
}

#[test]
fn files_are_read_in_a_worker() {
    let parser = worker(ParseLimits::default());
    for _ in 0..3 {
        let parsed =
            parser.parse(&ParseRequest::new("a.html", b"<h1>Tea</h1><p>Boil water")).unwrap();
        assert_eq!(parsed.text, "Tea\n\nBoil water");
    }
    let error =
        parser.parse(&ParseRequest::new("a.pdf", b"%PDF-1.4 but nothing else")).unwrap_err();
    assert_eq!(error.kind, ParseErrorKind::Damaged);
    assert_eq!(parser.parse(&ParseRequest::new("a.md", b"here")).unwrap().text, "here");
}

#[test]
fn many_threads_have_workers_of_their_own() {
    let parser = worker(ParseLimits::default());
    std::thread::scope(|scope| {
        for number in 0..8 {
            let parser = &parser;
            scope.spawn(move || {
                let parsed = parser
                    .parse(&ParseRequest::new("a.html", format!("<p>{number}").as_bytes()))
                    .unwrap();
                assert_eq!(parsed.text, number.to_string());
            });
        }
    });
}

#[test]
fn a_worker_that_takes_too_long_is_ended() {
    let limits = ParseLimits { time: Duration::from_millis(100), ..ParseLimits::default() };
    let started = Instant::now();
    let error = parser("as_a_hanging_worker", HANG, limits)
        .parse(&ParseRequest::new("a.html", b"<html>x"))
        .unwrap_err();
    assert_eq!(error.kind, ParseErrorKind::Timeout);
    assert_eq!(error.reason, "reading the file took longer than 100ms");
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_worker_without_memory_ends_alone() {
    // Less than the test binary itself has mapped: the first larger allocation fails.
    let limits = ParseLimits { process_bytes: 32 << 20, ..ParseLimits::default() };
    let page = format!("<p>{}", "word ".repeat(2_000_000));
    let error = worker(limits).parse(&ParseRequest::new("a.html", page.as_bytes())).unwrap_err();
    assert_eq!(error.kind, ParseErrorKind::Crashed, "{}", error.reason);
}

#[test]
fn a_program_that_is_no_worker_is_named() {
    let cases = [
        ("/nonexistent/program", "the parser `/nonexistent/program` cannot be started: "),
        ("true", "the parser `true` cannot be started: it ended at once (exit code 0)"),
    ];
    for (program, reason) in cases {
        let parser = IsolatedParser::new(program, ["x"], ParseLimits::default());
        let error = parser.parse(&ParseRequest::new("a.html", b"<html>x")).unwrap_err();
        assert_eq!(error.kind, ParseErrorKind::Crashed);
        assert!(error.reason.starts_with(reason), "{}", error.reason);
    }
}

//! The worker's side.

use std::io::{self, Read, Write};
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::Duration;

use rag_core::{DocumentParser, ParseError, ParseErrorKind, ParseRequest};

use super::protocol::{self, Request};
use crate::{FileParser, ParseLimits};

/// A worker without work ends after this long.
const IDLE: Duration = Duration::from_secs(30);

/// Parsers recurse; the limit of memory bounds them all the same.
const STACK: usize = 64 << 20;

/// Serves parse requests from `input` on `output` until `input` ends. For programs that [`IsolatedParser`] starts:
/// nothing else may be written to `output`.
///
/// It limits its process's address space to what the first request asks for, and **ends the process** when a file takes
/// much longer than allowed or no request comes for half a minute: the parent may be gone.
///
/// # Errors
/// When a pipe breaks or the parent does not speak the protocol; the process should end then.
///
/// [`IsolatedParser`]: super::IsolatedParser
pub fn worker_main(mut input: impl Read, mut output: impl Write) -> io::Result<()> {
    writeln!(output, "{}", protocol::GREETING)?;
    output.flush()?;
    let watch = watch();
    let mut limited = false;
    loop {
        let _ = watch.send(IDLE);
        let Some(request) = protocol::read_frame(&mut input, protocol::MOST_REQUEST)? else {
            return Ok(());
        };
        let request: Request = serde_json::from_slice(&request)?;
        let Some(bytes) = protocol::read_frame(&mut input, request.limits.file_bytes())? else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        if !limited {
            limit_memory(&request.limits);
            limited = true;
        }
        // The parent ends a late worker at once; this is for a worker without a parent.
        let _ = watch.send(request.limits.time.saturating_mul(2));
        let reply = parse(request, bytes);
        protocol::write_frame(&mut output, &serde_json::to_vec(&reply)?)?;
        output.flush()?;
    }
}

fn parse(request: Request, bytes: Vec<u8>) -> protocol::Reply {
    let parser = FileParser::new(request.limits);
    let job = move || {
        parser.parse(&ParseRequest {
            name: &request.name,
            bytes: &bytes,
            pages: &request.pages,
            pictures: request.pictures,
        })
    };
    let thread = thread::Builder::new().stack_size(STACK).spawn(job);
    let failed = |reason: &str| Err(ParseError::new(ParseErrorKind::Crashed, reason));
    match thread.map(thread::JoinHandle::join) {
        Ok(Ok(reply)) => reply,
        Ok(Err(_)) => failed("reading the file brought the parser down"),
        Err(_) => failed("the parser got no thread to run on"),
    }
}

/// Ends the process when the time that was sent last has passed without another.
fn watch() -> SyncSender<Duration> {
    let (sender, receiver) = mpsc::sync_channel::<Duration>(1);
    thread::spawn(move || {
        let mut time = IDLE;
        loop {
            match receiver.recv_timeout(time) {
                Ok(next) => time = next,
                Err(RecvTimeoutError::Timeout) => std::process::exit(3),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    });
    sender
}

#[cfg(unix)]
fn limit_memory(limits: &ParseLimits) {
    if limits.process_bytes == 0 {
        return;
    }
    let (limit, resource) = (limits.process_bytes, rlimit::Resource::AS);
    if let Err(error) = rlimit::setrlimit(resource, limit, limit) {
        tracing::warn!(%error, limit, "the worker's memory could not be limited");
    }
}

#[cfg(not(unix))]
fn limit_memory(_limits: &ParseLimits) {}

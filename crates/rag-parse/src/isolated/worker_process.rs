//! The parent's side: one worker process.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use rag_core::ParseRequest;

use super::protocol::{self, Reply, Request};
use crate::ParseLimits;

/// Why a worker gave no reply. It is of no further use.
#[derive(Debug)]
pub(super) enum Failure {
    /// It could not be started, or does not greet as a worker.
    Start(io::Error),
    /// It ended, or broke the protocol.
    Ended(String),
    TimedOut,
    ReplyTooLarge,
}

/// A running worker. Dropping it ends it.
#[derive(Debug)]
pub(super) struct WorkerProcess {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    files: u32,
    largest: usize,
}

/// Parsers leak a little; a worker is replaced after so many files.
const MOST_FILES: u32 = 200;

/// After a file of this size, a worker's memory goes back to the system with the worker.
const LARGE: usize = 8 << 20;

/// A program that does not greet within this time is no worker.
const START_TIME: Duration = Duration::from_secs(10);

impl WorkerProcess {
    pub(super) fn start(program: &Path, args: &[OsString]) -> Result<Self, Failure> {
        let mut child = Command::new(program)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(Failure::Start)?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Failure::Start(io::Error::other("it has no standard input and output")));
        };
        let mut worker =
            Self { child, input, output: BufReader::new(output), files: 0, largest: 0 };
        worker.within(START_TIME, |_, output| read_greeting(output)).map_err(|failure| {
            Failure::Start(io::Error::other(match failure {
                Failure::TimedOut => "it does not answer as a parse worker".to_owned(),
                Failure::Ended(how) => format!("it ended at once ({how})"),
                Failure::Start(error) => error.to_string(),
                Failure::ReplyTooLarge => "it talks too much".to_owned(),
            }))
        })?;
        Ok(worker)
    }

    pub(super) fn parse(
        &mut self,
        file: &ParseRequest<'_>,
        limits: &ParseLimits,
    ) -> Result<Reply, Failure> {
        self.files += 1;
        self.largest = self.largest.max(file.bytes.len());
        let request = Request {
            name: file.name.to_owned(),
            pages: file.pages.to_vec(),
            pictures: file.pictures,
            limits: limits.clone(),
        };
        // JSON writes some characters in six bytes, and spans and kinds beside the text.
        let most = limits.output_bytes.saturating_mul(8).max(1 << 20);
        let reply = self.within(limits.time, |input, output| {
            protocol::write_frame(input, &serde_json::to_vec(&request)?)?;
            protocol::write_frame(input, file.bytes)?;
            input.flush()?;
            protocol::read_frame(output, most)?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
        })?;
        serde_json::from_slice(&reply).map_err(|error| Failure::Ended(error.to_string()))
    }

    /// Whether it is fit for another file.
    pub(super) fn can_go_on(&self) -> bool {
        self.files < MOST_FILES && self.largest < LARGE
    }

    /// Talks to the worker, and ends it when that takes too long: reading from it then fails.
    fn within<T>(
        &mut self,
        time: Duration,
        talk: impl FnOnce(&mut ChildStdin, &mut BufReader<ChildStdout>) -> io::Result<T>,
    ) -> Result<T, Failure> {
        let Self { child, input, output, .. } = self;
        let (done, watched) = mpsc::channel::<()>();
        let (outcome, late) = thread::scope(|scope| {
            let watch = scope.spawn(move || {
                let late = watched.recv_timeout(time) == Err(RecvTimeoutError::Timeout);
                if late {
                    let _ = child.kill();
                }
                late
            });
            let outcome = talk(input, output);
            drop(done);
            (outcome, watch.join().unwrap_or(false))
        });
        match outcome {
            Ok(value) => Ok(value),
            Err(_) if late => Err(Failure::TimedOut),
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                Err(Failure::ReplyTooLarge)
            }
            Err(error) => Err(Failure::Ended(self.end().map_or(error.to_string(), ended))),
        }
    }

    fn end(&mut self) -> Option<ExitStatus> {
        // A worker that closed its output is about to end by itself, with a better reason than being killed.
        for _ in 0..20 {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        self.child.wait().ok()
    }
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Skips what the program prints at its start.
fn read_greeting(output: &mut BufReader<ChildStdout>) -> io::Result<()> {
    const MOST_LINES: usize = 64;
    const LONGEST_LINE: u64 = 4096;
    let mut line = Vec::new();
    for _ in 0..MOST_LINES {
        line.clear();
        if output.take(LONGEST_LINE).read_until(b'\n', &mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if line.trim_ascii() == protocol::GREETING.as_bytes() {
            return Ok(());
        }
    }
    Err(io::ErrorKind::FileTooLarge.into())
}

#[cfg(unix)]
fn ended(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match status.signal() {
        Some(6) => "it aborted: memory or stack were used up".to_owned(),
        Some(11 | 7) => {
            "it touched memory that is not its own, or its stack was used up".to_owned()
        }
        Some(9) => "it was killed, for its use of memory perhaps".to_owned(),
        Some(signal) => format!("signal {signal}"),
        None => format!("exit code {}", status.code().unwrap_or_default()),
    }
}

#[cfg(not(unix))]
fn ended(status: ExitStatus) -> String {
    status.to_string()
}

//! Parsing in a process of its own, for formats whose parsers can hang, overflow or eat memory.
//!
//! [`IsolatedParser`] sends such files to worker processes: any program that runs [`worker_main`] on its standard
//! input and output (the server starts itself again with a hidden subcommand). A worker serves many files and ends by
//! itself when it has had nothing to do for a while, or its parent is gone.

mod protocol;
mod worker;
mod worker_process;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Mutex;

use rag_core::{DocumentParser, ParseError, ParseErrorKind, ParseRequest, ParsedDocument};

pub use worker::worker_main;

use self::worker_process::{Failure, WorkerProcess};
use crate::format::Format;
use crate::{FileParser, ParseLimits};

/// Reads text, code, Markdown and CSV here, and all else in worker processes with limits of time and memory.
///
/// Any number of threads may parse at once; each has a worker of its own while it does. Workers that are done wait for
/// the next file, a few at most. Dropping the parser ends them.
///
/// ```no_run
/// use rag_core::{DocumentParser, ParseRequest};
/// use rag_parse::{ParseLimits, isolated::IsolatedParser};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // `server parse-worker` calls `rag_parse::isolated::worker_main`.
/// let program = std::env::current_exe()?;
/// let parser = IsolatedParser::new(program, ["parse-worker"], ParseLimits::default());
/// let file = std::fs::read("paper.pdf")?;
/// let parsed = parser.parse(&ParseRequest::new("paper.pdf", &file))?;
/// println!("{} pages", parsed.pages);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct IsolatedParser {
    program: PathBuf,
    args: Vec<OsString>,
    here: FileParser,
    idle: Mutex<Vec<WorkerProcess>>,
}

/// Workers that wait for the next file. More would only hold memory: they start in milliseconds.
const MOST_IDLE: usize = 4;

impl IsolatedParser {
    /// A parser whose workers are started as `program args…`. Nothing is started before the first file needs it.
    pub fn new<A: Into<OsString>>(
        program: impl Into<PathBuf>,
        args: impl IntoIterator<Item = A>,
        limits: ParseLimits,
    ) -> Self {
        Self {
            program: program.into(),
            args: args.into_iter().map(Into::into).collect(),
            here: FileParser::new(limits),
            idle: Mutex::default(),
        }
    }

    fn parse_elsewhere(&self, request: &ParseRequest<'_>) -> Result<ParsedDocument, ParseError> {
        if let Some(worker) = self.take_idle() {
            match self.ask(worker, request) {
                // It may have ended for reasons of earlier files, or of none: a new one gets a chance.
                Err(Failure::Ended(_)) => {}
                outcome => return self.report(request.name, outcome),
            }
        }
        let started = WorkerProcess::start(&self.program, &self.args);
        let outcome = started.and_then(|worker| self.ask(worker, request));
        self.report(request.name, outcome)
    }

    fn ask(
        &self,
        mut worker: WorkerProcess,
        request: &ParseRequest<'_>,
    ) -> Result<Result<ParsedDocument, ParseError>, Failure> {
        let outcome = worker.parse(request, self.here.limits())?;
        if let Ok(mut idle) = self.idle.lock()
            && worker.can_go_on()
            && idle.len() < MOST_IDLE
        {
            idle.push(worker);
        }
        Ok(outcome)
    }

    fn take_idle(&self) -> Option<WorkerProcess> {
        self.idle.lock().ok()?.pop()
    }

    fn report(
        &self,
        name: &str,
        outcome: Result<Result<ParsedDocument, ParseError>, Failure>,
    ) -> Result<ParsedDocument, ParseError> {
        let (kind, reason) = match outcome {
            Ok(outcome) => return outcome,
            Err(Failure::TimedOut) => {
                let time = self.here.limits().time;
                (ParseErrorKind::Timeout, format!("reading the file took longer than {time:?}"))
            }
            Err(Failure::Ended(how)) => (
                ParseErrorKind::Crashed,
                format!("reading the file brought the parser down ({how})"),
            ),
            Err(Failure::Start(error)) => {
                let program = self.program.display();
                (
                    ParseErrorKind::Crashed,
                    format!("the parser `{program}` cannot be started: {error}"),
                )
            }
            Err(Failure::ReplyTooLarge) => {
                (ParseErrorKind::TooLarge, "the file expands to more text than allowed".to_owned())
            }
        };
        tracing::warn!(name, ?kind, reason, "a file could not be read in a worker process");
        Err(ParseError::new(kind, reason))
    }
}

impl DocumentParser for IsolatedParser {
    fn parse(&self, request: &ParseRequest<'_>) -> Result<ParsedDocument, ParseError> {
        match self.here.admit(request.name, request.bytes)? {
            Format::Markdown
            | Format::Delimited
            | Format::Subtitles
            | Format::Code(_)
            | Format::Image(_)
            | Format::Text => self.here.parse(request),
            _ => self.parse_elsewhere(request),
        }
    }

    fn takes(&self, name: &str) -> bool {
        self.here.takes(name)
    }

    fn revision(&self) -> u32 {
        self.here.revision()
    }
}

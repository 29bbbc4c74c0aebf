//! [`Trace`]: what was done on the way to an answer.

use std::future::Future;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use tracing::Instrument;

use crate::DialogError;

/// Steps that are kept of a turn, and bytes of what went into one and came out.
const MOST_STEPS: usize = 128;
const MOST_BYTES: usize = 8 << 10;

/// The steps of a turn so far. Each is a span of `tracing` as well.
#[derive(Debug, Default)]
pub struct Trace {
    began: OnceLock<Instant>,
    steps: Mutex<Vec<Step>>,
}

/// Something that was done for a turn.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Step {
    /// What: `rewrite`, `translate`, `keywords`, `filter`, `sql`, `query`, `search`, `research`, `answer` (until it begins), `tool`,
    /// `write` (from its first word to its last), `related`, `mind_map`.
    pub name: String,
    /// When it began, in seconds since the turn did.
    pub at: f64,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// What went in: a prompt, a question. Its beginning, where it is long.
    pub input: String,
    /// What came out: a reply, what was found. Its beginning, where it is long.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub output: String,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

impl Trace {
    /// What has been done so far, in the order in which it ended.
    pub fn steps(&self) -> Vec<Step> {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets the clock, unless it runs.
    pub(crate) fn begin(&self) {
        self.began.get_or_init(Instant::now);
    }

    /// Does `work`, and notes it. When it is dropped before, nothing is noted.
    ///
    /// # Errors
    /// Those of `work`.
    pub(crate) async fn step<T>(
        &self,
        name: &'static str,
        input: &str,
        work: impl Future<Output = Result<T, DialogError>>,
        shown: impl FnOnce(&T) -> String,
    ) -> Result<T, DialogError> {
        let began = Instant::now();
        let since = *self.began.get_or_init(|| began);
        let span = tracing::info_span!("dialog step", otel.name = %format_args!("dialog {name}"));
        let done = Box::pin(work.instrument(span)).await;
        self.note(Step {
            name: name.to_owned(),
            at: (began - since).as_secs_f64(),
            seconds: began.elapsed().as_secs_f64(),
            input: shortened(input),
            output: done.as_ref().map(|done| shortened(&shown(done))).unwrap_or_default(),
            failure: done.as_ref().err().map(ToString::to_string),
        });
        done
    }

    /// Notes something that began then, and has just ended.
    pub(crate) fn ended(&self, name: &str, began: Instant, input: &str, output: &str) {
        let since = *self.began.get_or_init(|| began);
        self.note(Step {
            name: name.to_owned(),
            at: began.saturating_duration_since(since).as_secs_f64(),
            seconds: began.elapsed().as_secs_f64(),
            input: shortened(input),
            output: shortened(output),
            failure: None,
        });
    }

    fn note(&self, step: Step) {
        let mut steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        if steps.len() < MOST_STEPS {
            steps.push(step);
        }
    }
}

fn shortened(text: &str) -> String {
    text[..text.floor_char_boundary(MOST_BYTES)].to_owned()
}

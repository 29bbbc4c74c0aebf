//! Progress of ingestion on standard error: a bar on a terminal, nothing elsewhere.

use anyhow::Result;
use futures::StreamExt;
use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};
use rag_ingest::{IngestEvent, Progress};

use crate::app::App;

/// Does `work`, and shows meanwhile how far ingestion is. The bar begins when there is something to do, and is gone
/// when the work is done.
pub(super) async fn with_progress<T>(
    app: &App,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let mut bar = Bar::hidden();
    let progress = app.pipeline.progress();
    let before = progress.borrow().clone();
    let mut events = std::pin::pin!(app.pipeline.events());
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            biased;
            done = &mut work => return done,
            Some(event) = events.next() => {
                let now = progress.borrow().clone();
                bar.show(event, &before, &now);
            }
        }
    }
}

struct Bar {
    bar: ProgressBar,
    /// What is being done.
    step: String,
}

impl Bar {
    fn hidden() -> Self {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::hidden());
        let template = "{spinner} ingesting {pos}/{len} {wide_bar} {prefix} {msg}";
        let bar = match ProgressStyle::with_template(template) {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        };
        Self { bar, step: String::new() }
    }

    fn show(&mut self, event: IngestEvent, before: &Progress, now: &Progress) {
        match event {
            IngestEvent::Queued { .. } => self.bar.set_draw_target(ProgressDrawTarget::stderr()),
            IngestEvent::Stage { name, stage, .. } => {
                self.step = format!("{} {name}", stage.as_str());
            }
            IngestEvent::Advanced { name, stage, done, of, .. } => {
                self.step = format!("{} {done}/{of} {name}", stage.as_str());
            }
            IngestEvent::Paused(pause) => self.step = format!("waits: {}", pause.reason),
            _ => {}
        }
        self.bar.set_length(now.queued - before.queued);
        self.bar.set_position(now.ended() - before.ended());
        self.bar.set_prefix(rate(now));
        self.bar.set_message(self.step.clone());
    }
}

fn rate(now: &Progress) -> String {
    let chunks = HumanCount(now.chunks_per_second as u64);
    let bytes = HumanBytes(now.bytes_per_second as u64);
    let left = now.seconds_left.map(|seconds| format!(", {seconds} s left")).unwrap_or_default();
    format!("{chunks} chunks/s, {bytes}/s{left}")
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

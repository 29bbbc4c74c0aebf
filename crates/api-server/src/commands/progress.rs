//! Progress of ingestion on standard error: a bar on a terminal, nothing elsewhere.

use std::sync::Arc;

use anyhow::Result;
use futures::StreamExt;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rag_ingest::IngestEvent;

use crate::app::App;

/// Does `work`, and shows meanwhile how far ingestion is. The bar begins when there is something to do, and is gone
/// when the work is done.
pub(super) async fn with_progress<T>(
    app: &Arc<App>,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let bar = Bar::hidden();
    let mut events = std::pin::pin!(app.pipeline.events());
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            biased;
            done = &mut work => return done,
            Some(event) = events.next() => bar.event(event),
        }
    }
}

struct Bar(ProgressBar);

impl Bar {
    fn hidden() -> Self {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::hidden());
        let template = "{spinner} ingesting {pos}/{len} {wide_bar} {per_sec} {eta} {msg}";
        match ProgressStyle::with_template(template) {
            Ok(style) => Self(bar.with_style(style)),
            Err(_) => Self(bar),
        }
    }

    fn event(&self, event: IngestEvent) {
        match event {
            IngestEvent::Queued { total } => {
                self.0.inc_length(total);
                self.0.set_draw_target(ProgressDrawTarget::stderr());
            }
            IngestEvent::Stage { name, .. } => self.0.set_message(name),
            IngestEvent::Done { .. } | IngestEvent::Failed { .. } => self.0.inc(1),
            _ => {}
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

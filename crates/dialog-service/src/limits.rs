//! [`Limits`]: what ends a turn before its time.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::{DialogError, Turn};

/// Until when a turn may take, if there is an end, and whether it was stopped. With an end, it needs tokio's timer.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    end: Option<(Instant, Duration)>,
    stop: CancellationToken,
}

impl Limits {
    /// Those of a turn that begins now.
    pub(crate) fn of(turn: &Turn) -> Self {
        let end = |limit| Some((Instant::now().checked_add(limit)?, limit));
        Self { end: turn.dialog.deadline.and_then(end), stop: turn.stop.clone() }
    }

    /// Whether half of the time is over.
    pub(crate) fn is_half_over(&self) -> bool {
        self.end.is_some_and(|(end, limit)| Instant::now() + limit / 2 > end)
    }

    /// What `work` gives, if it gives it in time and before the turn is stopped; else it is dropped.
    ///
    /// # Errors
    /// [`DialogError::Stopped`], [`DialogError::Deadline`].
    pub(crate) async fn within<T>(&self, work: impl Future<Output = T>) -> Result<T, DialogError> {
        let in_time = async {
            match self.end {
                None => Ok(work.await),
                Some((end, limit)) => {
                    timeout_at(end, work).await.map_err(|_| DialogError::Deadline { limit })
                }
            }
        };
        self.stop.run_until_cancelled(in_time).await.unwrap_or(Err(DialogError::Stopped))
    }
}

//! [`Deadline`]: until when a turn may take.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::DialogError;

/// Until when a turn may take, if there is an end. With one, it needs tokio's timer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Option<(Instant, Duration)>);

impl Deadline {
    /// So long from now on.
    pub(crate) fn after(limit: Option<Duration>) -> Self {
        let end = |limit| Some((Instant::now().checked_add(limit)?, limit));
        Self(limit.and_then(end))
    }

    /// What `work` gives, if it gives it in time; else it is dropped.
    ///
    /// # Errors
    /// [`DialogError::Deadline`].
    pub(crate) async fn within<T>(self, work: impl Future<Output = T>) -> Result<T, DialogError> {
        match self.0 {
            None => Ok(work.await),
            Some((end, limit)) => {
                timeout_at(end, work).await.map_err(|_| DialogError::Deadline { limit })
            }
        }
    }
}

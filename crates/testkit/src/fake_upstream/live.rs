//! [`LiveStream`]: a streamed answer while it is under way.

use std::sync::Arc;
use std::time::Instant;

use super::{Shared, StreamEnd};

/// Counts a streamed answer while it is under way, and tells when and how it ended.
pub(super) struct LiveStream {
    state: Arc<Shared>,
    pub(super) tokens: usize,
    pub(super) is_over: bool,
}

impl LiveStream {
    pub(super) fn begin(state: Arc<Shared>) -> Self {
        {
            let mut inner = state.lock();
            inner.live += 1;
            inner.most_live = inner.most_live.max(inner.live);
        }
        Self { state, tokens: 0, is_over: false }
    }
}

impl Drop for LiveStream {
    fn drop(&mut self) {
        let end = StreamEnd { at: Instant::now(), tokens: self.tokens, by_client: !self.is_over };
        let mut inner = self.state.lock();
        inner.live = inner.live.saturating_sub(1);
        inner.ends.push_back(end);
        drop(inner);
        self.state.changed.notify_waiters();
    }
}

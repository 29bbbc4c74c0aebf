//! A bound on the memory of files in work.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes that files in work may take together. A file larger than all of it is worked on alone.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    units: Arc<Semaphore>,
    total: u32,
}

/// One permit stands for so many bytes.
const UNIT: u64 = 64 << 10;

/// A file's text, its structure, its chunks and their vectors take about so many times its bytes.
const EXPANSION: u64 = 6;

impl Budget {
    pub(crate) fn new(bytes: u64) -> Self {
        let total = u32::try_from(bytes / UNIT).unwrap_or(u32::MAX).max(1);
        Self { units: Arc::new(Semaphore::new(total as usize)), total }
    }

    /// Waits until a file of this size fits. The permit stands for its memory.
    pub(crate) async fn reserve(&self, file_bytes: u64) -> Option<OwnedSemaphorePermit> {
        let units = file_bytes.saturating_mul(EXPANSION) / UNIT + 1;
        let units = u32::try_from(units).unwrap_or(u32::MAX).min(self.total);
        // The semaphore is never closed.
        self.units.clone().acquire_many_owned(units).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn files_wait_for_memory_and_giants_go_alone() {
        let budget = Budget::new(12 << 20);
        let small = budget.reserve(1 << 20).now_or_never();
        assert!(small.is_some());
        assert!(budget.reserve(1 << 40).now_or_never().is_none());
        drop(small);
        assert!(budget.reserve(1 << 40).now_or_never().is_some());
    }
}

//! [`Overflow`]: records of calls that were refused or left while they waited for a place for their record.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::record::CallRecord;

/// Keeps a bounded number of records that came without a place, until the writer has time for them.
pub(crate) struct Overflow {
    records: Mutex<VecDeque<CallRecord>>,
    capacity: usize,
}

impl Overflow {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { records: Mutex::default(), capacity }
    }

    /// Keeps it if there is room.
    pub(crate) fn push(&self, record: CallRecord) -> bool {
        let mut records = self.lock();
        let has_room = records.len() < self.capacity;
        if has_room {
            records.push_back(record);
        }
        has_room
    }

    /// Gives out the oldest, `most` of them at most.
    pub(crate) fn take(&self, most: usize) -> Vec<CallRecord> {
        let mut records = self.lock();
        let taken = records.len().min(most);
        records.drain(..taken).collect()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<CallRecord>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

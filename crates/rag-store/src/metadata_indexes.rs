//! The metadata indexes of all datasets: made when first asked for, kept up to date by each commit, forgotten when
//! others need the room.

use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use rag_core::{StoreError, StoreErrorKind};
use rustc_hash::FxHashMap;

use crate::metadata_index::{MetadataChange, MetadataIndex, too_large};
use crate::snapshot::Change;

/// Holds indexes by the datasets' numbers in the database.
pub(crate) struct MetadataIndexes {
    slots: Mutex<FxHashMap<u32, Arc<Slot>>>,
    most_bytes: usize,
    /// Counts uses, to tell which index was not used for longest.
    uses: AtomicU64,
}

/// What is known of a dataset's metadata.
#[derive(Default)]
enum Content {
    #[default]
    Nothing,
    Index(MetadataIndex),
    /// More than may be kept, when it was tried.
    TooLarge,
}

#[derive(Default)]
struct Slot {
    content: RwLock<Content>,
    /// Changes that were committed while the index is being made.
    meanwhile: Mutex<Option<Vec<MetadataChange>>>,
    /// Held by who makes the index.
    making: Mutex<()>,
    used: AtomicU64,
}

impl MetadataIndexes {
    /// They take at most about `most_bytes` altogether.
    pub(crate) fn new(most_bytes: usize) -> Self {
        Self { slots: Mutex::default(), most_bytes, uses: AtomicU64::new(0) }
    }

    /// The room that one index may have.
    pub(crate) fn most_bytes(&self) -> usize {
        self.most_bytes
    }

    /// Takes committed changes into account.
    pub(crate) fn apply_all(&self, changes: &[Change]) {
        for change in changes {
            match change {
                Change::Metadata(change) => self.apply(change),
                Change::DatasetGone(dataset) => self.forget(dataset.row),
                _ => {}
            }
        }
    }

    fn apply(&self, change: &MetadataChange) {
        let Some(slot) = lock(&self.slots).get(&change.dataset).cloned() else { return };
        if !slot.apply(change, self.most_bytes) {
            self.forget(change.dataset);
        }
    }

    fn forget(&self, dataset: u32) {
        lock(&self.slots).remove(&dataset);
    }

    /// Asks the index of a dataset, which is made by `make` if there is none.
    pub(crate) fn ask<T>(
        &self,
        dataset: u32,
        make: impl FnOnce() -> Result<MetadataIndex, StoreError>,
        ask: impl FnOnce(&MetadataIndex) -> T,
    ) -> Result<T, StoreError> {
        let slot = lock(&self.slots).entry(dataset).or_default().clone();
        slot.used.store(self.uses.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        if slot.is_unknown() {
            let _making = lock(&slot.making);
            if slot.is_unknown() {
                slot.make(make)?;
                self.make_room(dataset);
            }
        }
        match &*slot.read() {
            Content::Index(index) => Ok(ask(index)),
            Content::Nothing | Content::TooLarge => Err(too_large()),
        }
    }

    /// Forgets indexes, those not used for longest first, but not this one's.
    fn make_room(&self, newest: u32) {
        let mut slots = lock(&self.slots);
        let mut sizes: Vec<(u64, u32, usize)> = slots
            .iter()
            .map(|(dataset, slot)| (slot.used.load(Ordering::Relaxed), *dataset, slot.bytes()))
            .collect();
        sizes.sort_unstable();
        let mut total: usize = sizes.iter().map(|(_, _, bytes)| bytes).sum();
        for (_, dataset, bytes) in sizes {
            if total <= self.most_bytes {
                break;
            }
            if dataset != newest
                && bytes > 0
                && let Entry::Occupied(slot) = slots.entry(dataset)
            {
                slot.remove();
                total -= bytes;
            }
        }
    }
}

impl Slot {
    fn read(&self) -> RwLockReadGuard<'_, Content> {
        self.content.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_unknown(&self) -> bool {
        matches!(&*self.read(), Content::Nothing)
    }

    /// Whether the index is as it should be; not after a failure, nor when it grew too large.
    fn apply(&self, change: &MetadataChange, most_bytes: usize) -> bool {
        let mut meanwhile = lock(&self.meanwhile);
        if let Some(meanwhile) = &mut *meanwhile {
            meanwhile.push(change.clone());
            return true;
        }
        match &mut *self.content.write().unwrap_or_else(PoisonError::into_inner) {
            Content::Index(index) => index.apply(change).is_ok() && index.bytes() <= most_bytes,
            Content::Nothing | Content::TooLarge => true,
        }
    }

    fn make(
        &self,
        make: impl FnOnce() -> Result<MetadataIndex, StoreError>,
    ) -> Result<(), StoreError> {
        *lock(&self.meanwhile) = Some(Vec::new());
        let made = make();
        // From here on changes wait until the index has those that came meanwhile.
        let mut meanwhile = lock(&self.meanwhile);
        let changes = meanwhile.take().unwrap_or_default();
        let content = match made {
            Ok(mut index) => {
                changes.iter().try_for_each(|change| index.apply(change))?;
                Content::Index(index)
            }
            Err(error) if error.kind() == StoreErrorKind::Full => Content::TooLarge,
            Err(error) => return Err(error),
        };
        *self.content.write().unwrap_or_else(PoisonError::into_inner) = content;
        Ok(())
    }

    fn bytes(&self) -> usize {
        match &*self.read() {
            Content::Index(index) => index.bytes(),
            Content::Nothing | Content::TooLarge => 0,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

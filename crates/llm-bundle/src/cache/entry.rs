//! A kept answer as bytes: when it was kept, and its events in MessagePack, one after the other.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use super::event::{CacheableEvent, Completeness};

/// The first byte of every entry. What was written in another form is not read, which is a miss.
const FORM: u8 = 1;

/// [`FORM`], and the milliseconds since the epoch.
const HEAD: usize = 9;

/// Takes the events of an answer as they pass, as long as they fit.
pub(super) struct Tape {
    bytes: Vec<u8>,
    limit: usize,
    items: usize,
    completeness: Completeness,
    is_full: bool,
}

impl Tape {
    /// Records at most `limit` bytes of an answer about so many `items`.
    pub(super) fn new(limit: usize, items: usize) -> Self {
        let mut bytes = vec![FORM];
        bytes.extend([0; HEAD - 1]);
        Self { bytes, limit, items, completeness: Completeness::default(), is_full: false }
    }

    /// Records an event. Gives its size in bytes, also when it does not fit any more.
    pub(super) fn push<E: CacheableEvent>(&mut self, event: &E) -> usize {
        if self.is_full {
            self.bytes.clear();
        }
        let before = self.bytes.len();
        let written =
            event.serialize(&mut rmp_serde::Serializer::new(&mut self.bytes).with_struct_map());
        let size = self.bytes.len() - before;
        if written.is_err() || self.bytes.len() > self.limit {
            self.is_full = true;
            self.bytes = Vec::new();
        } else if !self.is_full {
            event.check(self.items, &mut self.completeness);
        }
        size
    }

    /// What to keep, once the answer has come to its end; nothing if it is not whole, not good, or too big.
    pub(super) fn finish(&mut self) -> Option<Bytes> {
        if self.is_full || !self.completeness.is_complete() {
            return None;
        }
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.get_mut(1..HEAD)?.copy_from_slice(&now().to_le_bytes());
        self.is_full = true;
        Some(bytes.into())
    }
}

/// Reads an entry: the events, and how long ago they were kept. `None` for what cannot be read.
pub(super) fn read<E: CacheableEvent>(bytes: &[u8]) -> Option<(Vec<E>, Duration)> {
    let (head, mut rest) = bytes.split_at_checked(HEAD)?;
    let (form, kept_at) = head.split_first()?;
    if *form != FORM {
        return None;
    }
    let kept_at = u64::from_le_bytes(kept_at.try_into().ok()?);
    let mut events = Vec::new();
    while !rest.is_empty() {
        let mut reader = rmp_serde::Deserializer::new(&mut rest);
        events.push(E::deserialize(&mut reader).ok()?);
    }
    Some((events, Duration::from_millis(now().saturating_sub(kept_at))))
}

/// Milliseconds since the epoch; replicas share entries, so that their clocks have to do.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |age| age.as_millis() as u64)
}

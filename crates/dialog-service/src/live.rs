//! [`LiveTurn`]: a turn that goes on whether anybody looks or not, and can be looked at from any event on.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use async_stream::stream;
use futures::Stream;
use rag_core::{SessionId, TenantId, TurnId, TurnStatus};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{DialogEvent, TurnFailure};

/// An event of a turn with its number.
#[derive(Clone, Debug, PartialEq)]
pub struct NumberedEvent {
    /// From 1, without gaps.
    pub id: u64,
    /// The event. The last one is [`DialogEvent::Done`] or a failure.
    pub event: Result<DialogEvent, TurnFailure>,
}

/// A turn under way, or one that ended lately. Its events are kept until it is forgotten, so a reader who lost the
/// connection goes on where it was; a reader who is slow holds nobody up.
#[derive(Debug)]
pub struct LiveTurn {
    /// Its id.
    pub id: TurnId,
    /// Who asked.
    pub tenant: TenantId,
    /// The conversation that it belongs to.
    pub session: SessionId,
    log: Mutex<Log>,
    /// Told when the log grows or ends.
    grown: watch::Sender<()>,
    readers: watch::Sender<usize>,
    stop: CancellationToken,
    stopped_as: OnceLock<TurnStatus>,
}

#[derive(Debug, Default)]
struct Log {
    events: Vec<Arc<NumberedEvent>>,
    bytes: usize,
    has_ended: bool,
}

impl LiveTurn {
    /// A turn that begins; cancelling `stop` ends it.
    pub(crate) fn new(
        id: TurnId,
        tenant: TenantId,
        session: SessionId,
        stop: CancellationToken,
    ) -> Self {
        Self {
            id,
            tenant,
            session,
            log: Mutex::default(),
            grown: watch::Sender::new(()),
            readers: watch::Sender::new(0),
            stop,
            stopped_as: OnceLock::new(),
        }
    }

    /// Its events after the one of this number (0: all), as they come, to the last one. Dropping the stream leaves the
    /// turn as it is.
    pub fn events(
        self: &Arc<Self>,
        after: u64,
    ) -> impl Stream<Item = Arc<NumberedEvent>> + Send + use<> {
        let turn = self.clone();
        let reading = Reading::new(turn.clone());
        let mut grown = self.grown.subscribe();
        stream! {
            let _reading = reading;
            let mut seen = after;
            loop {
                grown.mark_unchanged();
                let (events, has_ended) = turn.since(seen);
                for event in events {
                    seen = event.id;
                    yield event;
                }
                if has_ended || grown.changed().await.is_err() {
                    return;
                }
            }
        }
    }

    /// Ends the turn where it is. One that has ended stays as it is.
    pub fn stop(&self) {
        self.stop_as(TurnStatus::Stopped);
    }

    /// Whether its last event is there.
    pub fn has_ended(&self) -> bool {
        self.log().has_ended
    }

    /// Ends the turn where it is, to be kept as this, unless it was stopped before. Whether it was not.
    pub(crate) fn stop_as(&self, status: TurnStatus) -> bool {
        let is_first = self.stopped_as.set(status).is_ok();
        self.stop.cancel();
        is_first
    }

    /// As what a stopped turn is kept: who stops it without a word is the process.
    pub(crate) fn stopped_as(&self) -> TurnStatus {
        self.stopped_as.get().copied().unwrap_or(TurnStatus::Interrupted)
    }

    /// Adds an event. How many bytes the log takes by now, roughly.
    pub(crate) fn push(&self, event: Result<DialogEvent, TurnFailure>) -> usize {
        self.append(event, false)
    }

    /// Adds the last event, unless it is there.
    pub(crate) fn end(&self, event: Result<DialogEvent, TurnFailure>) {
        self.append(event, true);
    }

    fn append(&self, event: Result<DialogEvent, TurnFailure>, is_last: bool) -> usize {
        let mut log = self.log();
        if !log.has_ended {
            log.bytes += size(&event);
            let id = log.events.len() as u64 + 1;
            log.events.push(Arc::new(NumberedEvent { id, event }));
            log.has_ended = is_last;
        }
        let bytes = log.bytes;
        drop(log);
        self.grown.send_replace(());
        bytes
    }

    /// Roughly what its events take in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.log().bytes
    }

    /// Waits until nobody has read it for so long. Counts from now if nobody has begun.
    pub(crate) async fn is_left_for(&self, limit: Duration) {
        let mut readers = self.readers.subscribe();
        loop {
            let Ok(_) = readers.wait_for(|readers| *readers == 0).await else {
                return;
            };
            let somebody = readers.wait_for(|readers| *readers > 0);
            if tokio::time::timeout(limit, somebody).await.is_err() {
                return;
            }
        }
    }

    /// The events after the one of this number, and whether the last one is among what is known.
    fn since(&self, seen: u64) -> (Vec<Arc<NumberedEvent>>, bool) {
        let log = self.log();
        let first = usize::try_from(seen).unwrap_or(usize::MAX).min(log.events.len());
        (log.events[first..].to_vec(), log.has_ended)
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody reads a turn.
struct Reading(Arc<LiveTurn>);

impl Reading {
    fn new(turn: Arc<LiveTurn>) -> Self {
        turn.readers.send_modify(|readers| *readers += 1);
        Self(turn)
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.readers.send_modify(|readers| *readers -= 1);
    }
}

/// What an event takes besides its texts.
const EVENT: usize = 256;

/// Roughly what an event takes in memory.
fn size(event: &Result<DialogEvent, TurnFailure>) -> usize {
    EVENT
        + match event {
            Ok(DialogEvent::Delta { text }) => text.len(),
            Ok(DialogEvent::Reasoning(delta)) => delta.text.len(),
            Ok(DialogEvent::Citation(citation)) => citation.quote.len(),
            Ok(DialogEvent::Retrieved { passages, .. }) => {
                passages.iter().map(|passage| passage.chunk.text.len() + EVENT).sum()
            }
            _ => 0,
        }
}

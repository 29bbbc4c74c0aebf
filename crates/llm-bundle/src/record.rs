//! [`CallRecord`]: what remains of a call, whichever way it ended.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures::future::BoxFuture;
use llm_core::{ErrorKind, FinishReason, ModelError, ModelName, Operation, Usage};
use service_guards::{Outcome, Priority};
use tokio::sync::mpsc::OwnedPermit;
use uuid::Uuid;

use crate::cache::CacheStatus;
use crate::content::Capture;

/// One model call. Every call that was begun ends as exactly one record: completed, failed or cancelled, answered from
/// a cache or refused before anybody was asked ([`ending`](Self::ending)).
#[derive(Clone, Debug, PartialEq)]
pub struct CallRecord {
    /// Tells it from all others, for ever; ids made later are greater (UUID version 7).
    pub id: Uuid,
    /// The trace that the call is part of. Left out here; a [`RecordSink`] may fill it in, since it is given the record
    /// inside the span of the call.
    pub trace: Option<u128>,
    /// On whose behalf it was made.
    pub tenant: Option<Arc<str>>,
    /// The id of the API key that it was made with.
    pub key: Option<Arc<str>>,
    /// Whether somebody waited for it.
    pub priority: Priority,
    /// The name that was asked for.
    pub route: Arc<str>,
    /// The model that answered; the last one that was asked, where none did; the first one that would have been, where
    /// none was asked.
    pub target: Arc<ModelName>,
    /// What was done.
    pub operation: Operation,
    /// How it ended.
    pub outcome: Outcome,
    /// What the cache did for it, where there is one. What is free ([`CacheStatus::is_free`]) consumed nothing and cost
    /// nothing: the answer's usage is in the record of the call that it was made for.
    pub cache: Option<CacheStatus>,
    /// Why the answer ended, where the model said.
    pub finish: Option<FinishReason>,
    /// Why the call failed, if it did.
    pub error: Option<ErrorKind>,
    /// What was consumed. Counts that the provider did not tell are estimated from the text and marked so.
    pub usage: Usage,
    /// What it cost in US dollars, where the provider or the price list says.
    pub cost: Option<f64>,
    /// How often models were asked; 0 for a call that never left the queue.
    pub attempts: u32,
    /// How many events were handed out.
    pub events: u64,
    /// When the call was made.
    pub started: SystemTime,
    /// From the call to its first attempt: waiting for its turn. `None` for a call that never left the queue.
    pub queued: Option<Duration>,
    /// From the call to its first event, where there was one.
    pub first_event: Option<Duration>,
    /// From the call to its end.
    pub total: Duration,
    /// The provider's id of the request, where it told one.
    pub request_id: Option<Arc<str>>,
    /// The provider's id of the answer, where it told one.
    pub response_id: Option<Arc<str>>,
    /// The model that answered, as the provider named it.
    pub response_model: Option<Arc<str>>,
}

impl CallRecord {
    /// Whether the answer was given before, or shared with another call.
    pub fn is_free(&self) -> bool {
        self.cache.is_some_and(CacheStatus::is_free)
    }

    /// How the call ended, told apart as far as those who pay want to know.
    pub fn ending(&self) -> Ending {
        match self.outcome {
            Outcome::Completed if self.is_free() => Ending::Cached,
            Outcome::Completed => Ending::Completed,
            Outcome::Failed if self.attempts == 0 => Ending::Refused,
            Outcome::Failed => Ending::Failed,
            Outcome::Cancelled => Ending::Cancelled,
        }
    }
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    /// A model answered to the end.
    Completed,
    /// The answer was one that was given before.
    Cached,
    /// A model was asked, and the call failed.
    Failed,
    /// The call failed before a model was asked: a limit, a full queue.
    Refused,
    /// Whoever asked left before the end.
    Cancelled,
}

impl Ending {
    /// All of them.
    pub const ALL: [Ending; 5] =
        [Self::Completed, Self::Cached, Self::Failed, Self::Refused, Self::Cancelled];

    /// A stable name for logs, metrics and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Ending::Completed => "completed",
            Ending::Cached => "cached",
            Ending::Failed => "failed",
            Ending::Refused => "refused",
            Ending::Cancelled => "cancelled",
        }
    }
}

/// Takes records as calls end.
///
/// A sink that has no room for any number of records gives each call its [`Place`] when it begins, so that its record
/// can be taken at once when it ends, which may be in a `Drop`. [`RecordQueue`](crate::RecordQueue) is such a sink;
/// one that adds something to it hands `reserve` and the place on.
pub trait RecordSink: Send + Sync {
    /// Keeps a place for the record of a call that is about to begin. Costs no allocation while there is one.
    fn reserve(&self) -> Reservation {
        Reservation::Ready(Place::unlimited())
    }

    /// Takes the record of a call that ended, with the place that was kept for it. Runs on the path of the call, inside
    /// its span, possibly in a `Drop`: it must neither block nor panic.
    fn record(&self, record: CallRecord, place: Place);

    /// Whether what is asked and answered shall be written into the spans of the calls, and how. Default: never.
    fn capture(&self) -> Option<&Capture> {
        None
    }
}

/// Forgets all records.
impl RecordSink for () {
    fn record(&self, _: CallRecord, _: Place) {}
}

impl<F: Fn(CallRecord) + Send + Sync> RecordSink for F {
    fn record(&self, record: CallRecord, _: Place) {
        self(record);
    }
}

/// The answer to a call that wants to begin.
pub enum Reservation {
    /// There is a place.
    Ready(Place),
    /// There will be one when this resolves, or an error when none came in time. Dropping it gives up waiting.
    Waiting(BoxFuture<'static, Result<Place, ModelError>>),
}

/// Room for one record. Dropping it gives the room back.
pub struct Place(Option<OwnedPermit<CallRecord>>);

impl Place {
    /// A place at a sink that has room for any number.
    pub fn unlimited() -> Self {
        Self(None)
    }

    pub(crate) fn of(permit: OwnedPermit<CallRecord>) -> Self {
        Self(Some(permit))
    }

    pub(crate) fn into_permit(self) -> Option<OwnedPermit<CallRecord>> {
        self.0
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("limited", &self.0.is_some()).finish()
    }
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reservation::Ready(place) => f.debug_tuple("Ready").field(place).finish(),
            Reservation::Waiting(_) => f.write_str("Waiting"),
        }
    }
}

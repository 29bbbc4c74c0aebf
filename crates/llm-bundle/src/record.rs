//! [`CallRecord`]: what remains of a call, whichever way it ended.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use llm_core::{ErrorKind, FinishReason, ModelName, Operation, Usage};
use service_guards::Outcome;

/// One model call. Every call that was begun ends as exactly one record: completed, failed or cancelled.
#[derive(Clone, Debug, PartialEq)]
pub struct CallRecord {
    /// On whose behalf it was made.
    pub tenant: Option<Arc<str>>,
    /// The model that was asked.
    pub model: Arc<ModelName>,
    /// What was done.
    pub operation: Operation,
    /// How it ended.
    pub outcome: Outcome,
    /// Why the answer ended, where the model said.
    pub finish: Option<FinishReason>,
    /// Why the call failed, if it did.
    pub error: Option<ErrorKind>,
    /// What was consumed. Counts that the provider did not tell are estimated from the text and marked so.
    pub usage: Usage,
    /// What it cost in US dollars, where the provider or the price list says.
    pub cost: Option<f64>,
    /// How often the provider was asked; 0 for a call that never left the queue.
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
}

/// Takes records as calls end. `record` runs on the path of the call, possibly in a `Drop`: it must neither block nor
/// panic. Sinks that write put the record into a bounded queue.
pub trait RecordSink: Send + Sync {
    /// Takes one record.
    fn record(&self, record: CallRecord);
}

/// Forgets all records.
impl RecordSink for () {
    fn record(&self, _: CallRecord) {}
}

impl<F: Fn(CallRecord) + Send + Sync> RecordSink for F {
    fn record(&self, record: CallRecord) {
        self(record);
    }
}

//! Tower layers for calls whose answer is a *stream*: a limit, a deadline, a meter or a span holds until the stream
//! ends, not until its head arrives.
//!
//! Stock tower layers let go when the response future resolves. For a streamed answer that is the moment the work
//! *begins*: a concurrency limit of two then admits any number of live streams. Here the answer is a [`Reply`], and
//! whatever must outlast the head travels inside it ([`Hold::hold`]) until the reply is consumed or dropped.
//!
//! | layer | holds or ends |
//! |---|---|
//! | [`MeterLayer`] | reports once how a call ended: completed, failed, or dropped half-way |
//! | [`DeadlineLayer`] | the whole call, its stream included |
//! | [`InFlightLayer`] | how many answers live at once, and how many callers wait; urgent ones go first |
//! | [`RetryLayer`] | tries again on a typed hint, within a budget, never after the answer has begun |
//! | [`BreakerLayer`] | leaves a service alone that fails or asks for a rest, and probes whether it works again |
//! | [`AttemptLimitsLayer`] | the time to the first event, and the silence between two |
//!
//! Below the layers stand parts that others build on: [`SlidingWindow`] counts what was taken in any minute, [`Line`]
//!
//! The layers are listed in the order in which they should stand, outermost first. All of them are ready at any time and
//! wait inside the call, so a call that is dropped leaves nothing behind.
//!
//! ```
//! use futures::{StreamExt, executor::block_on, stream};
//! use service_guards::{Hold, Reply};
//! use std::sync::Arc;
//!
//! let permit = Arc::new(());
//! let words = stream::iter(["to", "be"].map(Ok::<_, String>));
//! let mut reply = Reply::new(words).hold(permit.clone());
//!
//! assert_eq!(Arc::strong_count(&permit), 2, "held while the stream is alive");
//! block_on(async { while reply.next().await.is_some() {} });
//! assert_eq!(Arc::strong_count(&permit), 1, "released when it ended");
//! ```

mod admission;
mod attempt_limits;
mod breaker;
mod breaker_layer;
mod clock;
mod deadline;
mod health;
#[cfg(feature = "http-body")]
mod held_body;
mod in_flight;
mod line;
mod meter;
mod priority;
mod recent;
mod reply;
mod retry;
mod retry_budget;
mod retry_hint;
mod sliding_window;
mod sync;
mod verdict;

pub use attempt_limits::{AttemptLimits, AttemptLimitsLayer, ChooseLimits, LimitedAttempt};
pub use breaker::{Breaker, BreakerOptions, BreakerStatus, Pass};
pub use breaker_layer::{BreakerLayer, BreakerService};
pub use deadline::{Deadline, DeadlineLayer};
#[cfg(feature = "http-body")]
pub use held_body::{HeldBody, Shed, ShedLayer};
pub use in_flight::{
    ChoosePriority, InFlight, InFlightLayer, InFlightOptions, InFlightService, Permit,
};
pub use line::{Attempt, LeftLine, Line};
pub use meter::{Meter, MeterLayer, Observer, Outcome, Summary};
pub use priority::{Priority, batch_share};
pub use reply::{Hold, Reply, Source};
pub use retry::{ChooseRetry, RetryLayer, RetryOptions, Retrying};
pub use retry_budget::RetryBudget;
pub use retry_hint::{Rejection, RestCause, Retry, RetryHint};
pub use sliding_window::{Misfit, SlidingWindow, Taken};
pub use verdict::{Judge, Verdict};

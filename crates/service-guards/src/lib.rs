//! Tower layers for calls whose answer is a *stream*: a limit, a deadline, a meter or a span holds until the stream
//! ends, not until its head arrives.
//!
//! Stock tower layers let go when the response future resolves. For a streamed answer that is the moment the work
//! *begins*: a concurrency limit of two then admits any number of live streams. Here the answer is a [`Reply`], and
//! whatever must outlast the head travels inside it ([`Hold::hold`]) until the reply is consumed or dropped.
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

mod reply;
mod retry_hint;

pub use reply::{Hold, Reply};
pub use retry_hint::{Rejection, Retry, RetryHint};

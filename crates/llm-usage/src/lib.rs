//! Usage records of `llm-bundle`, kept in a file of SQLite: who consumed what, from which model, when, and what it cost.
//!
//! A [`UsageStore`] takes records in batches, [sums](UsageStore::sums) them by tenant, key, model, day and so on, tells
//! [how long](UsageStore::latencies) they took, and hands them out [page by page](UsageStore::page). Its calls block on the disk, for milliseconds when there is much to
//! sum: an async program makes them on a thread (`llm_bundle::SyncPool`).
//!
//! ```
//! use llm_usage::{Dimension, Filter, Retention, UsageStore};
//!
//! # let folder = tempfile::tempdir()?;
//! let store = UsageStore::open(&folder.path().join("usage.db"), Retention::default())?;
//! store.append(&[])?;
//!
//! let filter = Filter { tenant: Some("acme".into()), ..Filter::default() };
//! let sums = store.sums(&filter, &[Dimension::Day, Dimension::Model])?;
//! assert!(sums.groups.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod dimension;
mod error;
mod filter;
mod latency;
mod page;
mod quantiles;
mod retention;
mod row;
mod schema;
mod store;
mod sums;

pub use dimension::{Dimension, UnknownDimension};
pub use error::UsageError;
pub use filter::Filter;
pub use latency::{Latencies, Latency, LatencyGroup, MOST_MEASURED, Percentiles};
pub use page::{MOST_RECORDS, Page};
pub use retention::Retention;
pub use row::StoredCall;
pub use store::UsageStore;
pub use sums::{Group, MOST_GROUPS, Sums, Totals};

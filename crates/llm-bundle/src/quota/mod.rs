//! Quotas: how much tenants, API keys and providers may use, counted before a call and put right after it.
//!
//! | part | does |
//! |---|---|
//! | [`Limits`] | requests and tokens a minute, calls at once, money a day |
//! | [`Quotas`] | which limits hold for whom, and where they are counted |
//! | [`QuotaLayer`] | reserves what a call may need, lets it wait a little, and settles what it used |
//! | [`LimitStore`] | counts: [`MemoryLimits`] for one process, others for many |

mod demand;
mod layer;
mod limits;
mod memory;
mod quotas;
mod refused;
mod spending;
mod store;

pub use layer::{Quota, QuotaLayer};
pub use limits::{Limits, Measure, Scope, ScopeKind};
pub use memory::MemoryLimits;
pub use quotas::{Quotas, QuotasBuilder};
pub use store::{Charge, Consumed, LimitStore, Refusal, Reservation};

//! [`Spending`]: what a call under way has reserved, settled when it ends, whichever way.

use std::sync::Arc;

use super::Consumed;
use super::limits::nanodollars;
use super::quotas::Reserved;
use crate::call::{Bill, Trail};
use crate::payee::Payee;

/// What a call has reserved. It is held in the call's reply; its `Drop` settles by what the trail tells of the attempts
/// that were made meanwhile.
pub(super) struct Spending {
    reserved: Option<Reserved>,
    trail: Arc<Trail>,
    /// Whose bills count; of all targets where nobody is named.
    payee: Option<Arc<Payee>>,
    before: Bill,
}

impl Spending {
    pub(super) fn new(reserved: Reserved, trail: Arc<Trail>, payee: Option<Arc<Payee>>) -> Self {
        let before = trail.bill(payee.as_deref());
        Self { reserved: Some(reserved), trail, payee, before }
    }

    fn consumed(&self) -> Consumed {
        let (before, now) = (&self.before, self.trail.bill(self.payee.as_deref()));
        let attempts = now.attempts.saturating_sub(before.attempts);
        let tokens = |bill: &Bill| bill.usage.total_tokens().unwrap_or(0);
        let cost = now.cost.unwrap_or(0.0) - before.cost.unwrap_or(0.0);
        // Something was used that has a price, but nobody knows how much of it.
        let is_unknown = now.has_unknown_cost && !before.has_unknown_cost;
        Consumed {
            requests: u64::from(attempts.min(1)),
            attempts: u64::from(attempts),
            tokens: tokens(&now).saturating_sub(tokens(before)),
            nanodollars: (!is_unknown).then(|| nanodollars(cost)),
        }
    }
}

impl Drop for Spending {
    fn drop(&mut self) {
        if let Some(Reserved { reservation, line }) = self.reserved.take() {
            reservation.settle(&self.consumed());
            // Something has come back nearly always, and who stands first can tell.
            line.nudge();
        }
    }
}

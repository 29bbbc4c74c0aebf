//! Moments that may lie beyond what a clock can say.

use std::time::Duration;

use tokio::time::Instant;

/// More than any call lasts, and less than any clock's range.
const FAR: Duration = Duration::from_secs(86_400 * 365 * 30);

/// The moment `wait` after `start`; "never" (thirty years) for a wait that the clock cannot express.
pub(crate) fn after(start: Instant, wait: Duration) -> Instant {
    start.checked_add(wait.min(FAR)).unwrap_or(start)
}

//! The lock that [`Admission`](crate::admission) stands on. `tests/interleavings.rs` compiles that file with another
//! module of this name, whose lock lets a scheduler try the orders in which threads may come.

pub(crate) use std::sync::{Mutex, MutexGuard, PoisonError};

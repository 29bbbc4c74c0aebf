//! The lock and the condition variable that [`JobQueue`](crate::job_queue) stands on. `tests/interleavings.rs` compiles
//! that file with another module of this name, whose locks let a scheduler try the orders in which threads may come.

pub(crate) use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

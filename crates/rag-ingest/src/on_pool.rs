//! Running work on the pool.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use llm_bundle::{PoolError, Priority, SyncPool};

/// How long to leave a pool alone that has no room.
const NO_ROOM: Duration = Duration::from_millis(50);

/// Runs work on the pool, waiting while the pool has no room. Work that has not begun when the caller leaves is not done.
pub(crate) async fn on_pool<T, F>(
    pool: &SyncPool,
    priority: Priority,
    work: F,
) -> Result<T, PoolError>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    // A pool without room drops what it is given, so it is given a way to fetch the work.
    let work = Arc::new(Mutex::new(Some(work)));
    loop {
        let fetch = work.clone();
        let run = move || {
            let work = fetch.lock().ok().and_then(|mut work| work.take());
            work.map(|work| work())
        };
        match pool.run_as(priority, run).await {
            Ok(Some(done)) => return Ok(done),
            Ok(None) | Err(PoolError::Busy { .. }) => tokio::time::sleep(NO_ROOM).await,
            Err(error) => return Err(error),
        }
    }
}

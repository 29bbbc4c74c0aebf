//! [`run`]: many callers that retrieve at the same time, from tasks and from threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use anyhow::{Result, anyhow};
use tokio::runtime::Handle;

use crate::library::Library;

/// Retrieves again and again, until `goes_on` says no, from this many tasks of `home` and as many plain threads.
/// Each retrieval runs on the pool for callers; `done` counts them.
///
/// # Errors
/// When one failed.
pub fn run(
    library: &Library,
    home: &Handle,
    half: usize,
    done: &Arc<AtomicU64>,
    goes_on: impl Fn(u64) -> bool + Clone + Send + 'static,
) -> Result<()> {
    let tasks: Vec<_> = (0..half)
        .map(|_| {
            let (library, done, goes_on) = (library.clone(), done.clone(), goes_on.clone());
            home.spawn(async move {
                for round in 0.. {
                    if !goes_on(round) {
                        break;
                    }
                    let at = library.clone();
                    library.callers.run(move || at.retrieve()).await??;
                    done.fetch_add(1, Ordering::Relaxed);
                }
                anyhow::Ok(())
            })
        })
        .collect();
    let threads: Vec<_> = (0..half)
        .map(|_| {
            let (library, done, goes_on) = (library.clone(), done.clone(), goes_on.clone());
            thread::spawn(move || {
                for round in 0.. {
                    if !goes_on(round) {
                        break;
                    }
                    let at = library.clone();
                    library.callers.run_blocking(move || at.retrieve())??;
                    done.fetch_add(1, Ordering::Relaxed);
                }
                anyhow::Ok(())
            })
        })
        .collect();
    for thread in threads {
        thread.join().map_err(|_| anyhow!("a thread panicked"))??;
    }
    for task in tasks {
        home.block_on(task)??;
    }
    Ok(())
}

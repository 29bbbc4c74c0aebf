//! [`RecentTurns`]: turns under way, and those that ended lately.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rag_core::{SessionId, TenantId, TurnId};
use tokio::time::Instant;

use crate::live::LiveTurn;

/// Turns by their id. Those that ended are forgotten, the oldest first, when they are too many or too old, or take too
/// much room.
#[derive(Debug)]
pub(crate) struct RecentTurns {
    limits: RecentLimits,
    known: Mutex<Known>,
}

/// How long turns that ended are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecentLimits {
    pub(crate) most: usize,
    pub(crate) most_bytes: usize,
    pub(crate) age: Duration,
}

#[derive(Debug, Default)]
struct Known {
    turns: HashMap<TurnId, Arc<LiveTurn>>,
    /// In the order in which they ended.
    ended: VecDeque<Ended>,
    ended_bytes: usize,
}

#[derive(Debug)]
struct Ended {
    id: TurnId,
    at: Instant,
    bytes: usize,
}

impl RecentTurns {
    pub(crate) fn new(limits: RecentLimits) -> Self {
        Self { limits, known: Mutex::default() }
    }

    /// The tenant's turn of that id, if it is known.
    pub(crate) fn get(&self, tenant: &TenantId, id: &TurnId) -> Option<Arc<LiveTurn>> {
        let mut known = self.known();
        known.forget(self.limits);
        known.turns.get(id).filter(|turn| turn.tenant == *tenant).cloned()
    }

    /// Stops the turns of a session.
    pub(crate) fn stop_session(&self, tenant: &TenantId, session: &SessionId) {
        let of_session = |turn: &&Arc<LiveTurn>| turn.session == *session && turn.tenant == *tenant;
        self.known().turns.values().filter(of_session).for_each(|turn| turn.stop());
    }

    /// Notes a turn that begins.
    pub(crate) fn begin(&self, turn: Arc<LiveTurn>) {
        self.known().turns.insert(turn.id.clone(), turn);
    }

    /// Notes that a turn has ended.
    pub(crate) fn end(&self, turn: &LiveTurn) {
        let mut known = self.known();
        let bytes = turn.bytes();
        known.ended_bytes += bytes;
        known.ended.push_back(Ended { id: turn.id.clone(), at: Instant::now(), bytes });
        known.forget(self.limits);
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn forget(&mut self, limits: RecentLimits) {
        while let Some(oldest) = self.ended.front() {
            let is_kept = self.ended.len() <= limits.most
                && self.ended_bytes <= limits.most_bytes
                && oldest.at.elapsed() < limits.age;
            if is_kept {
                return;
            }
            self.turns.remove(&oldest.id);
            self.ended_bytes -= oldest.bytes;
            self.ended.pop_front();
        }
    }
}

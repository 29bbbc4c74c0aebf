//! [`BusySessions`]: one turn at a time in each session.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use rag_core::SessionId;
use tokio::sync::{Mutex as Turnstile, OwnedMutexGuard};

/// Which sessions answer a turn. Cheap to clone; clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct BusySessions(Arc<Mutex<HashMap<SessionId, Arc<Turnstile<()>>>>>);

impl BusySessions {
    /// The session's place, if it is free.
    pub(crate) fn enter_now(&self, session: &SessionId) -> Option<Place> {
        let entered = self.turnstile(session).try_lock_owned().ok()?;
        Some(Place { sessions: self.clone(), session: session.clone(), entered: Some(entered) })
    }

    /// The session's place, once it is free: first come, first served. Dropping the future gives up waiting.
    pub(crate) async fn enter(&self, session: &SessionId) -> Place {
        // Made before it is entered, so that who gives up waiting leaves nothing behind.
        let mut place = Place { sessions: self.clone(), session: session.clone(), entered: None };
        place.entered = Some(self.turnstile(session).lock_owned().await);
        place
    }

    fn turnstile(&self, session: &SessionId) -> Arc<Turnstile<()>> {
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.entry(session.clone()).or_default().clone()
    }

    /// Forgets a session that nobody is in or waits for.
    fn leave(&self, session: &SessionId) {
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if sessions.get(session).is_some_and(|turnstile| Arc::strong_count(turnstile) == 1) {
            sessions.remove(session);
        }
    }
}

/// The place of the turn that a session answers. Dropping it lets the next one in.
#[derive(Debug)]
pub(crate) struct Place {
    sessions: BusySessions,
    session: SessionId,
    entered: Option<OwnedMutexGuard<()>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.entered = None;
        self.sessions.leave(&self.session);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_session_has_one_place() {
        let sessions = BusySessions::default();
        let [a, b] = ["a", "b"].map(|id| id.parse::<SessionId>().unwrap());
        let first = sessions.enter_now(&a).expect("free");
        assert!(sessions.enter_now(&a).is_none());
        assert!(sessions.enter_now(&b).is_some());
        let (second, ()) = tokio::join!(sessions.enter(&a), async { drop(first) });
        assert!(sessions.enter_now(&a).is_none());
        drop(second);
        assert!(sessions.0.lock().unwrap().is_empty(), "nothing is left behind");
    }
}

//! [`MemoryConversations`]: conversations that end with the process.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use rag_core::{
    ConversationStore, Feedback, SavedDialog, SavedTurn, Session, SessionId, SessionPage,
    StoreError, StoreErrorKind, TenantId, TurnId, TurnStatus,
};

/// Conversations in memory: for tests, and for programs that keep none. It grows with every turn.
#[derive(Debug, Default)]
pub struct MemoryConversations(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    dialogs: BTreeMap<(TenantId, String), SavedDialog>,
    sessions: Vec<Session>,
    /// In the order in which they were asked.
    turns: Vec<SavedTurn>,
}

impl MemoryConversations {
    /// Without any.
    pub fn new() -> Self {
        Self::default()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn session(&mut self, tenant: &TenantId, id: &SessionId) -> Option<&mut Session> {
        self.sessions.iter_mut().find(|session| session.id == *id && session.tenant == *tenant)
    }

    fn turn(&mut self, tenant: &TenantId, id: &TurnId) -> Option<&mut SavedTurn> {
        let turn = self.turns.iter_mut().find(|turn| turn.id == *id)?;
        let is_theirs = |session: &Session| session.id == turn.session && session.tenant == *tenant;
        self.sessions.iter().any(is_theirs).then_some(turn)
    }

    fn turns(&mut self, tenant: &TenantId, session: &SessionId) -> Vec<SavedTurn> {
        if self.session(tenant, session).is_none() {
            return Vec::new();
        }
        self.turns.iter().filter(|turn| turn.session == *session).cloned().collect()
    }
}

impl ConversationStore for MemoryConversations {
    fn save_dialog(&self, dialog: &SavedDialog) -> Result<bool, StoreError> {
        let mut kept = self.kept();
        let key = (dialog.tenant.clone(), dialog.name.clone());
        let before = kept.dialogs.get(&key);
        let is_new = before.is_none();
        let created_at = before.map_or(dialog.created_at, |before| before.created_at);
        kept.dialogs.insert(key, SavedDialog { created_at, ..dialog.clone() });
        Ok(is_new)
    }

    fn dialog(&self, tenant: &TenantId, name: &str) -> Result<Option<SavedDialog>, StoreError> {
        Ok(self.kept().dialogs.get(&(tenant.clone(), name.to_owned())).cloned())
    }

    fn dialogs(&self, tenant: &TenantId) -> Result<Vec<SavedDialog>, StoreError> {
        let kept = self.kept();
        let theirs = kept.dialogs.values().filter(|dialog| dialog.tenant == *tenant);
        Ok(theirs.cloned().collect())
    }

    fn rename_dialog(&self, tenant: &TenantId, name: &str, to: &str) -> Result<bool, StoreError> {
        let mut kept = self.kept();
        let key = |name: &str| (tenant.clone(), name.to_owned());
        if name != to && kept.dialogs.contains_key(&key(to)) {
            return Err(occupied("dialog", to));
        }
        let Some(dialog) = kept.dialogs.remove(&key(name)) else { return Ok(false) };
        kept.dialogs.insert(key(to), SavedDialog { name: to.to_owned(), ..dialog });
        let with_it = |session: &&mut Session| session.tenant == *tenant && session.dialog == name;
        for session in kept.sessions.iter_mut().filter(with_it) {
            session.dialog = to.to_owned();
        }
        Ok(true)
    }

    fn delete_dialog(&self, tenant: &TenantId, name: &str) -> Result<bool, StoreError> {
        Ok(self.kept().dialogs.remove(&(tenant.clone(), name.to_owned())).is_some())
    }

    fn create_session(&self, session: &Session) -> Result<(), StoreError> {
        let mut kept = self.kept();
        if kept.sessions.iter().any(|other| other.id == session.id) {
            return Err(occupied("session", session.id.as_str()));
        }
        kept.sessions.push(session.clone());
        Ok(())
    }

    fn session(&self, tenant: &TenantId, id: &SessionId) -> Result<Option<Session>, StoreError> {
        Ok(self.kept().session(tenant, id).cloned())
    }

    fn sessions(&self, tenant: &TenantId, page: &SessionPage) -> Result<Vec<Session>, StoreError> {
        let kept = self.kept();
        let is_meant = |session: &&Session| {
            let place = (session.updated_at, &session.id);
            session.tenant == *tenant
                && page.dialog.as_ref().is_none_or(|dialog| session.dialog == *dialog)
                && page.after.as_ref().is_none_or(|(time, id)| place < (*time, id))
        };
        let mut found: Vec<Session> = kept.sessions.iter().filter(is_meant).cloned().collect();
        found.sort_by(|a, b| (b.updated_at, &b.id).cmp(&(a.updated_at, &a.id)));
        found.truncate(page.limit);
        Ok(found)
    }

    fn rename_session(
        &self,
        tenant: &TenantId,
        id: &SessionId,
        title: &str,
    ) -> Result<bool, StoreError> {
        let mut kept = self.kept();
        let Some(session) = kept.session(tenant, id) else { return Ok(false) };
        session.title = title.to_owned();
        session.updated_at = now();
        Ok(true)
    }

    fn delete_session(&self, tenant: &TenantId, id: &SessionId) -> Result<bool, StoreError> {
        let mut kept = self.kept();
        if kept.session(tenant, id).is_none() {
            return Ok(false);
        }
        kept.sessions.retain(|session| session.id != *id);
        kept.turns.retain(|turn| turn.session != *id);
        Ok(true)
    }

    fn begin_turn(&self, tenant: &TenantId, turn: &SavedTurn) -> Result<(), StoreError> {
        let mut kept = self.kept();
        if kept.turns.iter().any(|other| other.id == turn.id) {
            return Err(occupied("turn", turn.id.as_str()));
        }
        let missing = |what: String| Err(StoreError::new(StoreErrorKind::NotFound, what));
        if let Some(parent) = &turn.parent
            && !kept.turns(tenant, &turn.session).iter().any(|turn| turn.id == *parent)
        {
            return missing(format!("the session has no turn `{parent}`"));
        }
        let Some(session) = kept.session(tenant, &turn.session) else {
            return missing(format!("there is no session `{}`", turn.session));
        };
        session.updated_at = session.updated_at.max(turn.asked_at);
        kept.turns.push(turn.clone());
        Ok(())
    }

    fn update_turn(&self, turn: &SavedTurn) -> Result<bool, StoreError> {
        let mut kept = self.kept();
        let Some(known) = kept.turns.iter_mut().find(|known| known.id == turn.id) else {
            return Ok(false);
        };
        known.status = turn.status;
        known.answer.clone_from(&turn.answer);
        known.record.clone_from(&turn.record);
        known.ended_at = turn.ended_at;
        Ok(true)
    }

    fn turn(&self, tenant: &TenantId, id: &TurnId) -> Result<Option<SavedTurn>, StoreError> {
        Ok(self.kept().turn(tenant, id).cloned())
    }

    fn turns(
        &self,
        tenant: &TenantId,
        session: &SessionId,
        after: Option<&TurnId>,
        limit: usize,
    ) -> Result<Vec<SavedTurn>, StoreError> {
        let turns = self.kept().turns(tenant, session);
        let known = after.and_then(|after| turns.iter().position(|turn| turn.id == *after));
        let first = known.map_or(0, |place| place + 1);
        Ok(turns.into_iter().skip(first).take(limit).collect())
    }

    fn latest_turn(
        &self,
        tenant: &TenantId,
        session: &SessionId,
    ) -> Result<Option<SavedTurn>, StoreError> {
        Ok(self.kept().turns(tenant, session).pop())
    }

    fn latest_turns(&self, tenant: &TenantId, limit: usize) -> Result<Vec<SavedTurn>, StoreError> {
        let recent = self.sessions(tenant, &SessionPage { limit, ..SessionPage::default() })?;
        let kept = self.kept();
        let is_meant = |turn: &&SavedTurn| recent.iter().any(|session| session.id == turn.session);
        Ok(kept.turns.iter().rev().filter(is_meant).take(limit).cloned().collect())
    }

    fn path(
        &self,
        tenant: &TenantId,
        turn: &TurnId,
        limit: usize,
    ) -> Result<Vec<SavedTurn>, StoreError> {
        let mut kept = self.kept();
        let mut next = Some(turn.clone());
        let mut path = Vec::new();
        while let Some(id) = next.filter(|_| path.len() < limit) {
            let Some(turn) = kept.turn(tenant, &id) else { break };
            next = turn.parent.clone();
            path.push(turn.clone());
        }
        path.reverse();
        Ok(path)
    }

    fn set_feedback(
        &self,
        tenant: &TenantId,
        turn: &TurnId,
        feedback: Option<&Feedback>,
    ) -> Result<bool, StoreError> {
        let mut kept = self.kept();
        let Some(turn) = kept.turn(tenant, turn) else { return Ok(false) };
        turn.feedback = feedback.cloned();
        Ok(true)
    }

    fn interrupt_turns(&self) -> Result<u64, StoreError> {
        let mut kept = self.kept();
        let running = kept.turns.iter_mut().filter(|turn| turn.status == TurnStatus::Running);
        let mut interrupted = 0;
        for turn in running {
            turn.status = TurnStatus::Interrupted;
            turn.ended_at = Some(now());
            interrupted += 1;
        }
        Ok(interrupted)
    }
}

fn occupied(what: &str, id: &str) -> StoreError {
    StoreError::new(StoreErrorKind::Occupied, format!("there is a {what} `{id}` already"))
}

/// Milliseconds since the epoch.
pub(crate) fn now() -> i64 {
    milliseconds(SystemTime::now())
}

/// Milliseconds since the epoch.
pub(crate) fn milliseconds(time: SystemTime) -> i64 {
    let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}

//! The conversations of an [`PostgresStore`].

use rag_core::{
    ConversationStore, Feedback, SavedDialog, SavedTurn, Session, SessionId, SessionPage,
    StoreError, TenantId, TurnId,
};

use crate::conversations;
use crate::replicas;
use crate::store::PostgresStore;

impl ConversationStore for PostgresStore {
    fn save_dialog(&self, dialog: &SavedDialog) -> Result<bool, StoreError> {
        self.inner.pool.write(|database| conversations::save_dialog(database, dialog))
    }

    fn dialog(&self, tenant: &TenantId, name: &str) -> Result<Option<SavedDialog>, StoreError> {
        self.inner.pool.read(|database| conversations::dialog(database, tenant, name))
    }

    fn dialogs(&self, tenant: &TenantId) -> Result<Vec<SavedDialog>, StoreError> {
        self.inner.pool.read(|database| conversations::dialogs(database, tenant))
    }

    fn rename_dialog(&self, tenant: &TenantId, name: &str, to: &str) -> Result<bool, StoreError> {
        self.inner.pool.write(|database| conversations::rename_dialog(database, tenant, name, to))
    }

    fn delete_dialog(&self, tenant: &TenantId, name: &str) -> Result<bool, StoreError> {
        self.inner.pool.write(|database| conversations::delete_dialog(database, tenant, name))
    }

    fn create_session(&self, session: &Session) -> Result<(), StoreError> {
        self.inner.pool.write(|database| conversations::create_session(database, session))
    }

    fn session(&self, tenant: &TenantId, id: &SessionId) -> Result<Option<Session>, StoreError> {
        self.inner.pool.read(|database| conversations::session(database, tenant, id))
    }

    fn sessions(&self, tenant: &TenantId, page: &SessionPage) -> Result<Vec<Session>, StoreError> {
        self.inner.pool.read(|database| conversations::sessions(database, tenant, page))
    }

    fn rename_session(
        &self,
        tenant: &TenantId,
        id: &SessionId,
        title: &str,
    ) -> Result<bool, StoreError> {
        self.inner.pool.write(|database| conversations::rename_session(database, tenant, id, title))
    }

    fn delete_session(&self, tenant: &TenantId, id: &SessionId) -> Result<bool, StoreError> {
        self.inner.pool.write(|database| conversations::delete_session(database, tenant, id))
    }

    fn begin_turn(&self, tenant: &TenantId, turn: &SavedTurn) -> Result<(), StoreError> {
        self.inner.pool.write(|database| {
            conversations::begin_turn(database, &self.inner.replica, tenant, turn)
        })
    }

    fn update_turn(&self, turn: &SavedTurn) -> Result<bool, StoreError> {
        self.inner.pool.write(|database| conversations::update_turn(database, turn))
    }

    fn turn(&self, tenant: &TenantId, id: &TurnId) -> Result<Option<SavedTurn>, StoreError> {
        self.inner.pool.read(|database| conversations::turn(database, tenant, id))
    }

    fn turns(
        &self,
        tenant: &TenantId,
        session: &SessionId,
        after: Option<&TurnId>,
        limit: usize,
    ) -> Result<Vec<SavedTurn>, StoreError> {
        self.inner
            .pool
            .read(|database| conversations::turns(database, tenant, session, after, limit))
    }

    fn latest_turn(
        &self,
        tenant: &TenantId,
        session: &SessionId,
    ) -> Result<Option<SavedTurn>, StoreError> {
        self.inner.pool.read(|database| conversations::latest_turn(database, tenant, session))
    }

    fn latest_turns(&self, tenant: &TenantId, limit: usize) -> Result<Vec<SavedTurn>, StoreError> {
        self.inner.pool.read(|database| conversations::latest_turns(database, tenant, limit))
    }

    fn path(
        &self,
        tenant: &TenantId,
        turn: &TurnId,
        limit: usize,
    ) -> Result<Vec<SavedTurn>, StoreError> {
        self.inner.pool.read(|database| conversations::path(database, tenant, turn, limit))
    }

    fn set_feedback(
        &self,
        tenant: &TenantId,
        turn: &TurnId,
        feedback: Option<&Feedback>,
    ) -> Result<bool, StoreError> {
        self.inner
            .pool
            .write(|database| conversations::set_feedback(database, tenant, turn, feedback))
    }

    /// Marks the running turns that began through this store, and those of processes that are dead. Those of others go
    /// on.
    fn interrupt_turns(&self) -> Result<u64, StoreError> {
        self.inner
            .pool
            .write(|database| replicas::interrupt_turns(database, Some(&self.inner.replica)))
    }
}

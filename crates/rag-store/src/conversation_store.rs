//! The conversations of an [`EmbeddedStore`].

use rag_core::{
    ConversationStore, Feedback, SavedDialog, SavedTurn, Session, SessionId, SessionPage,
    StoreError, TenantId, TurnId,
};

use crate::conversations;
use crate::embedded::EmbeddedStore;

impl ConversationStore for EmbeddedStore {
    fn save_dialog(&self, dialog: &SavedDialog) -> Result<bool, StoreError> {
        let dialog = dialog.clone();
        self.inner.write(move |connection, _| conversations::save_dialog(connection, &dialog))
    }

    fn dialog(&self, tenant: &TenantId, name: &str) -> Result<Option<SavedDialog>, StoreError> {
        self.inner.readers.read(|connection| conversations::dialog(connection, tenant, name))
    }

    fn dialogs(&self, tenant: &TenantId) -> Result<Vec<SavedDialog>, StoreError> {
        self.inner.readers.read(|connection| conversations::dialogs(connection, tenant))
    }

    fn rename_dialog(&self, tenant: &TenantId, name: &str, to: &str) -> Result<bool, StoreError> {
        let (tenant, name, to) = (tenant.clone(), name.to_owned(), to.to_owned());
        self.inner.write(move |connection, _| {
            conversations::rename_dialog(connection, &tenant, &name, &to)
        })
    }

    fn delete_dialog(&self, tenant: &TenantId, name: &str) -> Result<bool, StoreError> {
        let (tenant, name) = (tenant.clone(), name.to_owned());
        self.inner
            .write(move |connection, _| conversations::delete_dialog(connection, &tenant, &name))
    }

    fn create_session(&self, session: &Session) -> Result<(), StoreError> {
        let session = session.clone();
        self.inner.write(move |connection, _| conversations::create_session(connection, &session))
    }

    fn session(&self, tenant: &TenantId, id: &SessionId) -> Result<Option<Session>, StoreError> {
        self.inner.readers.read(|connection| conversations::session(connection, tenant, id))
    }

    fn sessions(&self, tenant: &TenantId, page: &SessionPage) -> Result<Vec<Session>, StoreError> {
        self.inner.readers.read(|connection| conversations::sessions(connection, tenant, page))
    }

    fn rename_session(
        &self,
        tenant: &TenantId,
        id: &SessionId,
        title: &str,
    ) -> Result<bool, StoreError> {
        let (tenant, id, title) = (tenant.clone(), id.clone(), title.to_owned());
        self.inner.write(move |connection, _| {
            conversations::rename_session(connection, &tenant, &id, &title)
        })
    }

    fn delete_session(&self, tenant: &TenantId, id: &SessionId) -> Result<bool, StoreError> {
        let (tenant, id) = (tenant.clone(), id.clone());
        self.inner
            .write(move |connection, _| conversations::delete_session(connection, &tenant, &id))
    }

    fn begin_turn(&self, tenant: &TenantId, turn: &SavedTurn) -> Result<(), StoreError> {
        let (tenant, turn) = (tenant.clone(), turn.clone());
        self.inner.write(move |connection, _| conversations::begin_turn(connection, &tenant, &turn))
    }

    fn update_turn(&self, turn: &SavedTurn) -> Result<bool, StoreError> {
        let turn = turn.clone();
        self.inner.write(move |connection, _| conversations::update_turn(connection, &turn))
    }

    fn turn(&self, tenant: &TenantId, id: &TurnId) -> Result<Option<SavedTurn>, StoreError> {
        self.inner.readers.read(|connection| conversations::turn(connection, tenant, id))
    }

    fn turns(
        &self,
        tenant: &TenantId,
        session: &SessionId,
        after: Option<&TurnId>,
        limit: usize,
    ) -> Result<Vec<SavedTurn>, StoreError> {
        self.inner
            .readers
            .read(|connection| conversations::turns(connection, tenant, session, after, limit))
    }

    fn latest_turn(
        &self,
        tenant: &TenantId,
        session: &SessionId,
    ) -> Result<Option<SavedTurn>, StoreError> {
        self.inner
            .readers
            .read(|connection| conversations::latest_turn(connection, tenant, session))
    }

    fn latest_turns(&self, tenant: &TenantId, limit: usize) -> Result<Vec<SavedTurn>, StoreError> {
        self.inner.readers.read(|connection| conversations::latest_turns(connection, tenant, limit))
    }

    fn path(
        &self,
        tenant: &TenantId,
        turn: &TurnId,
        limit: usize,
    ) -> Result<Vec<SavedTurn>, StoreError> {
        self.inner.readers.read(|connection| conversations::path(connection, tenant, turn, limit))
    }

    fn set_feedback(
        &self,
        tenant: &TenantId,
        turn: &TurnId,
        feedback: Option<&Feedback>,
    ) -> Result<bool, StoreError> {
        let (tenant, turn, feedback) = (tenant.clone(), turn.clone(), feedback.cloned());
        self.inner.write(move |connection, _| {
            conversations::set_feedback(connection, &tenant, &turn, feedback.as_ref())
        })
    }

    fn interrupt_turns(&self) -> Result<u64, StoreError> {
        self.inner.write(|connection, _| conversations::interrupt_turns(connection))
    }
}

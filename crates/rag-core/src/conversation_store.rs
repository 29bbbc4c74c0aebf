//! [`ConversationStore`]: where conversations are kept.

use crate::{Feedback, SavedDialog, SavedTurn, Session, SessionId, StoreError, TenantId, TurnId};
#[cfg(doc)]
use crate::{StoreErrorKind, TurnStatus};

/// Dialogs, sessions with them, and their turns. All methods may block; call them on threads made for that. What a method acknowledged
/// survives a crash. Whatever belongs to another tenant is as good as missing.
pub trait ConversationStore: Send + Sync {
    /// Keeps a dialog, in place of the one of that name, whose time of making stays. Whether it is new.
    ///
    /// # Errors
    /// Only the engine's own.
    fn save_dialog(&self, dialog: &SavedDialog) -> Result<bool, StoreError>;

    /// The tenant's dialog of that name, if any.
    ///
    /// # Errors
    /// Only the engine's own.
    fn dialog(&self, tenant: &TenantId, name: &str) -> Result<Option<SavedDialog>, StoreError>;

    /// The tenant's dialogs by name.
    ///
    /// # Errors
    /// Only the engine's own.
    fn dialogs(&self, tenant: &TenantId) -> Result<Vec<SavedDialog>, StoreError>;

    /// Calls a dialog otherwise; sessions with it go along. Whether there was such a dialog.
    ///
    /// # Errors
    /// [`StoreErrorKind::Occupied`] when the tenant has another one of that name.
    fn rename_dialog(&self, tenant: &TenantId, name: &str, to: &str) -> Result<bool, StoreError>;

    /// Deletes a dialog; sessions with it stay, to be read. Whether there was such a dialog.
    ///
    /// # Errors
    /// Only the engine's own.
    fn delete_dialog(&self, tenant: &TenantId, name: &str) -> Result<bool, StoreError>;

    /// Keeps a new session.
    ///
    /// # Errors
    /// [`StoreErrorKind::Occupied`] when its id is taken.
    fn create_session(&self, session: &Session) -> Result<(), StoreError>;

    /// The session of that id, if the tenant has it.
    ///
    /// # Errors
    /// Only the engine's own.
    fn session(&self, tenant: &TenantId, id: &SessionId) -> Result<Option<Session>, StoreError>;

    /// Sessions, the one updated last first; of the same time by id, descending.
    ///
    /// # Errors
    /// Only the engine's own.
    fn sessions(&self, tenant: &TenantId, page: &SessionPage) -> Result<Vec<Session>, StoreError>;

    /// Gives a session another title. Whether there is such a session.
    ///
    /// # Errors
    /// Only the engine's own.
    fn rename_session(
        &self,
        tenant: &TenantId,
        id: &SessionId,
        title: &str,
    ) -> Result<bool, StoreError>;

    /// Deletes a session with all its turns. Whether there was such a session.
    ///
    /// # Errors
    /// Only the engine's own.
    fn delete_session(&self, tenant: &TenantId, id: &SessionId) -> Result<bool, StoreError>;

    /// Keeps a turn that begins, and the time of its session.
    ///
    /// # Errors
    /// [`StoreErrorKind::NotFound`] when the tenant has no such session, or it no such parent;
    /// [`StoreErrorKind::Occupied`] when its id is taken.
    fn begin_turn(&self, tenant: &TenantId, turn: &SavedTurn) -> Result<(), StoreError>;

    /// Keeps how far a turn is, or how it ended: its status, answer, record and time. Whether it was still there.
    ///
    /// # Errors
    /// Only the engine's own.
    fn update_turn(&self, turn: &SavedTurn) -> Result<bool, StoreError>;

    /// The turn of that id, if the tenant has it.
    ///
    /// # Errors
    /// Only the engine's own.
    fn turn(&self, tenant: &TenantId, id: &TurnId) -> Result<Option<SavedTurn>, StoreError>;

    /// The turns of a session in the order in which they were asked, beginning after the given one, at most `limit`.
    ///
    /// # Errors
    /// Only the engine's own.
    fn turns(
        &self,
        tenant: &TenantId,
        session: &SessionId,
        after: Option<&TurnId>,
        limit: usize,
    ) -> Result<Vec<SavedTurn>, StoreError>;

    /// The turn of a session that was asked last.
    ///
    /// # Errors
    /// Only the engine's own.
    fn latest_turn(
        &self,
        tenant: &TenantId,
        session: &SessionId,
    ) -> Result<Option<SavedTurn>, StoreError>;

    /// Turns of the `limit` sessions updated last: the `limit` that were asked last, the latest first.
    ///
    /// # Errors
    /// Only the engine's own.
    fn latest_turns(&self, tenant: &TenantId, limit: usize) -> Result<Vec<SavedTurn>, StoreError>;

    /// A turn and those that it follows, oldest first: the nearest `limit` of them. Empty when the tenant has no such
    /// turn.
    ///
    /// # Errors
    /// Only the engine's own.
    fn path(
        &self,
        tenant: &TenantId,
        turn: &TurnId,
        limit: usize,
    ) -> Result<Vec<SavedTurn>, StoreError>;

    /// Notes what a reader thought of an answer, or takes it back. Whether there is such a turn.
    ///
    /// # Errors
    /// Only the engine's own.
    fn set_feedback(
        &self,
        tenant: &TenantId,
        turn: &TurnId,
        feedback: Option<&Feedback>,
    ) -> Result<bool, StoreError>;

    /// Marks all running turns, of all tenants, as [interrupted](TurnStatus::Interrupted); how many. For the start of a
    /// process that alone uses the store: whoever ran them is dead.
    ///
    /// # Errors
    /// Only the engine's own.
    fn interrupt_turns(&self) -> Result<u64, StoreError>;
}

/// Which sessions are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionPage {
    /// Only those with this dialog.
    pub dialog: Option<String>,
    /// Only those that come after this one: its time and id.
    pub after: Option<(i64, SessionId)>,
    /// At most so many.
    pub limit: usize,
}

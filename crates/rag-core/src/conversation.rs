//! Conversations: dialogs, sessions with them, and the turns of each.

use serde::{Deserialize, Serialize};

use crate::{SessionId, TenantId, TurnId};

/// How questions of one kind are answered: over which datasets, by which model, with which prompt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedDialog {
    /// Who owns it.
    pub tenant: TenantId,
    /// Its name, unique within the tenant.
    pub name: String,
    /// How it answers, in a form of the writer's; JSON.
    pub settings: String,
    /// Milliseconds since the epoch.
    pub created_at: i64,
    /// Milliseconds since the epoch.
    pub updated_at: i64,
}

/// A conversation with a dialog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Who owns it.
    pub tenant: TenantId,
    /// The name of the dialog that it is with.
    pub dialog: String,
    /// What people call it.
    pub title: String,
    /// Milliseconds since the epoch.
    pub created_at: i64,
    /// When its last turn began or it was renamed last, in milliseconds since the epoch.
    pub updated_at: i64,
}

/// A question and its answer, as far as it came. The turns of a session are a tree: those with the same parent are
/// branches, an edited question or an answer given anew.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SavedTurn {
    /// Its id.
    pub id: TurnId,
    /// The conversation that it belongs to.
    pub session: SessionId,
    /// The turn that it follows; `None` for a first one.
    pub parent: Option<TurnId>,
    /// How far it came.
    pub status: TurnStatus,
    /// What was asked.
    pub question: String,
    /// The answer's text, without citation markers.
    pub answer: String,
    /// What its reader thought of it.
    pub feedback: Option<Feedback>,
    /// All else that is kept of it, in a form of the writer's; JSON.
    pub record: String,
    /// Milliseconds since the epoch.
    pub asked_at: i64,
    /// Milliseconds since the epoch; `None` while it runs.
    pub ended_at: Option<i64>,
}

/// How far a turn came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum TurnStatus {
    /// It is being answered.
    Running,
    /// It was answered.
    Complete,
    /// Its asker stopped it.
    Stopped,
    /// Its asker left and did not come back in time.
    Abandoned,
    /// It failed.
    Failed,
    /// The server was stopped, or died.
    Interrupted,
}

impl TurnStatus {
    /// All of them.
    pub const ALL: [TurnStatus; 6] = [
        TurnStatus::Running,
        TurnStatus::Complete,
        TurnStatus::Stopped,
        TurnStatus::Abandoned,
        TurnStatus::Failed,
        TurnStatus::Interrupted,
    ];

    /// A stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            TurnStatus::Running => "running",
            TurnStatus::Complete => "complete",
            TurnStatus::Stopped => "stopped",
            TurnStatus::Abandoned => "abandoned",
            TurnStatus::Failed => "failed",
            TurnStatus::Interrupted => "interrupted",
        }
    }
}

/// What a reader thought of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Feedback {
    /// Whether it helped.
    pub helpful: bool,
    /// In the reader's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

//! `[sessions]`: conversations that are kept.

use std::time::Duration;

use dialog_service::{ConversationOptions, WhenBusy};
use serde::Deserialize;

/// `[sessions]`
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SessionsConfig {
    /// What becomes of a question whose session answers another one.
    pub when_busy: WhenBusyConfig,
    /// How long a turn goes on that nobody reads, in seconds; 0: to its end, so that its answer is there later.
    pub abandon_seconds: u64,
    /// How long the events of a turn that ended can be read again, in seconds.
    pub recent_seconds: u64,
    /// How often the answer so far is kept while it comes, in seconds; 0: not before its end. What was kept survives
    /// the process.
    pub keep_every_seconds: u64,
    /// Turns under way at once; more are refused with 503.
    pub max_turns: usize,
}

impl Default for SessionsConfig {
    fn default() -> Self {
        let options = ConversationOptions::default();
        Self {
            when_busy: WhenBusyConfig::default(),
            abandon_seconds: 0,
            keep_every_seconds: options.keep_every.unwrap_or_default().as_secs(),
            recent_seconds: options.recent_for.as_secs(),
            max_turns: options.most_turns,
        }
    }
}

/// What becomes of a question whose session answers another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WhenBusyConfig {
    /// It is refused with 409.
    #[default]
    Refuse,
    /// It waits for the other to end.
    Wait,
}

impl SessionsConfig {
    /// The same for conversations.
    pub(crate) fn options(&self) -> ConversationOptions {
        ConversationOptions {
            when_busy: match self.when_busy {
                WhenBusyConfig::Refuse => WhenBusy::Refuse,
                WhenBusyConfig::Wait => WhenBusy::Wait,
            },
            abandon_after: Some(self.abandon_seconds)
                .filter(|seconds| *seconds > 0)
                .map(Duration::from_secs),
            keep_every: Some(self.keep_every_seconds)
                .filter(|seconds| *seconds > 0)
                .map(Duration::from_secs),
            recent_for: Duration::from_secs(self.recent_seconds),
            most_turns: self.max_turns,
            ..ConversationOptions::default()
        }
    }
}

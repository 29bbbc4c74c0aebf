//! [`Ending`]: what Cohere's words for the end of an answer mean, in both versions.

use llm_core::{ChatEvent, ErrorKind, FinishReason};

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// It is an answer.
    Finished(FinishReason),
    /// It broke off.
    Failed(ErrorKind),
}

/// What a word means.
pub(super) fn ending(word: &str) -> Ending {
    match word {
        "COMPLETE" | "STOP_SEQUENCE" => Ending::Finished(FinishReason::Stop),
        "MAX_TOKENS" | "ERROR_LIMIT" => Ending::Finished(FinishReason::Length),
        "TOOL_CALL" => Ending::Finished(FinishReason::ToolCalls),
        "ERROR_TOXIC" => Ending::Finished(FinishReason::ContentFilter),
        "ERROR" => Ending::Failed(ErrorKind::Upstream),
        "TIMEOUT" => Ending::Failed(ErrorKind::Timeout),
        _ => Ending::Finished(FinishReason::Other),
    }
}

impl Ending {
    /// The event of an answer that ended so; `raw` is the provider's word.
    pub(super) fn event(self, choice: u32, raw: String) -> ChatEvent {
        let reason = match self {
            Ending::Finished(reason) => reason,
            Ending::Failed(_) => FinishReason::Error,
        };
        ChatEvent::Finished { choice, reason, raw: Some(raw).filter(|raw| !raw.is_empty()) }
    }
}

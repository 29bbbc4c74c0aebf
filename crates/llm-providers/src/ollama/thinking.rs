//! How much to think: `think` in both directions.

use llm_core::{ModelError, ReasoningOptions};
use serde_json::Value;

use super::DIALECT;
use crate::notes::Notes;

/// Writes `think`: `false` for no thinking, an effort as it is (models without levels take it for `true`), `true` where
/// only its report is asked for. A budget has no place.
pub(super) fn render_think(
    options: ReasoningOptions,
    notes: &mut Notes,
) -> Result<Option<Value>, ModelError> {
    let ReasoningOptions { effort, budget_tokens, summary, mut extra } = options;
    if let Some(own) = extra.shift_remove(DIALECT) {
        return Ok(Some(own));
    }
    if budget_tokens.is_some_and(|budget| budget > 0) {
        notes.dropped_parameter("reasoning.budget_tokens")?;
    }
    for name in extra.keys() {
        notes.dropped_parameter(&format!("reasoning.{name}"))?;
    }
    Ok(match (effort.as_deref(), budget_tokens) {
        (Some("none"), _) | (None, Some(0)) => Some(false.into()),
        // The least there is.
        (Some("minimal"), _) => Some("low".into()),
        (Some(effort), _) => Some(effort.into()),
        (None, Some(_)) => Some(true.into()),
        (None, None) => summary.map(|_| true.into()),
    })
}

/// Reads `think`. What is neither a yes, a no nor a word stays as it is.
pub(super) fn parse_think(think: Value) -> ReasoningOptions {
    let mut options = ReasoningOptions::default();
    match think {
        Value::Bool(false) => options.effort = Some("none".to_owned()),
        Value::Bool(true) => options.summary = Some("auto".to_owned()),
        Value::String(effort) => options.effort = Some(effort),
        other => {
            options.extra.insert(DIALECT.to_owned(), other);
        }
    }
    options
}

//! How much to think: `thinkingConfig` in both directions.

use llm_core::{Extra, ModelError, ReasoningOptions};
use serde_json::{Map, Value};

use super::DIALECT;
use super::generation::Generation;
use super::request::extend_own;
use crate::notes::Notes;
use crate::openai::fields::{Fields, RequestError};

/// Efforts as token budgets, for models that have no levels: the numbers of Google's own table for clients of the OpenAI
/// dialect.
const BUDGETS: [(&str, u32); 5] =
    [("none", 0), ("minimal", 1024), ("low", 1024), ("medium", 8192), ("high", 24_576)];

/// Writes `thinkingConfig`. A budget outweighs an effort, since the provider takes only one of the two.
pub(super) fn render_thinking(
    options: ReasoningOptions,
    generation: Generation,
    notes: &mut Notes,
) -> Result<Map<String, Value>, ModelError> {
    let ReasoningOptions { effort, budget_tokens, summary, extra } = options;
    let mut config = Map::new();
    match (budget_tokens, effort, generation) {
        (Some(budget), effort, _) => {
            config.insert("thinkingBudget".to_owned(), budget.into());
            if effort.is_some() {
                notes.dropped_parameter("reasoning_effort")?;
            }
        }
        (None, Some(effort), Generation::Second) => match budget_of(&effort) {
            Some(budget) => {
                config.insert("thinkingBudget".to_owned(), budget.into());
            }
            None => notes.dropped_parameter("reasoning_effort")?,
        },
        // These models always think.
        (None, Some(effort), _) if effort == "none" => {
            notes.dropped_parameter("reasoning_effort")?;
        }
        (None, Some(effort), _) => {
            config.insert("thinkingLevel".to_owned(), effort.into());
        }
        (None, None, _) => {}
    }
    if summary.is_some() {
        config.insert("includeThoughts".to_owned(), true.into());
    }
    for name in extra.keys().filter(|name| *name != DIALECT) {
        notes.dropped_parameter(&format!("reasoning.{name}"))?;
    }
    extend_own(&mut config, extra);
    Ok(config)
}

fn budget_of(effort: &str) -> Option<u32> {
    BUDGETS.iter().find(|(known, _)| *known == effort).map(|(_, budget)| *budget)
}

/// Reads `thinkingConfig`. What has no name in the vocabulary stays as it is: budgets that mean something other than a
/// number of tokens (`-1`), and levels beside a budget or for models that know none.
pub(super) fn parse_thinking(
    config: Value,
    path: &str,
    generation: Generation,
) -> Result<ReasoningOptions, RequestError> {
    const LEVELS: [&str; 4] = ["minimal", "low", "medium", "high"];
    let mut fields = Fields::of(config, path)?;
    let mut options = ReasoningOptions::default();
    let has_budget = fields.peek("thinkingBudget").is_some();
    let budget = fields.peek("thinkingBudget").and_then(Value::as_u64);
    if let Some(budget) = budget.and_then(|budget| u32::try_from(budget).ok()) {
        options.budget_tokens = Some(budget);
        fields.take("thinkingBudget");
    }
    let level = fields.peek("thinkingLevel").and_then(Value::as_str).map(str::to_ascii_lowercase);
    let is_known = level.as_deref().is_some_and(|level| LEVELS.contains(&level));
    if is_known && !has_budget && generation != Generation::Second {
        options.effort = level;
        fields.take("thinkingLevel");
    }
    if fields.peek("includeThoughts") == Some(&Value::Bool(true)) {
        options.summary = Some("auto".to_owned());
        fields.take("includeThoughts");
    }
    let rest = fields.rest();
    if !rest.is_empty() {
        options.extra = Extra::from_iter([(DIALECT.to_owned(), Value::Object(rest))]);
    }
    Ok(options)
}

//! How much to think: [`ReasoningOptions`] into the fields of a family of models, and back.

use llm_core::{ModelError, ReasoningOptions};
use serde_json::{Map, Value, json};

use super::super::family::{Family, Thinking};
use super::super::merge::insert_at;
use crate::notes::Notes;

/// Tokens to think with for an effort, where a family of models takes a number only. Claude's least is 1,024.
const BUDGETS: [(&str, u32); 5] =
    [("minimal", 1024), ("low", 2048), ("medium", 8192), ("high", 16_384), ("max", 32_768)];

/// Claude thinks with no less.
const LEAST_BUDGET: u32 = 1024;

/// Writes the options into `fields` (`additionalModelRequestFields`). `limit` is that of the whole answer.
pub(super) fn render(
    options: ReasoningOptions,
    family: Family,
    limit: Option<u32>,
    fields: &mut Map<String, Value>,
    notes: &mut Notes,
) -> Result<(), ModelError> {
    match family.thinking {
        Thinking::Never => notes.dropped_parameter("reasoning"),
        Thinking::Budget => budget(options, limit, fields, notes),
        Thinking::Adaptive => adaptive(options, fields, notes),
        Thinking::Nova => nova(options, fields, notes),
        Thinking::Word(name) => word(name, options, fields, notes),
    }
}

fn budget(
    options: ReasoningOptions,
    limit: Option<u32>,
    fields: &mut Map<String, Value>,
    notes: &mut Notes,
) -> Result<(), ModelError> {
    let ReasoningOptions { effort, budget_tokens, summary, extra } = options;
    drop_if(summary.is_some(), "reasoning.summary", notes)?;
    let tokens = match (budget_tokens, effort.as_deref()) {
        (Some(tokens), effort) => {
            drop_if(effort.is_some(), "reasoning.effort", notes)?;
            Some(tokens)
        }
        (None, Some("none")) => Some(0),
        (None, Some(effort)) => {
            let tokens = budget_of(effort, limit);
            match tokens {
                Some(tokens) => {
                    let message = format!("effort `{effort}` was sent as {tokens} tokens");
                    notes.translated_parameter("reasoning.effort", &message);
                }
                None => notes.dropped_parameter("reasoning.effort")?,
            }
            tokens
        }
        (None, None) => None,
    };
    put_thinking(tokens, None, extra, fields);
    Ok(())
}

/// Tokens for an effort; thinking must end before the answer's limit. `None` when it cannot, or for unknown words.
fn budget_of(effort: &str, limit: Option<u32>) -> Option<u32> {
    let (_, tokens) = BUDGETS.iter().find(|(known, _)| *known == effort)?;
    let most = limit.map_or(u32::MAX, |limit| limit.saturating_sub(1));
    Some((*tokens).min(most)).filter(|tokens| *tokens >= LEAST_BUDGET)
}

fn adaptive(
    options: ReasoningOptions,
    fields: &mut Map<String, Value>,
    notes: &mut Notes,
) -> Result<(), ModelError> {
    let ReasoningOptions { effort, budget_tokens, summary, extra } = options;
    drop_if(summary.is_some(), "reasoning.summary", notes)?;
    let is_off = effort.as_deref() == Some("none") || budget_tokens == Some(0);
    let kind = match (budget_tokens, &effort) {
        (None, Some(_)) if !is_off => Some("adaptive"),
        _ => None,
    };
    put_thinking(if is_off { Some(0) } else { budget_tokens }, kind, extra, fields);
    if let Some(effort) = effort.filter(|_| !is_off) {
        insert_at(fields, &["output_config", "effort"], effort.into());
    }
    Ok(())
}

/// `thinking: {type, budget_tokens, …}`; 0 tokens switch it off.
fn put_thinking(
    tokens: Option<u32>,
    kind: Option<&str>,
    extra: Map<String, Value>,
    fields: &mut Map<String, Value>,
) {
    let mut thinking = Map::new();
    match (tokens, kind) {
        (Some(0), _) => {
            thinking.insert("type".into(), "disabled".into());
        }
        (Some(tokens), _) => {
            thinking.insert("type".into(), "enabled".into());
            thinking.insert("budget_tokens".into(), tokens.into());
        }
        (None, Some(kind)) => {
            thinking.insert("type".into(), kind.into());
        }
        (None, None) => {}
    }
    thinking.extend(extra);
    if !thinking.is_empty() {
        insert_at(fields, &["thinking"], thinking.into());
    }
}

fn nova(
    options: ReasoningOptions,
    fields: &mut Map<String, Value>,
    notes: &mut Notes,
) -> Result<(), ModelError> {
    let ReasoningOptions { effort, budget_tokens, summary, extra } = options;
    drop_if(summary.is_some(), "reasoning.summary", notes)?;
    let is_off = effort.as_deref() == Some("none") || budget_tokens == Some(0);
    drop_if(budget_tokens.is_some_and(|tokens| tokens > 0), "reasoning.budget_tokens", notes)?;
    let mut config = Map::new();
    if is_off {
        config.insert("type".into(), "disabled".into());
    } else if let Some(effort) = effort {
        let effort = if effort == "minimal" { "low".into() } else { effort };
        config.insert("type".into(), "enabled".into());
        config.insert("maxReasoningEffort".into(), effort.into());
    }
    config.extend(extra);
    if !config.is_empty() {
        insert_at(fields, &["reasoningConfig"], config.into());
    }
    Ok(())
}

fn word(
    name: &str,
    options: ReasoningOptions,
    fields: &mut Map<String, Value>,
    notes: &mut Notes,
) -> Result<(), ModelError> {
    let ReasoningOptions { effort, budget_tokens, summary, extra } = options;
    drop_if(summary.is_some(), "reasoning.summary", notes)?;
    drop_if(budget_tokens.is_some(), "reasoning.budget_tokens", notes)?;
    for name in extra.keys() {
        notes.dropped_parameter(&format!("reasoning.{name}"))?;
    }
    if let Some(effort) = effort {
        insert_at(fields, &[name], effort.into());
    }
    Ok(())
}

fn drop_if(is_given: bool, name: &str, notes: &mut Notes) -> Result<(), ModelError> {
    if is_given { notes.dropped_parameter(name) } else { Ok(()) }
}

/// Takes the options out of `additionalModelRequestFields`, as far as they are of the family's own form.
pub(super) fn parse(family: Family, fields: &mut Map<String, Value>) -> Option<ReasoningOptions> {
    match family.thinking {
        Thinking::Never => None,
        Thinking::Budget | Thinking::Adaptive => parse_claude(fields),
        Thinking::Nova => parse_nova(fields),
        Thinking::Word(name) => {
            let effort = fields.get(name)?.as_str()?.to_owned();
            fields.shift_remove(name);
            Some(ReasoningOptions { effort: Some(effort), ..ReasoningOptions::default() })
        }
    }
}

/// Only what [`render`] would write again; anything else stays where it is.
fn parse_claude(fields: &mut Map<String, Value>) -> Option<ReasoningOptions> {
    let thinking = fields.get("thinking")?.as_object()?;
    let kind = thinking.get("type").and_then(Value::as_str)?;
    let budget = thinking.get("budget_tokens").and_then(Value::as_u64);
    let budget_tokens = match (kind, budget) {
        ("enabled", Some(tokens)) => Some(u32::try_from(tokens).ok()?),
        ("disabled", None) => Some(0),
        ("adaptive", None) => None,
        _ => return None,
    };
    let mut extra = thinking.clone();
    extra.shift_remove("budget_tokens");
    if budget_tokens.is_some() {
        extra.shift_remove("type");
    }
    fields.shift_remove("thinking");
    Some(ReasoningOptions { budget_tokens, extra, ..ReasoningOptions::default() })
}

fn parse_nova(fields: &mut Map<String, Value>) -> Option<ReasoningOptions> {
    let mut extra = fields.get("reasoningConfig")?.as_object()?.clone();
    let effort = match extra.get("maxReasoningEffort") {
        Some(Value::String(effort)) if extra.get("type") == Some(&json!("enabled")) => {
            Some(effort.clone())
        }
        _ => None,
    };
    if effort.is_some() {
        extra.shift_remove("maxReasoningEffort");
        extra.shift_remove("type");
    }
    fields.shift_remove("reasoningConfig");
    Some(ReasoningOptions { effort, extra, ..ReasoningOptions::default() })
}

//! How much to think, as the families of models take it.

use llm_core::{Extra, ModelError, ReasoningOptions};
use serde_json::{Map, Value, json};

use super::family::{Family, Thinking};
use crate::notes::Notes;

/// The least that a budget may be.
const LEAST: u32 = 1024;

/// [`ReasoningOptions::extra`] holds this name with `false` where effort was asked for without thinking, which this
/// dialect can tell apart.
pub(super) const NO_THINKING: &str = "thinking";

/// What the body says about thinking.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Plan {
    /// The `thinking` object.
    pub(super) thinking: Option<Value>,
    /// `output_config.effort`.
    pub(super) effort: Option<String>,
    /// `max_tokens`, where there was none, must be larger than the budget.
    pub(super) budget: u32,
}

impl Plan {
    /// Whether the model thinks, which it does not do with every kind of sampling.
    pub(super) fn thinks(&self) -> bool {
        self.thinking.as_ref().is_some_and(|thinking| thinking["type"] != "disabled")
    }
}

/// What bears on thinking beside the options.
pub(super) struct Circumstances {
    pub(super) family: Family,
    /// The answer's limit, if the caller named one; thinking counts.
    pub(super) max_tokens: Option<u32>,
    /// A tool must be used; models do not think then.
    pub(super) forces_tool: bool,
}

/// - A kind that the caller names (`extra.type`, as [`parse_request`](super::parse_request) leaves it) goes out as it is.
/// - A budget is the budget; where the family has none, the model decides and a warning says so. 0 switches off.
/// - An effort is `output_config.effort` with adaptive thinking where the family has that, else a budget that fits it.
pub(super) fn plan(
    options: ReasoningOptions,
    around: &Circumstances,
    notes: &mut Notes,
) -> Result<Plan, ModelError> {
    let ReasoningOptions { effort, budget_tokens, summary, mut extra } = options;
    if extra.get(NO_THINKING) == Some(&Value::Bool(false)) {
        return Ok(Plan { effort, ..Plan::default() });
    }
    if let Some(kind) = extra.shift_remove("type") {
        let thinking = object(kind, budget_tokens, extra);
        return Ok(Plan { thinking: Some(thinking), effort, budget: budget_tokens.unwrap_or(0) });
    }
    if summary.is_some() && around.family.thinking != Thinking::Budget {
        extra.entry("display").or_insert_with(|| "summarized".into());
    }
    let is_off = budget_tokens == Some(0) || effort.as_deref() == Some("none");
    let effort = effort.filter(|word| word != "none");
    if is_off {
        // A budget of 0 asks for it in so many words; no effort says nothing to a model that does not think anyway.
        let is_said = budget_tokens.is_some() || around.family.thinking != Thinking::Never;
        return Ok(Plan {
            thinking: is_said.then(|| json!({ "type": "disabled" })),
            effort: effort.filter(|_| around.family.effort),
            budget: 0,
        });
    }
    if effort.is_none() && budget_tokens.is_none() {
        return Ok(Plan::default());
    }
    if around.family.thinking == Thinking::Never {
        notes.dropped_parameter("thinking")?;
        return Ok(Plan::default());
    }
    match budget_tokens {
        Some(budget) => with_budget(budget, effort, extra, around, notes),
        None => with_effort(effort.unwrap_or_default(), extra, around, notes),
    }
}

fn with_budget(
    budget: u32,
    effort: Option<String>,
    extra: Extra,
    around: &Circumstances,
    notes: &mut Notes,
) -> Result<Plan, ModelError> {
    let effort = effort.filter(|_| around.family.effort).map(effort_word);
    if around.family.thinking == Thinking::Adaptive {
        notes.dropped_parameter("thinking")?;
        let thinking = Some(object("adaptive".into(), None, extra));
        return Ok(Plan { thinking, effort, budget: 0 });
    }
    let thinking = Some(object("enabled".into(), Some(budget), extra));
    Ok(Plan { thinking, effort, budget })
}

fn with_effort(
    effort: String,
    extra: Extra,
    around: &Circumstances,
    notes: &mut Notes,
) -> Result<Plan, ModelError> {
    if around.forces_tool {
        notes.dropped_parameter("thinking")?;
        return Ok(Plan::default());
    }
    let is_adaptive = matches!(around.family.thinking, Thinking::Either | Thinking::Adaptive);
    if is_adaptive {
        let thinking = Some(object("adaptive".into(), None, extra));
        return Ok(Plan { thinking, effort: Some(effort_word(effort)), budget: 0 });
    }
    let room = around.max_tokens.map_or(u32::MAX, |limit| limit.saturating_sub(1));
    let budget =
        budget_of(&effort).map(|budget| budget.min(room)).filter(|budget| *budget >= LEAST);
    let Some(budget) = budget else {
        notes.dropped_parameter("thinking")?;
        return Ok(Plan::default());
    };
    Ok(Plan {
        thinking: Some(object("enabled".into(), Some(budget), extra)),
        effort: around.family.effort.then(|| effort_word(effort)),
        budget,
    })
}

/// What thinking an effort is worth where the model takes a budget only.
fn budget_of(effort: &str) -> Option<u32> {
    match effort {
        "minimal" => Some(LEAST),
        "low" => Some(2048),
        "medium" => Some(8192),
        "high" => Some(16_384),
        "xhigh" | "max" => Some(32_768),
        _ => None,
    }
}

/// This dialect's scale begins at `low`.
fn effort_word(effort: String) -> String {
    if effort == "minimal" { "low".to_owned() } else { effort }
}

fn object(kind: Value, budget: Option<u32>, extra: Extra) -> Value {
    let mut fields = Map::from_iter([("type".to_owned(), kind)]);
    if let Some(budget) = budget {
        fields.insert("budget_tokens".into(), budget.into());
    }
    fields.extend(extra);
    Value::Object(fields)
}

#[cfg(test)]
mod tests {
    use llm_core::Unsupported;

    use super::*;

    fn check(model: &str, options: ReasoningOptions, expected: Value, warnings: usize) {
        let around =
            Circumstances { family: Family::of(model), max_tokens: None, forces_tool: false };
        let mut notes = Notes::new(Unsupported::Warn);
        let plan = plan(options, &around, &mut notes).unwrap();
        let found = json!({ "thinking": plan.thinking, "effort": plan.effort });
        assert_eq!(found, expected, "{model}");
        assert_eq!(notes.into_warnings().len(), warnings, "{model}");
    }

    fn effort(word: &str) -> ReasoningOptions {
        ReasoningOptions { effort: Some(word.into()), ..Default::default() }
    }

    fn budget(tokens: u32) -> ReasoningOptions {
        ReasoningOptions { budget_tokens: Some(tokens), ..Default::default() }
    }

    #[test]
    fn every_family_thinks_its_own_way() {
        let enabled = |tokens: u32| json!({ "type": "enabled", "budget_tokens": tokens });
        let adaptive = json!({ "type": "adaptive" });
        let none = json!({ "thinking": null, "effort": null });
        check("claude-3-5-haiku-latest", effort("low"), none.clone(), 1);
        let low = json!({ "thinking": enabled(2048), "effort": null });
        check("claude-haiku-4-5", effort("low"), low, 0);
        let high = json!({ "thinking": enabled(16_384), "effort": "high" });
        check("claude-opus-4-5", effort("high"), high, 0);
        let least = json!({ "thinking": adaptive, "effort": "low" });
        check("claude-opus-4-6", effort("minimal"), least, 0);
        let given = json!({ "thinking": enabled(3000), "effort": null });
        check("claude-opus-4-6", budget(3000), given, 0);
        let free = json!({ "thinking": adaptive, "effort": null });
        check("claude-opus-4-8", budget(3000), free, 1);
        let off = json!({ "thinking": { "type": "disabled" }, "effort": null });
        check("claude-opus-4-8", effort("none"), off, 0);
        check("claude-haiku-4-5", effort("some day"), none, 1);
    }

    #[test]
    fn a_budget_fits_the_limit_and_the_tools() {
        let around = |max_tokens, forces_tool| Circumstances {
            family: Family::of("claude-haiku-4-5"),
            max_tokens,
            forces_tool,
        };
        let mut notes = Notes::new(Unsupported::Warn);
        let mut budget = |around| plan(effort("high"), &around, &mut notes).unwrap().budget;
        assert_eq!(budget(around(Some(4000), false)), 3999);
        assert_eq!(budget(around(Some(1000), false)), 0);
        assert_eq!(budget(around(None, true)), 0);
    }
}

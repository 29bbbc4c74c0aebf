//! [`ModelSpending`]: what a turn's model calls consumed.

use llm_bundle::Trail;
use llm_core::Usage;
use serde::{Deserialize, Serialize};

/// What calls to one model consumed, attempts that failed or were cancelled among them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ModelSpending {
    /// The model, as `provider/model`.
    pub model: String,
    /// How often it was asked.
    pub attempts: u32,
    /// What it consumed.
    pub usage: Usage,
    /// In US dollars, as far as it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<f64>,
    /// Whether something was consumed whose cost is not known.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_unknown_cost: bool,
}

/// What the calls of a trail consumed, by model, in the order in which they were first asked.
pub(crate) fn spent(trail: &Trail) -> Vec<ModelSpending> {
    let spent = trail.spent().into_iter();
    spent
        .map(|spent| ModelSpending {
            model: spent.model.to_string(),
            attempts: spent.attempts,
            usage: spent.usage,
            cost: spent.cost,
            has_unknown_cost: spent.has_unknown_cost,
        })
        .collect()
}

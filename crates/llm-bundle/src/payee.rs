//! [`Payee`]: who is paid for an attempt.

use std::sync::Arc;

use llm_core::{Execution, ModelInfo, ModelName, Prices, Usage};

/// What a record says of the model that answered.
#[derive(Debug)]
pub(crate) struct Payee {
    pub(crate) name: Arc<ModelName>,
    pub(crate) execution: Execution,
    prices: Option<Prices>,
}

impl Payee {
    /// The payee that this model is.
    pub(crate) fn of(info: &ModelInfo) -> Self {
        Self {
            name: Arc::new(info.name.clone()),
            execution: info.execution,
            prices: info.prices.clone(),
        }
    }

    /// Whether anything of it has a price that is known.
    pub(crate) fn has_prices(&self) -> bool {
        self.prices.is_some()
    }

    /// What it asks for this, in US dollars: what the provider says, else by the price list; `None` where neither
    /// tells.
    pub(crate) fn cost(&self, usage: &Usage) -> Option<f64> {
        self.prices.as_ref().map_or(usage.cost, |prices| prices.cost(usage))
    }
}

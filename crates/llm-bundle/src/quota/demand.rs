//! [`Demand`]: what a call may need, before it is made.

use llm_core::{ModelKind, Prices, Usage};
use service_guards::{Priority, batch_share};

use super::limits::nanodollars;
use super::{Charge, Limits, Measure, Scope};
use crate::modality::Modality;
use crate::tally::estimated_tokens;

/// Tokens that an answer is assumed to have when the request does not bound it.
const LIKELY_ANSWER: u64 = 1_000;

/// What a call may need.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Demand {
    input: u64,
    output: u64,
    /// Whether the request says how long the answer may be; else that is a guess, for which nothing is refused.
    is_bounded: bool,
}

impl Demand {
    pub(super) fn of<M: Modality + ?Sized>(request: &M::Request) -> Self {
        let input = estimated_tokens(M::input_bytes(request));
        let asked = M::output_limit(request);
        let likely = match M::KIND {
            ModelKind::Chat | ModelKind::Vision => LIKELY_ANSWER,
            _ => 0,
        };
        Self { input, output: asked.unwrap_or(likely), is_bounded: asked.is_some() }
    }

    /// What is reserved of each limited counter of `scope`.
    pub(super) fn charges(
        self,
        scope: &Scope,
        limits: &Limits,
        prices: Option<&Prices>,
        priority: Priority,
    ) -> impl Iterator<Item = Charge> {
        limits.by_measure().map(move |(measure, limit)| {
            let amount = match measure {
                Measure::Requests | Measure::Concurrent => 1,
                Measure::Tokens => self.amount(limit, |output| self.input.saturating_add(output)),
                Measure::Money => self.amount(limit, |output| self.cost(output, prices)),
            };
            let is_shared = priority == Priority::Batch && measure != Measure::Money;
            let limit = if is_shared { batch_share(limit, amount) } else { limit };
            Charge { scope: scope.clone(), measure, amount, limit }
        })
    }

    /// What is needed with the whole answer; no more than the limit where the answer's length is a guess.
    fn amount(self, limit: u64, with_output: impl Fn(u64) -> u64) -> u64 {
        let likely = with_output(self.output);
        if self.is_bounded { likely } else { likely.min(limit).max(with_output(0)) }
    }

    fn cost(self, output: u64, prices: Option<&Prices>) -> u64 {
        let usage = Usage {
            input_tokens: Some(self.input),
            output_tokens: (output > 0).then_some(output),
            ..Usage::default()
        };
        // Without the answer's price the prompt's is better than nothing.
        let prompt = || Usage { output_tokens: None, ..usage.clone() };
        let cost = prices.and_then(|prices| prices.cost(&usage).or_else(|| prices.cost(&prompt())));
        cost.map_or(0, nanodollars)
    }
}

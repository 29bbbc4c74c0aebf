//! [`Prices`]: what a model costs, and what a call cost.

use serde::{Deserialize, Serialize};

use crate::Usage;

/// What a model costs, in US dollars per token (or per unit where said). `None` is unknown, zero is free.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Prices {
    /// Of the prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<f64>,
    /// Of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<f64>,
    /// Of the prompt, where it is read from the provider's cache; unknown, as `input`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<f64>,
    /// Of the prompt, where it is written to the provider's cache; unknown, as `input`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<f64>,
    /// Of reasoning; unknown, as `output`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<f64>,
    /// Of sound in the prompt; unknown, as `input`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio_input: Option<f64>,
    /// Of sound in the answer; unknown, as `output`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio_output: Option<f64>,
    /// Per search unit or query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search_unit: Option<f64>,
    /// What a call with a long prompt costs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub long: Option<LongPrices>,
}

/// What a whole call costs whose prompt is longer than a provider's first tier. Unknown prices are those of the first tier.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct LongPrices {
    /// From more prompt tokens than this on.
    pub above_tokens: u64,
    /// As in [`Prices`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<f64>,
    /// As in [`Prices`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<f64>,
    /// As in [`Prices`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<f64>,
    /// As in [`Prices`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<f64>,
}

impl Prices {
    /// What a call cost, in US dollars: what the provider says ([`Usage::cost`]), else what it consumed at these prices.
    ///
    /// `None` where that cannot be told: a price is unknown of something that was consumed, or the count is unknown of
    /// something that has a price. By the convention of [`Usage`], cached and spoken tokens are part of the prompt's,
    /// reasoning and spoken ones part of the answer's; each is paid for once.
    ///
    /// ```
    /// use llm_core::{Prices, Usage};
    ///
    /// let prices = Prices { input: Some(2e-6), output: Some(8e-6), cache_read: Some(1e-6), ..Prices::default() };
    /// let usage = Usage {
    ///     input_tokens: Some(1_000),
    ///     cache_read_tokens: Some(400),
    ///     output_tokens: Some(100),
    ///     ..Usage::default()
    /// };
    /// assert_eq!(prices.cost(&usage), Some(600.0 * 2e-6 + 400.0 * 1e-6 + 100.0 * 8e-6));
    /// ```
    pub fn cost(&self, usage: &Usage) -> Option<f64> {
        if usage.cost.is_some() {
            return usage.cost;
        }
        let counted = (usage.input_tokens, usage.output_tokens, usage.search_units);
        if counted == (None, None, None) {
            return None;
        }
        let prices = self.for_prompt(usage.input_tokens);
        let input = share(
            usage.input_tokens,
            prices.input,
            [
                (usage.cache_read_tokens, prices.cache_read),
                (usage.cache_write_tokens, prices.cache_write),
                (usage.audio_input_tokens, prices.audio_input),
            ],
        )?;
        let output = share(
            usage.output_tokens,
            prices.output,
            [
                (usage.reasoning_tokens, prices.reasoning),
                (usage.audio_output_tokens, prices.audio_output),
                (None, None),
            ],
        )?;
        let units = share(usage.search_units, prices.search_unit, [(None, None); 3])?;
        Some(input + output + units)
    }

    /// The prices of the tier that a prompt falls into.
    fn for_prompt(&self, tokens: Option<u64>) -> Prices {
        let long = self.long.as_ref().filter(|long| tokens > Some(long.above_tokens));
        let Some(long) = long else {
            return self.clone();
        };
        Prices {
            input: long.input.or(self.input),
            output: long.output.or(self.output),
            cache_read: long.cache_read.or(self.cache_read),
            cache_write: long.cache_write.or(self.cache_write),
            ..self.clone()
        }
    }
}

/// What a count costs of which some parts have prices of their own.
fn share(
    count: Option<u64>,
    price: Option<f64>,
    parts: [(Option<u64>, Option<f64>); 3],
) -> Option<f64> {
    let Some(count) = count else {
        // Free or of no meaning for this model, such as the answer's tokens for embeddings.
        return price.is_none_or(|price| price == 0.0).then_some(0.0);
    };
    let (mut rest, mut sum) = (count, 0.0);
    for (part, own_price) in parts {
        // What providers tell does not always add up.
        let part = part.unwrap_or(0).min(rest);
        rest -= part;
        sum += pay(part, own_price.or(price))?;
    }
    Some(sum + pay(rest, price)?)
}

/// Nothing costs nothing, at whatever price.
fn pay(count: u64, price: Option<f64>) -> Option<f64> {
    if count == 0 { Some(0.0) } else { Some(count as f64 * price?) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prices() -> Prices {
        Prices { input: Some(2.0), output: Some(8.0), ..Prices::default() }
    }

    fn usage(input: u64, output: u64) -> Usage {
        Usage { input_tokens: Some(input), output_tokens: Some(output), ..Usage::default() }
    }

    #[test]
    fn every_token_is_paid_for_once() {
        let own = Prices {
            cache_read: Some(0.5),
            cache_write: Some(3.0),
            audio_input: Some(10.0),
            reasoning: Some(9.0),
            audio_output: Some(20.0),
            ..prices()
        };
        let parts = Usage {
            cache_read_tokens: Some(40),
            cache_write_tokens: Some(10),
            audio_input_tokens: Some(5),
            reasoning_tokens: Some(4),
            audio_output_tokens: Some(1),
            ..usage(100, 10)
        };
        let too_many = Usage { cache_read_tokens: Some(500), ..usage(100, 0) };
        let long = LongPrices { above_tokens: 200, input: Some(4.0), ..LongPrices::default() };
        let tiered = Prices { long: Some(long), ..prices() };
        let embedding = Prices { input: Some(2.0), ..Prices::default() };
        let only_input = Usage { input_tokens: Some(3), ..Usage::default() };
        let by_unit = Prices { search_unit: Some(0.002), ..Prices::default() };
        let units = Usage { search_units: Some(3), ..Usage::default() };
        let told = Usage { cost: Some(0.25), ..usage(100, 10) };
        for (name, prices, usage, expected) in [
            ("plain", &prices(), &usage(100, 10), Some(280.0)),
            (
                "parts",
                &own,
                &parts,
                Some(45.0 * 2.0 + 20.0 + 30.0 + 50.0 + 5.0 * 8.0 + 36.0 + 20.0),
            ),
            ("parts without prices", &prices(), &parts, Some(280.0)),
            ("more cached than there is", &own, &too_many, Some(50.0)),
            ("not long", &tiered, &usage(200, 1), Some(408.0)),
            ("long", &tiered, &usage(201, 1), Some(812.0)),
            ("embedding", &embedding, &only_input, Some(6.0)),
            ("search units", &by_unit, &units, Some(0.006)),
            ("the provider's word", &prices(), &told, Some(0.25)),
            ("nothing told", &prices(), &Usage::default(), None),
            ("no count of the answer", &prices(), &only_input, None),
            ("no price of the answer", &embedding, &usage(3, 1), None),
            ("no prices, nothing consumed", &Prices::default(), &usage(0, 0), Some(0.0)),
            ("no prices", &Prices::default(), &usage(1, 1), None),
            ("no price of a unit", &prices(), &units, None),
        ] {
            assert_eq!(prices.cost(usage), expected, "{name}");
        }
    }
}

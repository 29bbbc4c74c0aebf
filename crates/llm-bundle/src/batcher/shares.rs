//! Sharing out what a run has consumed.

use llm_core::Usage;

/// Where a count stands in a usage.
type Field = fn(&mut Usage) -> &mut Option<u64>;

/// The usage in shares by weight. The shares of each count add up to it exactly, and each is less than one off its exact
/// size; money adds up but for the rounding of floating-point numbers. The provider's own object belongs to no share.
pub(super) fn shares(usage: &Usage, weights: &[u64]) -> Vec<Usage> {
    let mut shares: Vec<Usage> =
        weights.iter().map(|_| Usage { estimated: usage.estimated, ..Usage::default() }).collect();
    let counts: [(Option<u64>, Field); 8] = [
        (usage.input_tokens, |usage| &mut usage.input_tokens),
        (usage.output_tokens, |usage| &mut usage.output_tokens),
        (usage.cache_read_tokens, |usage| &mut usage.cache_read_tokens),
        (usage.cache_write_tokens, |usage| &mut usage.cache_write_tokens),
        (usage.reasoning_tokens, |usage| &mut usage.reasoning_tokens),
        (usage.audio_input_tokens, |usage| &mut usage.audio_input_tokens),
        (usage.audio_output_tokens, |usage| &mut usage.audio_output_tokens),
        (usage.search_units, |usage| &mut usage.search_units),
    ];
    for (count, field) in counts {
        let parts = count.map(|count| share_out(count, weights));
        for (share, part) in shares.iter_mut().zip(parts.into_iter().flatten()) {
            *field(share) = Some(part);
        }
    }
    let whole: f64 = weights.iter().map(|weight| *weight as f64).sum();
    for (share, weight) in shares.iter_mut().zip(weights) {
        share.cost = usage.cost.map(|cost| cost * *weight as f64 / whole);
    }
    shares
}

/// A count in parts by weight: each part ends where its share of the whole does, rounded down.
fn share_out(count: u64, weights: &[u64]) -> impl Iterator<Item = u64> {
    let whole: u128 = weights.iter().map(|weight| u128::from(*weight)).sum::<u128>().max(1);
    weights.iter().scan((0_u128, 0_u64), move |(weight_before, given), weight| {
        *weight_before += u128::from(*weight);
        let end = (u128::from(count) * *weight_before / whole) as u64;
        let part = end - *given;
        *given = end;
        Some(part)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn shares_follow_the_weights() {
        let usage = Usage {
            input_tokens: Some(10),
            search_units: Some(1),
            cost: Some(0.5),
            estimated: true,
            raw: Some(serde_json::json!({ "prompt_tokens": 10 })),
            ..Usage::default()
        };
        let shares = shares(&usage, &[1, 3, 4]);
        let tokens: Vec<_> = shares.iter().map(|share| share.input_tokens).collect();
        assert_eq!(tokens, [Some(1), Some(4), Some(5)]);
        let units: Vec<_> = shares.iter().map(|share| share.search_units).collect();
        assert_eq!(units, [Some(0), Some(0), Some(1)]);
        assert_eq!(shares[1].cost, Some(0.1875));
        assert!(shares.iter().all(|share| share.estimated && share.output_tokens.is_none()));
        assert!(shares.iter().all(|share| share.raw.is_none()));
    }

    proptest! {
        #[test]
        fn nothing_is_lost(count: u64, weights in proptest::collection::vec(1..1_u64 << 48, 1..40)) {
            let parts: Vec<u64> = share_out(count, &weights).collect();
            prop_assert_eq!(parts.len(), weights.len());
            prop_assert_eq!(parts.iter().map(|part| u128::from(*part)).sum::<u128>(), u128::from(count));
        }
    }
}

//! What a refused call is told.

use std::time::Duration;

use llm_core::{ErrorKind, ModelError, Operation, Retry};
use service_guards::Priority;

use super::{Charge, Measure};

/// The least that a caller is asked to wait: less makes no difference to who has to come back.
const LEAST_WAIT: Duration = Duration::from_secs(1);

/// A charge that does not fit.
pub(super) struct Refused<'a> {
    pub(super) charge: &'a Charge,
    pub(super) wait: Option<Duration>,
    pub(super) priority: Priority,
}

impl Refused<'_> {
    pub(super) fn error(&self, operation: Operation) -> ModelError {
        let kind = match self.charge.measure {
            Measure::Money => ErrorKind::Quota,
            _ => ErrorKind::RateLimit,
        };
        let retry = match (self.charge.measure, self.wait) {
            (Measure::Money, _) => Retry::Exhausted,
            (_, Some(wait)) => Retry::After(wait.max(LEAST_WAIT)),
            (_, None) => Retry::No,
        };
        ModelError::new(kind, operation, self.message()).with_retry(retry).as_refusal()
    }

    fn message(&self) -> String {
        let Charge { scope, amount, limit, measure } = self.charge;
        let batch = match self.priority {
            Priority::Interactive => "",
            Priority::Batch => " in the background",
        };
        let again = self.wait.map_or_else(String::new, |wait| {
            format!("; try again in {}", words(wait.max(LEAST_WAIT)))
        });
        match (measure, self.wait) {
            (Measure::Requests, _) => {
                format!("{scope} may make {limit} requests a minute{batch}{again}")
            }
            (Measure::Tokens, Some(_)) => format!(
                "{scope} may use {limit} tokens a minute{batch}, and this call may need {amount}{again}"
            ),
            (Measure::Tokens, None) => format!(
                "this call may need {amount} tokens, more than {scope} may use in a minute{batch} \
                 ({limit}); shorten it, or ask for a shorter answer"
            ),
            (Measure::Concurrent, Some(_)) => {
                format!("{scope} may have {limit} answers under way at once{batch}{again}")
            }
            (Measure::Concurrent, None) => format!("{scope} may have no answer under way"),
            (Measure::Money, Some(wait)) => format!(
                "the budget of {scope}, {} dollars a day, is used up; the next day begins at 00:00 UTC, \
                 in {}",
                dollars(*limit),
                words(wait)
            ),
            (Measure::Money, None) => format!(
                "this call may cost {} dollars, more than {scope} may spend in a day ({})",
                dollars(*amount),
                dollars(*limit)
            ),
        }
    }
}

/// Nobody knows when it would be this call's turn.
pub(super) fn too_many_wait(
    charges: &[Charge],
    wait: Duration,
    operation: Operation,
) -> ModelError {
    let scope = charges.first().map(|charge| format!(" of {}", charge.scope)).unwrap_or_default();
    let message = format!("too many calls{scope} wait for their turn; try again later");
    ModelError::new(ErrorKind::RateLimit, operation, message)
        .with_retry(Retry::After(wait.max(LEAST_WAIT)))
        .as_refusal()
}

/// A price as people write it: two digits, more where there is more to tell.
fn dollars(nanodollars: u64) -> String {
    let text = format!("{:.9}", nanodollars as f64 / 1e9);
    let shortened = text.trim_end_matches('0');
    let digits = shortened.len() - shortened.find('.').map_or(0, |point| point + 1);
    format!("{shortened}{}", "0".repeat(2_usize.saturating_sub(digits)))
}

/// A wait as people say it, rounded up.
fn words(wait: Duration) -> String {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    match seconds {
        0..=90 => format!("{seconds} s"),
        91..=5_399 => format!("{} min", seconds.div_ceil(60)),
        _ => format!("{} h {} min", seconds.div_ceil(60) / 60, seconds.div_ceil(60) % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Scope;
    use super::*;

    #[test]
    fn what_is_refused_says_whose_limit_it_was_and_what_helps() {
        let day = Duration::from_secs(3 * 3_600 + 61);
        for (measure, amount, limit, wait, expected) in [
            (
                Measure::Requests,
                1,
                60,
                Some(Duration::from_millis(2_500)),
                "RateLimit After(2.5s) tenant `acme` may make 60 requests a minute; try again in 3 s",
            ),
            (
                Measure::Requests,
                1,
                0,
                None,
                "RateLimit No tenant `acme` may make 0 requests a minute",
            ),
            (
                Measure::Tokens,
                700,
                1_000,
                Some(Duration::from_secs(120)),
                "RateLimit After(120s) tenant `acme` may use 1000 tokens a minute, and this call may need 700; try \
                 again in 2 min",
            ),
            (
                Measure::Tokens,
                1_001,
                1_000,
                None,
                "RateLimit No this call may need 1001 tokens, more than tenant `acme` may use in a minute (1000); \
                 shorten it, or ask for a shorter answer",
            ),
            (
                Measure::Concurrent,
                1,
                2,
                Some(Duration::from_millis(100)),
                "RateLimit After(1s) tenant `acme` may have 2 answers under way at once; try again in 1 s",
            ),
            (
                Measure::Money,
                1,
                2_500_000_000,
                Some(day),
                "Quota Exhausted the budget of tenant `acme`, 2.50 dollars a day, is used up; the next day begins at \
                 00:00 UTC, in 3 h 2 min",
            ),
            (
                Measure::Money,
                1_234_500_000,
                1_000_000_000,
                None,
                "Quota Exhausted this call may cost 1.2345 dollars, more than tenant `acme` may spend in a day (1.00)",
            ),
        ] {
            let charge = Charge { scope: Scope::tenant("acme"), measure, amount, limit };
            let refused = Refused { charge: &charge, wait, priority: Priority::Interactive };
            let error = refused.error(Operation::Chat);
            let retry = service_guards::RetryHint::retry(&error);
            assert_eq!(format!("{:?} {retry:?} {}", error.kind(), error.message()), expected);
        }
    }
}

//! What Redis is asked: one script for each operation, and how its parameters are written.

use std::time::Duration;

use llm_bundle::quota::{Charge, Consumed, Measure, Refusal, Scope};
use redis::{RedisResult, Script, ScriptInvocation};

/// The most that one number may be: sums of two stay exact in Lua, whose numbers are doubles.
const MOST: u64 = 1 << 52;

/// The most places that one reservation can take: each is a name in a set.
const MOST_PLACES: u64 = 1_000;

/// The scripts, and the keys that they work on. All keys have one hash tag, so that a script finds them on one node.
#[derive(Debug)]
pub(super) struct Scripts {
    prefix: String,
    window: u64,
    lease: u64,
    reserve: Script,
    settle: Script,
    read: Script,
}

impl Scripts {
    pub(super) fn new(prefix: &str, window: Duration, lease: Duration) -> Self {
        macro_rules! script {
            ($file:literal) => {
                Script::new(concat!(include_str!("counters.lua"), "\n", include_str!($file)))
            };
        }
        Self {
            prefix: format!("{prefix}:{{limits}}"),
            window: window.as_micros().clamp(60, u128::from(MOST)) as u64,
            lease: lease.as_millis().clamp(1, u128::from(MOST)) as u64,
            reserve: script!("reserve.lua"),
            settle: script!("settle.lua"),
            read: script!("read.lua"),
        }
    }

    pub(super) fn reserve(&self, id: &str, charges: &[Charge]) -> ScriptInvocation<'_> {
        let mut call = self.reserve.prepare_invoke();
        call.key(self.reservation(id)).arg(self.window).arg(id).arg(self.lease);
        for charge in charges {
            let limit = match charge.measure {
                Measure::Concurrent if charge.amount > MOST_PLACES => 0,
                _ => charge.limit.min(MOST),
            };
            call.key(self.counter(&charge.scope, charge.measure));
            call.arg(kind(charge.measure)).arg(charge.amount.min(MOST)).arg(limit);
        }
        call
    }

    pub(super) fn settle(
        &self,
        id: &str,
        charges: &[Charge],
        consumed: Option<&Consumed>,
    ) -> ScriptInvocation<'_> {
        let mut call = self.settle.prepare_invoke();
        call.key(self.reservation(id)).arg(self.window).arg(id);
        for charge in charges {
            let actual = consumed.map_or(charge.amount, |consumed| consumed.of(charge));
            call.key(self.counter(&charge.scope, charge.measure));
            call.arg(kind(charge.measure)).arg(actual.min(MOST));
        }
        call
    }

    pub(super) fn read(&self, counters: &[(Scope, Measure)]) -> ScriptInvocation<'_> {
        let mut call = self.read.prepare_invoke();
        call.arg(self.window);
        for (scope, measure) in counters {
            call.key(self.counter(scope, *measure)).arg(kind(*measure));
        }
        call
    }

    fn reservation(&self, id: &str) -> String {
        format!("{}:r:{id}", self.prefix)
    }

    fn counter(&self, scope: &Scope, measure: Measure) -> String {
        format!("{}:{}:{}:{}", self.prefix, measure.as_str(), scope.kind.as_str(), scope.id)
    }
}

fn kind(measure: Measure) -> &'static str {
    match measure {
        Measure::Requests | Measure::Tokens => "w",
        Measure::Concurrent => "l",
        Measure::Money => "m",
    }
}

/// What the script that reserves has said.
pub(super) fn read_reserved(answer: &[i64]) -> RedisResult<Result<(), Refusal>> {
    match *answer {
        [1] => Ok(Ok(())),
        [0, charge, wait] => {
            let charge = usize::try_from(charge).unwrap_or(0);
            let wait = u64::try_from(wait).ok().map(Duration::from_micros);
            Ok(Err(Refusal { charge, wait }))
        }
        _ => Err((redis::ErrorKind::UnexpectedReturnType, "an answer of another script").into()),
    }
}

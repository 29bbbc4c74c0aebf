use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn cost(tokens: u64) -> Cost {
    Cost { requests: 1, tokens }
}

fn requests(remaining: u64, limit: u64, reset: Duration, refill: Refill) -> RateLimits {
    let requests = RateLimit {
        limit: Some(limit),
        remaining: Some(remaining),
        reset: Some(reset),
        window: None,
        refill,
    };
    RateLimits { requests, ..RateLimits::default() }
}

/// Sends as often as there is room, and tells how often that was.
fn send_all(allowance: &mut Allowance, reserve: Reserve, now: Instant) -> u64 {
    let mut sent = 0;
    while let Ok(call) = allowance.send(cost(0), reserve, now) {
        allowance.answered(call);
        sent += 1;
        assert!(sent <= 1_000, "no end");
    }
    sent
}

#[test]
fn nothing_known_stops_nobody() {
    let mut allowance = Allowance::default();
    for _ in 0..100 {
        allowance.send(cost(1_000), Reserve::Share(0.2), Instant::now()).unwrap();
    }
}

#[test]
fn what_is_left_is_counted_down_until_the_reset() {
    let (mut allowance, start) = (Allowance::default(), Instant::now());
    allowance.told(&requests(3, 10, SECOND * 60, Refill::AtReset), start);
    assert_eq!(send_all(&mut allowance, Reserve::None, start), 3);
    let refused = allowance.send(cost(0), Reserve::None, start + SECOND * 20).unwrap_err();
    assert_eq!(refused, SECOND * 40);
    allowance.send(cost(0), Reserve::None, start + SECOND * 60).unwrap();
}

#[test]
fn a_limit_that_comes_back_bit_by_bit_stops_for_a_bit() {
    let (mut allowance, start) = (Allowance::default(), Instant::now());
    // Sixty in a minute: one in a second.
    allowance.told(&requests(0, 60, SECOND * 60, Refill::Steady), start);
    assert_eq!(allowance.wait(Reserve::None, start), Some(SECOND));
    assert_eq!(send_all(&mut allowance, Reserve::None, start + SECOND * 5), 5);
    // A fifth of it, and one more.
    let batch = allowance.wait(Reserve::Share(0.2), start + SECOND * 5).unwrap();
    assert_eq!(batch.as_secs_f64().round(), 13.0);
}

#[test]
fn batch_leaves_its_reserve_to_others() {
    let (mut allowance, start) = (Allowance::default(), Instant::now());
    allowance.told(&requests(10, 10, SECOND * 9, Refill::AtReset), start);
    assert_eq!(send_all(&mut allowance, Reserve::Share(0.2), start), 8);
    assert_eq!(allowance.wait(Reserve::Share(0.2), start + SECOND), Some(SECOND * 8));
    assert_eq!(send_all(&mut allowance, Reserve::None, start), 2);
}

#[test]
fn calls_under_way_count_and_are_not_counted_twice() {
    let (mut allowance, start) = (Allowance::default(), Instant::now());
    allowance.told(&requests(2, 10, SECOND * 9, Refill::AtReset), start);
    let first = allowance.send(cost(0), Reserve::None, start).unwrap();
    let second = allowance.send(cost(0), Reserve::None, start).unwrap();
    assert!(allowance.send(cost(0), Reserve::None, start).is_err());
    // The provider's answer to the first has counted both.
    allowance.told(&requests(1, 10, SECOND * 9, Refill::AtReset), start);
    allowance.answered(first);
    allowance.answered(second);
    assert_eq!(allowance.left(start).0, Some(1));
}

#[test]
fn tokens_are_counted_for_batch_and_nobody_who_waits_is_refused_for_a_guess() {
    let (mut allowance, start) = (Allowance::default(), Instant::now());
    let tokens = RateLimit {
        limit: Some(1_000),
        remaining: Some(500),
        reset: Some(SECOND * 30),
        ..RateLimit::default()
    };
    allowance.told(&RateLimits { input_tokens: tokens, ..RateLimits::default() }, start);
    let call = allowance.send(cost(400), Reserve::Share(0.2), start).unwrap();
    assert_eq!(allowance.wait(Reserve::Share(0.2), start), Some(SECOND * 30));
    assert_eq!(allowance.wait(Reserve::None, start), None);
    allowance.answered(call);
    assert_eq!(allowance.left(start), (None, Some(100)));
    let call = allowance.send(cost(4_000), Reserve::None, start).unwrap();
    assert_eq!(allowance.wait(Reserve::None, start), None);
    allowance.answered(call);
    let empty = RateLimit { remaining: Some(0), ..tokens };
    allowance.told(&RateLimits { input_tokens: empty, ..RateLimits::default() }, start);
    assert_eq!(allowance.wait(Reserve::None, start), Some(SECOND * 30));
}

#[test]
fn a_limit_without_an_end_stops_only_batch_and_not_for_long() {
    let (mut allowance, start) = (Allowance::default(), Instant::now());
    let empty = RateLimit { limit: Some(5), remaining: Some(0), ..RateLimit::default() };
    allowance.told(&RateLimits { requests: empty, ..RateLimits::default() }, start);
    assert_eq!(allowance.wait(Reserve::None, start), None);
    assert_eq!(allowance.wait(Reserve::Share(0.2), start), Some(SHORT_TRUST));
    let minute = RateLimit { window: Some(SECOND * 60), ..empty };
    allowance.told(&RateLimits { requests: minute, ..RateLimits::default() }, start);
    assert_eq!(allowance.wait(Reserve::Share(0.2), start), Some(SECOND * 60));
}

#[test]
fn who_asks_to_rest_is_left_in_peace_but_not_for_ever() {
    let (mut allowance, start) = (Allowance::default(), Instant::now());
    let asked = |wait| RateLimits { retry_after: Some(wait), ..RateLimits::default() };
    allowance.told(&asked(SECOND * 7), start);
    allowance.told(&asked(SECOND), start + SECOND);
    assert_eq!(allowance.wait(Reserve::None, start + SECOND), Some(SECOND * 6));
    assert_eq!(allowance.wait(Reserve::None, start + SECOND * 7), None);
    allowance.told(&asked(SECOND * 1_000_000), start);
    assert_eq!(allowance.wait(Reserve::None, start), Some(LONGEST_TRUST));
}

proptest! {
    /// Against a provider that counts exactly, in fixed windows or as a bucket: interactive calls are sent while it takes
    /// them, batch never takes the reserve, and a refusal's wait is long enough.
    #[test]
    fn no_call_is_sent_that_the_provider_would_refuse(
        limit in 1..50_u64,
        is_steady: bool,
        steps in proptest::collection::vec((0..4_000_u64, any::<bool>()), 1..200),
    ) {
        let refill = if is_steady { Refill::Steady } else { Refill::AtReset };
        let window = SECOND * 10;
        let (mut allowance, start) = (Allowance::default(), Instant::now());
        let mut now = start;
        // The provider: what is free, and since when its window runs.
        let (mut free, mut since) = (limit as f64, start);
        for (pause, is_batch) in steps {
            now += Duration::from_millis(pause);
            if is_steady {
                let back = limit as f64 * (now - since).as_secs_f64() / window.as_secs_f64();
                free = (free + back).min(limit as f64);
                since = now;
            } else {
                while now - since >= window {
                    (free, since) = (limit as f64, since + window);
                }
            }
            let reserve = if is_batch { Reserve::Share(0.2) } else { Reserve::None };
            match allowance.send(cost(0), reserve, now) {
                Ok(call) => {
                    prop_assert!(free >= 1.0 - 1e-6, "sent with {free} left");
                    let kept = if is_batch { (limit as f64 * 0.2).ceil() } else { 0.0 };
                    let first = allowance.left(now).0.is_none();
                    prop_assert!(first || free >= kept - 1e-6, "batch took of the last {free}");
                    free -= 1.0;
                    let reset = match is_steady {
                        true => window.mul_f64((limit as f64 - free) / limit as f64),
                        false => window - (now - since),
                    };
                    allowance.told(&requests(free as u64, limit, reset, refill), now);
                    allowance.answered(call);
                }
                Err(wait) => {
                    prop_assert!(!wait.is_zero() && wait <= window, "{wait:?}");
                    let later = now + wait + Duration::from_millis(1);
                    prop_assert_eq!(allowance.wait(reserve, later), None);
                }
            }
        }
    }
}

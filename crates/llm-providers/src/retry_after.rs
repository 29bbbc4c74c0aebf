//! When a provider asks to be called again, in every form that providers use. Pure.

use std::time::{Duration, SystemTime};

use http::HeaderMap;

/// How long to wait before the next call, as the headers of a refused one tell:
///
/// 1. `retry-after-ms` (milliseconds);
/// 2. `retry-after` (seconds, possibly with a fraction, or an HTTP date, read against the response's own `date`);
/// 3. for limits that are used up (`x-ratelimit-remaining-…: 0`), the latest of their `x-ratelimit-reset-…`: a
///    duration such as `1m30s`, `17.39s`, `2ms`, or a number of seconds.
///
/// `now` stands in for a missing `date`. `None` when no header tells.
pub fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    asked_wait(headers, now).or_else(|| from_exhausted_limits(headers))
}

/// How long the provider asks in so many words not to be called, whatever its limits: the first two forms.
pub(crate) fn asked_wait(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    from_milliseconds(headers).or_else(|| from_seconds_or_date(headers, now))
}

/// How long to wait, as the message of a refusal tells: "try again in 6.5s", "retry after 7 seconds". For providers that
/// say it nowhere else.
pub fn wait_in_message(message: &str) -> Option<Duration> {
    let message = message.to_ascii_lowercase();
    let (_, rest) =
        message.split_once("try again in ").or_else(|| message.split_once("retry after "))?;
    let mut words = rest.split_ascii_whitespace();
    let number = words.next()?.trim_end_matches(['.', ',', ';']);
    let scale = match words.next().unwrap_or_default().trim_end_matches(['.', ',', ';']) {
        "milliseconds" | "ms" => 1e-3,
        "minute" | "minutes" => 60.0,
        _ => 1.0,
    };
    match number.parse::<f64>() {
        Ok(number) => seconds(number * scale),
        Err(_) => parse_duration(number),
    }
}

/// What `x-should-retry` says, where a provider sends it.
pub fn should_retry(headers: &HeaderMap) -> Option<bool> {
    match text(headers, "x-should-retry")? {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

fn from_milliseconds(headers: &HeaderMap) -> Option<Duration> {
    seconds(text(headers, "retry-after-ms")?.parse::<f64>().ok()? / 1000.0)
}

fn from_seconds_or_date(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = text(headers, "retry-after")?;
    if let Ok(number) = value.parse::<f64>() {
        return seconds(number);
    }
    let until = httpdate::parse_http_date(value).ok()?;
    let theirs = text(headers, "date").and_then(|date| httpdate::parse_http_date(date).ok());
    Some(until.duration_since(theirs.unwrap_or(now)).unwrap_or_default())
}

fn from_exhausted_limits(headers: &HeaderMap) -> Option<Duration> {
    headers
        .iter()
        .filter(|(_, remaining)| remaining.as_bytes() == b"0")
        .filter_map(|(name, _)| name.as_str().strip_prefix("x-ratelimit-remaining-"))
        .filter_map(|scope| text(headers, &format!("x-ratelimit-reset-{scope}")))
        .filter_map(parse_duration)
        .max()
}

/// `1h2m3.5s`, `120ms`, or a plain number of seconds.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    if let Ok(number) = text.parse::<f64>() {
        return seconds(number);
    }
    let mut rest = text;
    let mut total = Duration::ZERO;
    if text.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(digits);
        let unit_end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let scale = match unit {
            "d" => 86_400.0,
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        total = total.checked_add(seconds(number.parse::<f64>().ok()? * scale)?)?;
        rest = tail;
    }
    Some(total)
}

/// A duration of so many seconds; `None` for what cannot be one.
fn seconds(number: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(number).ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderName;
    use proptest::prelude::*;

    use super::*;

    fn check(headers: &[(&str, &str)], expected: Option<f64>) {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()))
            .collect();
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:30 GMT").unwrap();
        let found = retry_after(&headers, now).map(|wait| wait.as_secs_f64());
        assert_eq!(found, expected, "{headers:?}");
    }

    #[test]
    fn reads_every_form() {
        check(&[], None);
        check(&[("retry-after", "20")], Some(20.0));
        check(&[("retry-after", "0.5")], Some(0.5));
        check(&[("retry-after-ms", "1500"), ("retry-after", "2")], Some(1.5));
        check(&[("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")], Some(7.0));
        check(&[("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT")], Some(0.0));
        check(
            &[
                ("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT"),
                ("date", "Sun, 06 Nov 1994 08:49:36 GMT"),
            ],
            Some(1.0),
        );
        check(&[("retry-after", "-5")], None);
        check(&[("retry-after", "soon")], None);
    }

    #[test]
    fn reads_the_reset_of_limits_that_are_used_up() {
        let check_reset = |reset, expected| {
            check(
                &[
                    ("x-ratelimit-remaining-requests", "10"),
                    ("x-ratelimit-reset-requests", "1h"),
                    ("x-ratelimit-remaining-tokens", "0"),
                    ("x-ratelimit-reset-tokens", reset),
                ],
                expected,
            );
        };
        check_reset("1m30s", Some(90.0));
        check_reset("2ms", Some(0.002));
        check_reset("17.5s", Some(17.5));
        check_reset("12", Some(12.0));
        check_reset("1x", None);
        check(&[("x-ratelimit-remaining-tokens", "5"), ("x-ratelimit-reset-tokens", "9s")], None);
    }

    #[test]
    fn reads_messages() {
        for (message, expected) in [
            ("Rate limit reached. Please try again in 6.5s. Visit …", Some(6.5)),
            ("Please try again in 1m2s.", Some(62.0)),
            ("Please retry after 7 seconds. To increase …", Some(7.0)),
            ("please try again in 2 minutes", Some(120.0)),
            ("please try again in a while", None),
            ("try later", None),
        ] {
            let found = wait_in_message(message).map(|wait| wait.as_secs_f64());
            assert_eq!(found, expected, "{message}");
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(text in "[0-9a-zµ. -]{0,20}") {
            let _ = parse_duration(&text);
            let _ = wait_in_message(&format!("try again in {text}"));
        }
    }
}

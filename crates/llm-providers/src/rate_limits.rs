//! What the head of a response tells of the provider's limits, in every form that providers use. Pure.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use llm_core::{RateLimit, RateLimits, Refill};

use crate::retry_after::{asked_wait, parse_duration, text};

/// The limits that a head tells:
///
/// | form | said by |
/// |---|---|
/// | `x-ratelimit-{limit,remaining,reset}-{requests,tokens}`, resets such as `6m0s` and `12ms` | OpenAI, Groq, xAI, gateways |
/// | the same with resets in seconds (or, beyond `x-ratelimit-renewalperiod-…`, in milliseconds); −1 for no limit | Azure, GitHub |
/// | the same with the window in the name: `…-req-minute`, `…-tokens-month`, `…-requests-day` | Mistral, Cerebras, Hugging Face |
/// | the same with `tokens-prompt` and `tokens-generated` | Fireworks |
/// | `x-ratelimit-{limit,remaining,reset}`, in seconds or as milliseconds since the epoch; `x-tokenlimit-…` | Together, OpenRouter |
/// | `anthropic-ratelimit-{requests,tokens,input-tokens,output-tokens}-{limit,remaining,reset}`, resets as RFC 3339 | Anthropic |
/// | `x-ratelimitbysize-…`, `ratelimitbysize-…` | Mistral |
/// | `x-trial-endpoint-call-{limit,remaining}` | Cohere |
/// | `ratelimit-{limit,remaining,reset}`, `ratelimit: limit=…, remaining=…, reset=…`, `ratelimit: "name";r=…;t=…`, `ratelimit-policy: "name";q=…;w=…` | drafts of the IETF; Hugging Face, Replicate |
///
/// and `retry-after` and `retry-after-ms`, on any response. Of several windows over the same thing, the one with the least
/// left is told. Moments are read against the response's own `date`, or `now` where that is missing.
pub fn rate_limits(headers: &HeaderMap, now: SystemTime) -> RateLimits {
    let date = text(headers, "date").and_then(|date| httpdate::parse_http_date(date).ok());
    let now = date.unwrap_or(now);
    let mut windows = Windows::default();
    for (name, value) in headers {
        let Some(value) = value.to_str().ok().map(str::trim) else {
            continue;
        };
        match name.as_str() {
            "ratelimit" => windows.take_items(value, now),
            "ratelimit-policy" => windows.take_policies(value),
            name => {
                if let Some((part, scope, refill)) = header(name) {
                    windows.take(part, scope, refill, value, now);
                }
            }
        }
    }
    let time_left = || text(headers, "x-ratelimit-timeremaining").and_then(parse_duration);
    RateLimits {
        requests: windows.tightest(Counted::Requests),
        tokens: windows.tightest(Counted::Tokens),
        input_tokens: windows.tightest(Counted::InputTokens),
        output_tokens: windows.tightest(Counted::OutputTokens),
        retry_after: asked_wait(headers, now).or_else(time_left),
    }
}

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counted {
    Requests,
    Tokens,
    InputTokens,
    OutputTokens,
}

/// What a header tells of a limit.
#[derive(Clone, Copy, Debug)]
enum Part {
    Limit,
    Remaining,
    Reset,
    /// How long the window is.
    Period,
}

/// How providers call what they count.
const COUNTED: [(&str, Counted); 9] = [
    ("", Counted::Requests),
    ("req", Counted::Requests),
    ("requests", Counted::Requests),
    ("tokens", Counted::Tokens),
    ("tokens-usage-based", Counted::Tokens),
    ("input-tokens", Counted::InputTokens),
    ("tokens-prompt", Counted::InputTokens),
    ("output-tokens", Counted::OutputTokens),
    ("tokens-generated", Counted::OutputTokens),
];

/// How providers call their windows, at the end of a name, and how many seconds they have.
const PERIODS: [(&str, u64); 6] = [
    ("10-second", 10),
    ("second", 1),
    ("minute", 60),
    ("hour", 3_600),
    ("day", 86_400),
    ("month", 86_400 * 30),
];

/// What a header of this name tells of which limit, and how that one comes back.
fn header(name: &str) -> Option<(Part, Scope, Refill)> {
    if let Some(rest) = name.strip_prefix("anthropic-ratelimit-") {
        let (scope, part) = rest.rsplit_once('-')?;
        return Some((part_named(part)?, Scope::named(scope)?, Refill::Steady));
    }
    // Prefix, and what is counted where the rest of the name does not say it.
    const FAMILIES: [(&str, &str); 6] = [
        ("x-ratelimitbysize-", "tokens"),
        ("ratelimitbysize-", "tokens"),
        ("x-tokenlimit-", "tokens"),
        ("x-trial-endpoint-call-", "requests-minute"),
        ("x-ratelimit-", ""),
        ("ratelimit-", ""),
    ];
    let (rest, counted) = FAMILIES
        .iter()
        .find_map(|(prefix, counted)| Some((name.strip_prefix(prefix)?, *counted)))?;
    let (part, scope) = rest.split_once('-').unwrap_or((rest, ""));
    let scope = match (counted, scope) {
        ("", scope) => Scope::named(scope),
        (counted, "") => Scope::named(counted),
        (counted, window) => Scope::named(&format!("{counted}-{window}")),
    };
    Some((part_named(part)?, scope?, Refill::AtReset))
}

fn part_named(name: &str) -> Option<Part> {
    match name {
        "limit" => Some(Part::Limit),
        "remaining" => Some(Part::Remaining),
        "reset" => Some(Part::Reset),
        "renewalperiod" => Some(Part::Period),
        _ => None,
    }
}

/// Which of a provider's limits.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Scope {
    counted: Counted,
    /// Apart from others that count the same: a provider's own word.
    name: String,
    period: Option<Duration>,
}

impl Scope {
    /// `tokens`, `req-minute`, `minute` …; `None` for what is not looked at, such as pictures.
    fn named(name: &str) -> Option<Self> {
        let name = name.replace('_', "-");
        let period = PERIODS.iter().find_map(|(period, seconds)| {
            let rest = name.strip_suffix(period)?;
            let what = if rest.is_empty() { rest } else { rest.strip_suffix('-')? };
            Some((what, Duration::from_secs(*seconds)))
        });
        let (what, period) = period.map_or((&*name, None), |(what, period)| (what, Some(period)));
        let (_, counted) = COUNTED.iter().find(|(word, _)| *word == what)?;
        Some(Self { counted: *counted, period, name })
    }

    /// A limit of the IETF's drafts, by the name of its policy.
    fn policy(name: &str) -> Self {
        Self { counted: Counted::Requests, name: format!("policy {name}"), period: None }
    }
}

/// The limits found so far. A head has few.
#[derive(Default)]
struct Windows(Vec<Window>);

struct Window {
    scope: Scope,
    limit: RateLimit,
    /// Whether the reset is a bare number.
    is_bare: bool,
    is_unlimited: bool,
}

impl Windows {
    fn at(&mut self, scope: Scope) -> &mut Window {
        let known = self.0.iter().position(|window| window.scope == scope);
        let place = known.unwrap_or_else(|| {
            let limit = RateLimit { window: scope.period, ..RateLimit::default() };
            self.0.push(Window { scope, limit, is_bare: false, is_unlimited: false });
            self.0.len() - 1
        });
        &mut self.0[place]
    }

    fn take(&mut self, part: Part, scope: Scope, refill: Refill, value: &str, now: SystemTime) {
        let window = self.at(scope);
        match part {
            Part::Limit => window.limit.limit = window.count(value),
            Part::Remaining => window.limit.remaining = window.count(value),
            Part::Period => window.limit.window = parse_duration(value),
            Part::Reset => {
                let reset = Reset::parse(value, now);
                window.is_bare = matches!(reset, Some(Reset::Bare(_)));
                // Who writes `6m0s` is OpenAI or follows it, and there limits come back bit by bit.
                let has_unit = matches!(reset, Some(Reset::WithUnit(_)));
                window.limit.refill = if has_unit { Refill::Steady } else { refill };
                window.limit.reset = reset.map(Reset::left);
            }
        }
    }

    /// `limit=100, remaining=50, reset=30`, or `"a";r=50;t=30, "b";r=…`.
    fn take_items(&mut self, value: &str, now: SystemTime) {
        for item in items(value) {
            let scope = || Scope::policy(item.name);
            for (key, value) in item.values {
                let (part, scope) = match key {
                    "limit" => (Part::Limit, Scope::policy("")),
                    "remaining" => (Part::Remaining, Scope::policy("")),
                    "reset" => (Part::Reset, Scope::policy("")),
                    "r" => (Part::Remaining, scope()),
                    "t" => (Part::Reset, scope()),
                    _ => continue,
                };
                self.take(part, scope, Refill::AtReset, value, now);
            }
        }
    }

    /// `"a";q=100;w=60`, or `100;w=60`.
    fn take_policies(&mut self, value: &str) {
        for item in items(value) {
            let is_number = item.name.parse::<u64>().is_ok();
            let name = if is_number { "" } else { item.name };
            let window = self.at(Scope::policy(name));
            if is_number {
                window.limit.limit = window.count(item.name);
            }
            for (key, value) in item.values {
                match key {
                    "q" => window.limit.limit = window.count(value),
                    "w" => window.limit.window = parse_duration(value),
                    // Something else than calls is counted.
                    "qu" if value != "requests" => window.is_unlimited = true,
                    _ => {}
                }
            }
        }
    }

    /// The limit on this of which the least is left; the one that takes longest to come back among equals.
    fn tightest(&self, counted: Counted) -> RateLimit {
        let told = |limit: &RateLimit| limit.limit.is_some() || limit.remaining.is_some();
        self.0
            .iter()
            .filter(|window| window.scope.counted == counted && !window.is_unlimited)
            .map(Window::settled)
            .filter(told)
            .min_by_key(|limit| {
                let left = limit.remaining.or(limit.limit).unwrap_or(u64::MAX);
                (left, std::cmp::Reverse(limit.reset))
            })
            .unwrap_or_default()
    }
}

impl Window {
    /// A number of requests or tokens. A negative one means that there is no limit.
    fn count(&mut self, value: &str) -> Option<u64> {
        let number = value.split([',', ';']).next().unwrap_or_default().trim();
        self.is_unlimited |= number.starts_with('-');
        // Some write `59.0`.
        number.parse().ok().or_else(|| {
            let number = number.parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0);
            number.map(|number| number as u64)
        })
    }

    /// The limit, with a reset beyond the window read as milliseconds: nothing else can be meant.
    fn settled(&self) -> RateLimit {
        let mut limit = self.limit;
        let too_late = limit.reset.zip(limit.window).is_some_and(|(reset, window)| reset > window);
        if too_late && self.is_bare {
            limit.reset = limit.reset.map(|reset| reset / 1_000);
        }
        limit
    }
}

/// How a header says when a limit is whole again.
enum Reset {
    /// `6m0s`
    WithUnit(Duration),
    /// `46`
    Bare(Duration),
    /// A moment.
    At(Duration),
}

impl Reset {
    fn parse(value: &str, now: SystemTime) -> Option<Self> {
        let until = |moment: SystemTime| moment.duration_since(now).unwrap_or_default();
        let since_epoch = |time: Duration| SystemTime::UNIX_EPOCH.checked_add(time).map(until);
        let first = value.split([',', ';']).next().unwrap_or_default().trim();
        if let Ok(number) = first.parse::<f64>() {
            // No window is thirty years long, and no moment lies in the year 5000.
            return match number {
                _ if number >= 1e11 => {
                    since_epoch(Duration::try_from_secs_f64(number / 1e3).ok()?).map(Self::At)
                }
                _ if number >= 1e9 => {
                    since_epoch(Duration::try_from_secs_f64(number).ok()?).map(Self::At)
                }
                _ => Duration::try_from_secs_f64(number).ok().map(Self::Bare),
            };
        }
        if let Some(duration) = parse_duration(value) {
            return Some(Self::WithUnit(duration));
        }
        let rfc3339 = value.parse::<jiff::Timestamp>().ok().map(SystemTime::from);
        rfc3339.or_else(|| httpdate::parse_http_date(value).ok()).map(until).map(Self::At)
    }

    fn left(self) -> Duration {
        match self {
            Self::WithUnit(left) | Self::Bare(left) | Self::At(left) => left,
        }
    }
}

/// One entry of a structured header.
struct Item<'a> {
    /// The last name or number before its values.
    name: &'a str,
    values: Vec<(&'a str, &'a str)>,
}

fn unquoted(text: &str) -> &str {
    text.trim().trim_matches('"')
}

/// The entries of a structured header, of which a sane one has few. Names with commas are torn, and then are no names.
fn items(value: &str) -> impl Iterator<Item = Item<'_>> {
    const MOST: usize = 16;
    value.split(',').take(MOST).map(|item| {
        let mut found = Item { name: "", values: Vec::new() };
        for part in item.split(';').take(MOST) {
            match part.split_once('=') {
                Some((key, value)) if !part.trim().starts_with('"') => {
                    found.values.push((key.trim(), unquoted(value)));
                }
                _ => found.name = unquoted(part),
            }
        }
        found
    })
}

#[cfg(test)]
mod tests;

//! [`Limits`]: how much may be used, and by whom.

use std::fmt;
use std::sync::Arc;

/// How much may be used. `None` is as much as one likes, zero is nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Limits {
    /// Calls in any minute.
    pub requests_per_minute: Option<u64>,
    /// Tokens of prompts and answers in any minute.
    pub tokens_per_minute: Option<u64>,
    /// Answers under way at once.
    pub concurrent: Option<u64>,
    /// US dollars in a day (UTC). Calls of models whose prices are unknown cost nothing here.
    pub dollars_per_day: Option<f64>,
}

impl Limits {
    /// Whether anything is limited.
    pub fn is_limited(&self) -> bool {
        *self != Self::default()
    }

    /// What is limited, in the order in which it is told of.
    pub(super) fn by_measure(&self) -> impl Iterator<Item = (Measure, u64)> + use<> {
        let money = self.dollars_per_day.map(nanodollars);
        [
            (Measure::Money, money),
            (Measure::Requests, self.requests_per_minute),
            (Measure::Tokens, self.tokens_per_minute),
            (Measure::Concurrent, self.concurrent),
        ]
        .into_iter()
        .filter_map(|(measure, limit)| Some((measure, limit?)))
    }
}

/// Dollars as the whole number that is counted. Rounded up, so that nothing that has a price is free.
pub(super) fn nanodollars(dollars: f64) -> u64 {
    // The cast saturates, and makes nothing of what is no number.
    (dollars * 1e9).ceil() as u64
}

/// Whose use is counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    /// What it is.
    pub kind: ScopeKind,
    /// Which one.
    pub id: Arc<str>,
}

impl Scope {
    /// A tenant.
    pub fn tenant(id: impl Into<Arc<str>>) -> Self {
        Self { kind: ScopeKind::Tenant, id: id.into() }
    }

    /// An API key, by its id.
    pub fn key(id: impl Into<Arc<str>>) -> Self {
        Self { kind: ScopeKind::Key, id: id.into() }
    }

    /// A provider with its account.
    pub fn provider(id: impl Into<Arc<str>>) -> Self {
        Self { kind: ScopeKind::Provider, id: id.into() }
    }

    /// A model of a provider.
    pub fn target(id: impl Into<Arc<str>>) -> Self {
        Self { kind: ScopeKind::Target, id: id.into() }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, id } = self;
        match kind {
            ScopeKind::Key => write!(f, "API key `{id}`"),
            _ => write!(f, "{} `{id}`", kind.as_str()),
        }
    }
}

/// What a [`Scope`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum ScopeKind {
    Tenant,
    Key,
    Provider,
    Target,
}

impl ScopeKind {
    /// A stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            ScopeKind::Tenant => "tenant",
            ScopeKind::Key => "key",
            ScopeKind::Provider => "provider",
            ScopeKind::Target => "target",
        }
    }

    /// Whether each attempt counts, as providers count them; else a call is one, however often it is tried.
    pub(super) fn counts_attempts(self) -> bool {
        matches!(self, ScopeKind::Provider | ScopeKind::Target)
    }
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Measure {
    /// Calls, in any minute.
    Requests,
    /// Tokens, in any minute.
    Tokens,
    /// Answers under way.
    Concurrent,
    /// Nanodollars (a billionth of a US dollar), in a day of UTC.
    Money,
}

impl Measure {
    /// A stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Measure::Requests => "requests",
            Measure::Tokens => "tokens",
            Measure::Concurrent => "concurrent",
            Measure::Money => "money",
        }
    }
}

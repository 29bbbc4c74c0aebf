//! Single values as they are compared: as numbers, as moments, as texts.

use std::cmp::Ordering;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// Longest text that may be a number or a date.
const LONGEST_NUMBER_OR_DATE: usize = 40;
/// Digits that an `f64` tells apart. Longer numbers are identifiers, and stay texts.
const MOST_DIGITS: usize = 15;

/// A single value of metadata, ready to be compared. Case and surrounding white space do not count.
///
/// A text that is written like a number (`3`, `-0.5`, `1e6`, but not `007`) is that number; one that is written like a
/// date (`2026-11-23`, which is its midnight in UTC, or RFC 3339, without an offset in UTC) is that moment. Values of
/// different kinds are never equal, and none is greater than the other.
///
/// The order of the type is for indexes: numbers, moments, texts, each ascending; equal ones by how they are written.
#[derive(Clone, Debug)]
pub struct Scalar {
    key: Key,
    /// Trimmed, in lower case; for texts it is the key.
    text: Box<str>,
}

/// What a [`Scalar`] is compared as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum ScalarKind {
    Number,
    Moment,
    Text,
}

/// What is compared.
#[derive(Clone, Copy, Debug)]
enum Key {
    /// Finite, never −0.
    Number(f64),
    Moment {
        /// In UTC.
        at: DateTime,
        /// Only the day was written.
        day: bool,
    },
    Text,
}

impl Scalar {
    /// A text that is a text whatever is written in it.
    pub fn text(text: &str) -> Self {
        Self { key: Key::Text, text: text.trim().to_lowercase().into() }
    }

    /// A number; one that is not finite is a text.
    pub fn number(number: f64) -> Self {
        let key = if number.is_finite() { Key::Number(number + 0.0) } else { Key::Text };
        Self { key, text: (number + 0.0).to_string().into() }
    }

    /// What is written in a text.
    pub fn written(text: &str) -> Self {
        let text = text.trim();
        let key = if text.len() > LONGEST_NUMBER_OR_DATE {
            Key::Text
        } else {
            number_in(text).or_else(|| moment_in(text)).unwrap_or(Key::Text)
        };
        Self { key, text: text.to_lowercase().into() }
    }

    /// The value as it is searched for parts: trimmed, in lower case.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether there is nothing in it.
    pub fn is_blank(&self) -> bool {
        self.text.is_empty()
    }

    /// How this compares to what was asked for; `None`: they are of different kinds. When only a day was asked for,
    /// every moment of that day is equal to it.
    pub fn compare(&self, wanted: &Self) -> Option<Ordering> {
        let from = self.key_order(&wanted.lowest())?;
        let to = self.key_order(&wanted.beyond().unwrap_or_else(|| wanted.lowest()))?;
        Some(match (from, to) {
            (Ordering::Less, _) => Ordering::Less,
            (Ordering::Equal, _) | (_, Ordering::Less) => Ordering::Equal,
            _ => Ordering::Greater,
        })
    }

    /// Not above any scalar that equals this one: where an index begins to look for those.
    pub fn lowest(&self) -> Self {
        match self.key {
            Key::Text => self.clone(),
            key => Self { key, text: "".into() },
        }
    }

    /// For a day its end, which equals it no more; `None` for anything else.
    fn beyond(&self) -> Option<Self> {
        let Key::Moment { at, day: true } = self.key else { return None };
        let at = at.checked_add(1.day()).unwrap_or(DateTime::MAX);
        Some(Self { key: Key::Moment { at, day: false }, text: "".into() })
    }

    fn key_order(&self, other: &Self) -> Option<Ordering> {
        match (self.key, other.key) {
            (Key::Number(left), Key::Number(right)) => Some(left.total_cmp(&right)),
            (Key::Moment { at: left, .. }, Key::Moment { at: right, .. }) => Some(left.cmp(&right)),
            (Key::Text, Key::Text) => Some(self.text.cmp(&other.text)),
            _ => None,
        }
    }

    fn kind(&self) -> u8 {
        match self.key {
            Key::Number(_) => 0,
            Key::Moment { .. } => 1,
            Key::Text => 2,
        }
    }

    /// Its kind. Values of different kinds are never equal, and none is above the other.
    pub fn scalar_kind(&self) -> ScalarKind {
        match self.key {
            Key::Number(_) => ScalarKind::Number,
            Key::Moment { .. } => ScalarKind::Moment,
            Key::Text => ScalarKind::Text,
        }
    }

    /// A text of ASCII letters and digits that stands for a number or a moment in engines that compare bytes: of one
    /// kind, equal values have equal keys, and larger ones larger keys. `None` for texts, which are compared
    /// [as they are](Self::as_str). For a day it is that of its first moment.
    pub fn sort_key(&self) -> Option<String> {
        const SIGN: u64 = 1 << 63;
        match self.key {
            Key::Number(number) => {
                let bits = number.to_bits();
                let ordered = if bits & SIGN == 0 { bits | SIGN } else { !bits };
                Some(format!("{ordered:016x}"))
            }
            Key::Moment { at, .. } => {
                Some(format!("{:022}", at.duration_since(DateTime::MIN).as_nanos()))
            }
            Key::Text => None,
        }
    }

    /// For a day the [key](Self::sort_key) of its end: moments from its own key on, and below this one, equal it. `None`
    /// for anything else.
    pub fn end_key(&self) -> Option<String> {
        self.beyond().and_then(|end| end.sort_key())
    }

    /// Its kind, and whether it is a day: among scalars of one form, what is above one is above all below that.
    pub(crate) fn form(&self) -> (u8, bool) {
        (self.kind(), matches!(self.key, Key::Moment { day: true, .. }))
    }
}

impl Ord for Scalar {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key_order(other)
            .unwrap_or_else(|| self.kind().cmp(&other.kind()))
            .then_with(|| self.text.cmp(&other.text))
    }
}

impl PartialOrd for Scalar {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Scalar {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Scalar {}

fn number_in(text: &str) -> Option<Key> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let mut bytes = unsigned.bytes();
    let (first, second) = (bytes.next()?, bytes.next());
    let starts_as_number = first.is_ascii_digit() || first == b'.';
    let has_leading_zero = first == b'0' && second.is_some_and(|byte| byte.is_ascii_digit());
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    if !starts_as_number || has_leading_zero || digits > MOST_DIGITS {
        return None;
    }
    let number: f64 = text.parse().ok()?;
    number.is_finite().then_some(Key::Number(number + 0.0))
}

fn moment_in(text: &str) -> Option<Key> {
    let bytes = text.as_bytes();
    let is_dated = bytes.get(4) == Some(&b'-') && bytes.get(7) == Some(&b'-');
    if !is_dated {
        return None;
    }
    if bytes.len() == 10 {
        let date: Date = text.parse().ok()?;
        return Some(Key::Moment { at: date.into(), day: true });
    }
    let in_utc = text.strip_suffix(['Z', 'z']).unwrap_or(text).parse::<DateTime>().ok();
    let at = match text.parse::<Timestamp>() {
        Ok(timestamp) => TimeZone::UTC.to_datetime(timestamp),
        Err(_) => in_utc?,
    };
    Some(Key::Moment { at, day: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_ordered_as_the_values_are() {
        let ascending = ["-1e300", "-2", "-0.5", "0", "1e-9", "1", "10", "1e300"];
        let days = ["1969-12-31", "2026-11-23", "2026-11-23T00:00:01Z"];
        for values in [&ascending[..], &days] {
            let keys: Vec<_> =
                values.iter().map(|text| Scalar::written(text).sort_key().expect(text)).collect();
            assert!(keys.is_sorted_by(|left, right| left < right), "{keys:?}");
        }
        let key = |text: &str| Scalar::written(text).sort_key();
        assert_eq!(key("-0"), key("0"));
        assert_eq!(key("tea"), None);
        assert_eq!(Scalar::written("2026-11-23").end_key(), key("2026-11-24"));
        assert_eq!(Scalar::written("2026-11-23T00:00:00Z").end_key(), None);
    }

    #[test]
    fn compares_within_a_kind() {
        use Ordering::{Equal, Greater, Less};
        for (found, wanted, expected) in [
            ("10", "9", Some(Greater)),
            ("1e3", "1000", Some(Equal)),
            ("-0", "0", Some(Equal)),
            ("Tea", " tEA ", Some(Equal)),
            ("ΟΔΟΣ", "οδος", Some(Equal)),
            ("007", "7", None),
            ("12345678901234567", "12345678901234568", Some(Less)),
            ("nan", "1", None),
            ("2026-11-23", "2026-11-22", Some(Greater)),
            ("2026-11-23T10:00:00Z", "2026-11-23", Some(Equal)),
            ("2026-11-23T23:59:59Z", "2026-11-24", Some(Less)),
            ("2026-11-24T00:00:00Z", "2026-11-23", Some(Greater)),
            ("2026-11-23", "2026-11-23T00:00:00Z", Some(Equal)),
            ("2026-11-23", "2026-11-23T10:00:00Z", Some(Less)),
            ("2026-11-23T12:00:00+02:00", "2026-11-23T10:00:00Z", Some(Equal)),
            ("2026-11-23 10:00:00", "2026-11-23T10:00:00Z", Some(Equal)),
            ("2026-13-45", "2026-11-23", None),
            ("2026", "2026-11-23", None),
            ("9999-12-31", "2026-11-23", Some(Greater)),
            ("9999-12-31T23:59:59Z", "9999-12-31", Some(Equal)),
            ("unknown", "2020", None),
        ] {
            let order = Scalar::written(found).compare(&Scalar::written(wanted));
            assert_eq!(order, expected, "{found} and {wanted}");
        }
    }
}

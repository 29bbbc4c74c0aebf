//! A JSON value, opened one level at a time: numbers stay as they are written, and nothing is copied that is not shown.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// A value whose members are still closed.
pub(super) enum Value<'a> {
    /// What people see of a text, a number, a truth value or nothing.
    Scalar(Cow<'a, str>),
    List(Vec<&'a RawValue>),
    /// In the order of the file; a key may come twice.
    Object(Members<'a>),
}

pub(super) type Members<'a> = Vec<(Cow<'a, str>, &'a RawValue)>;

/// Looks into a value. Costs a pass over its source, so a value within `n` others is passed over `n` times.
pub(super) fn open(raw: &RawValue) -> Value<'_> {
    let source = raw.get();
    let opened = match source.as_bytes().first() {
        Some(b'{') => {
            serde_json::from_str(source).ok().map(|Object(members)| Value::Object(members))
        }
        Some(b'[') => serde_json::from_str(source).ok().map(Value::List),
        Some(b'"') => serde_json::from_str(source).ok().map(|Text(text)| Value::Scalar(text)),
        _ => None,
    };
    // Texts with half a surrogate are valid, and no Unicode: they stay as they are written.
    opened.unwrap_or(Value::Scalar(Cow::Borrowed(source)))
}

struct Object<'a>(Members<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((Text(key), value)) = map.next_entry()? {
                    members.push((key, value));
                }
                Ok(members)
            }
        }

        from.deserialize_map(Pairs).map(Object)
    }
}

struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Borrowing;

        impl<'de> Visitor<'de> for Borrowing {
            type Value = Cow<'de, str>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Cow::Borrowed(text))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Cow::Owned(text.to_owned()))
            }
        }

        from.deserialize_str(Borrowing).map(Text)
    }
}

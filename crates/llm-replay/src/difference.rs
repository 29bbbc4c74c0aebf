//! [`Body`]: the body of a request as it is compared, and where two of them differ.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::{RecordedRequest, Scrubber};

/// The body of a request, as far as it matters.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Body {
    Empty,
    Json(Value),
    /// Anything else; the boundary of a multipart body is always the same one here.
    Other(Vec<u8>),
}

/// How far two bodies are apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    /// How many values differ.
    pub(crate) count: usize,
    /// Where the first of them is, as a JSON pointer (RFC 6901); empty for the whole body.
    pub(crate) pointer: String,
}

impl Body {
    /// Of a request that arrived. Keys in it are blanked as they are when it is recorded.
    pub(crate) fn sent(scrubber: &Scrubber, content_type: &str, bytes: &[u8]) -> Self {
        let mut bytes = bytes.to_vec();
        scrubber.blank(&mut bytes);
        if bytes.is_empty() {
            return Self::Empty;
        }
        match serde_json::from_slice(&bytes) {
            Ok(value) => Self::Json(value),
            Err(_) => Self::other(content_type, bytes),
        }
    }

    /// Of a recording. `None` when not all of it was kept, so that nothing can be equal to it.
    pub(crate) fn recorded(request: &RecordedRequest) -> Option<Self> {
        if request.body_truncated {
            return None;
        }
        if let Some(body) = &request.body {
            return Some(Self::Json(body.clone()));
        }
        let bytes = match (&request.body_text, &request.body_base64) {
            (Some(text), _) => text.clone().into_bytes(),
            (None, Some(base64)) => STANDARD.decode(base64).ok()?,
            (None, None) => return Some(Self::Empty),
        };
        let content_type = request.headers.get("content-type").map_or("", String::as_str);
        Some(Self::other(content_type, bytes))
    }

    fn other(content_type: &str, bytes: Vec<u8>) -> Self {
        let boundary =
            content_type.split(';').find_map(|part| part.trim().strip_prefix("boundary="));
        match boundary.map(|boundary| boundary.trim_matches('"')).filter(|it| !it.is_empty()) {
            Some(boundary) => Self::Other(without(&bytes, boundary.as_bytes())),
            None => Self::Other(bytes),
        }
    }

    /// How this differs from another; `None` when it does not. The order of an object's fields does not matter.
    pub(crate) fn difference(&self, other: &Self) -> Option<Difference> {
        let mut difference = Difference { count: 0, pointer: String::new() };
        match (self, other) {
            (Self::Json(left), Self::Json(right)) => {
                compare(&mut String::new(), left, right, &mut difference);
            }
            (left, right) => difference.count = usize::from(left != right),
        }
        (difference.count > 0).then_some(difference)
    }
}

/// The bytes with every `part` left out.
fn without(bytes: &[u8], part: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(first) = rest.first() {
        match rest.strip_prefix(part) {
            Some(after) => rest = after,
            None => {
                kept.push(*first);
                rest = rest.get(1..).unwrap_or_default();
            }
        }
    }
    kept
}

fn compare(at: &mut String, left: &Value, right: &Value, difference: &mut Difference) {
    match (left, right) {
        (Value::Object(left), Value::Object(right)) => {
            let missing = left.keys().filter(|name| !right.contains_key(*name));
            for name in right.keys().chain(missing) {
                within(at, &name.replace('~', "~0").replace('/', "~1"), |at| {
                    compare_optional(at, left.get(name), right.get(name), difference);
                });
            }
        }
        (Value::Array(left), Value::Array(right)) => {
            for index in 0..left.len().max(right.len()) {
                within(at, &index.to_string(), |at| {
                    compare_optional(at, left.get(index), right.get(index), difference);
                });
            }
        }
        (left, right) if is_same(left, right) => {}
        _ => difference.found(at),
    }
}

fn compare_optional(
    at: &mut String,
    left: Option<&Value>,
    right: Option<&Value>,
    difference: &mut Difference,
) {
    match (left, right) {
        (Some(left), Some(right)) => compare(at, left, right, difference),
        (None, None) => {}
        _ => difference.found(at),
    }
}

/// Runs with one more step on the pointer.
fn within(at: &mut String, step: &str, run: impl FnOnce(&mut String)) {
    let length = at.len();
    let _ = write!(at, "/{step}");
    run(at);
    at.truncate(length);
}

/// 1 and 1.0 are the same number.
fn is_same(left: &Value, right: &Value) -> bool {
    let are_whole = |value: &Value| value.is_i64() || value.is_u64();
    match (left.as_f64(), right.as_f64()) {
        (Some(l), Some(r)) if !(are_whole(left) && are_whole(right)) => l == r,
        _ => left == right,
    }
}

impl Difference {
    fn found(&mut self, at: &str) {
        if self.count == 0 {
            self.pointer = at.to_owned();
        }
        self.count += 1;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(left: Value, right: Value, expected: Option<(usize, &str)>) {
        let found = Body::Json(left).difference(&Body::Json(right));
        let found = found.as_ref().map(|found| (found.count, found.pointer.as_str()));
        assert_eq!(found, expected);
    }

    #[test]
    fn order_and_white_space_do_not_matter_and_the_first_difference_is_named() {
        check(json!({ "a": 1, "b": [1, 2] }), json!({ "b": [1.0, 2], "a": 1 }), None);
        check(json!({ "a": 1 }), json!({ "a": "1" }), Some((1, "/a")));
        check(json!({ "m": [{ "x": 1 }] }), json!({ "m": [{ "x": 2 }, 3] }), Some((2, "/m/0/x")));
        check(json!({ "a/b~": 1 }), json!({}), Some((1, "/a~1b~0")));
        check(json!([]), json!({}), Some((1, "")));
        check(json!(u64::MAX), json!(u64::MAX - 1), Some((1, "")));
    }

    #[test]
    fn the_boundary_of_a_form_does_not_matter() {
        let form = |boundary: &str| {
            let content_type = format!("multipart/form-data; boundary=\"{boundary}\"");
            let body = format!("--{boundary}\r\n\r\nabc\r\n--{boundary}--\r\n");
            Body::sent(&Scrubber::default(), &content_type, body.as_bytes())
        };
        assert_eq!(form("one").difference(&form("other")), None);
    }
}

//! [`repair_json`]: JSON as models write it.

use std::str::Chars;

use serde_json::{Map, Number, Value};

/// Deeper nesting than this is not read.
const MOST_DEPTH: usize = 64;

/// How far to look for the colon that makes a quoted text a key.
const KEY_AHEAD: usize = 128;

/// Reads JSON that may be broken in the ways that models break it: code fences and prose around it, comments, single
/// or typographic quotes, bare keys and words, quotes inside a text, raw line breaks, backslashes that escape nothing,
/// trailing, doubled and missing commas, Python's `True` and `None`, brackets that nobody closed, an empty object before
/// the real one. `None` when there is nothing to read, or it is nested deeper than 64.
///
/// What is valid JSON is never changed. What is not is read from its first bracket on, in linear time, and what follows
/// that value is ignored.
///
/// ```
/// use llm_bundle::tools::repair_json;
///
/// let read = repair_json("Sure:\n```json\n{city: 'Köln', \"days\": [1, 2,], metric: True").unwrap();
/// assert_eq!(read.to_string(), r#"{"city":"Köln","days":[1,2],"metric":true}"#);
/// ```
pub fn repair_json(text: &str) -> Option<Value> {
    if let Ok(value) = serde_json::from_str(text) {
        return Some(value);
    }
    // A fence begins a line; within one, it is a part of some text.
    let begins_line =
        |before: &str| before.rsplit('\n').next().is_none_or(|line| line.trim().is_empty());
    let is_fence = |before: &str| begins_line(before) && !before.contains('{');
    let inside = text.split_once("```").filter(|(before, _)| is_fence(before));
    read_from_bracket(inside.map_or(text, |(_, inside)| inside))
}

fn read_from_bracket(text: &str) -> Option<Value> {
    let mut reader = Reader { chars: text.chars() };
    loop {
        reader.skip_until(|c| matches!(c, '{' | '['));
        reader.peek()?;
        let value = reader.value(0)?;
        let is_empty = value.as_object().is_some_and(Map::is_empty);
        if !(is_empty && reader.rest().contains('{')) {
            return Some(value);
        }
    }
}

/// Every step takes at least one character or ends, so that reading ends.
struct Reader<'a> {
    chars: Chars<'a>,
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize) -> Option<Value> {
        if depth >= MOST_DEPTH {
            return None;
        }
        self.skip_blank();
        match self.peek() {
            Some('{') => self.object(depth),
            Some('[') => self.array(depth),
            Some(c) if is_quote(c) => Some(Value::String(self.quoted())),
            _ => Some(self.word()),
        }
    }

    fn object(&mut self, depth: usize) -> Option<Value> {
        let mut fields = Map::new();
        self.chars.next();
        loop {
            self.skip_separators();
            match self.peek() {
                Some('}') => {
                    self.chars.next();
                    break;
                }
                // Closes what is around this one, which was not closed itself.
                None | Some(']') => break,
                _ => {}
            }
            let Some(key) = self.key() else { continue };
            let value = if self.take_colon() { self.field_value(depth)? } else { Value::Null };
            fields.insert(key, value);
        }
        Some(Value::Object(fields))
    }

    fn array(&mut self, depth: usize) -> Option<Value> {
        let mut items = Vec::new();
        self.chars.next();
        loop {
            self.skip_separators();
            match self.peek() {
                Some(']') => {
                    self.chars.next();
                    break;
                }
                None | Some('}') => break,
                // Stray, since nothing here has a key.
                Some(':') => {
                    self.chars.next();
                }
                _ => items.push(self.value(depth + 1)?),
            }
        }
        Some(Value::Array(items))
    }

    /// The name of a field; `None` when what stands there is none, and was skipped.
    fn key(&mut self) -> Option<String> {
        if self.peek().is_some_and(is_quote) {
            return Some(self.quoted());
        }
        let key = self.take_until(|c| {
            c.is_whitespace() || matches!(c, ':' | '=' | ',' | '{' | '}' | '[' | ']')
        });
        if key.is_empty() {
            self.chars.next();
            return None;
        }
        // Its first quote may be what is missing.
        Some(key.trim_end_matches(is_quote).to_owned())
    }

    fn take_colon(&mut self) -> bool {
        self.skip_blank();
        let is_there = matches!(self.peek(), Some(':' | '='));
        if is_there {
            self.chars.next();
        }
        is_there
    }

    fn field_value(&mut self, depth: usize) -> Option<Value> {
        self.skip_blank();
        match self.peek() {
            None | Some(',' | '}' | ']') => Some(Value::Null),
            _ => self.value(depth + 1),
        }
    }

    /// A bare word: a number, a literal of JSON or Python, or a text without quotes.
    fn word(&mut self) -> Value {
        let rest = self.rest();
        let word = self.take_until(|c| matches!(c, ',' | '}' | ']' | '\n'));
        let comment = [" //", " /*", " #"].iter().filter_map(|mark| word.find(mark)).min();
        let (word, _) = word.split_at(comment.unwrap_or(word.len()));
        self.chars = rest.get(word.len()..).unwrap_or_default().chars();
        let word = word.trim_end();
        match word {
            "true" | "True" | "TRUE" => Value::Bool(true),
            "false" | "False" | "FALSE" => Value::Bool(false),
            "null" | "None" | "NULL" | "undefined" | "NaN" | "Infinity" | "-Infinity" => {
                Value::Null
            }
            _ => number(word).map_or_else(|| Value::String(word.to_owned()), Value::Number),
        }
    }

    /// A text in quotes of any kind. A quote inside it that nobody escaped is told from its end by what follows.
    fn quoted(&mut self) -> String {
        if let Some(text) = self.triple_quoted() {
            return text;
        }
        let Some(open) = self.chars.next() else { return String::new() };
        let mut text = String::new();
        while let Some(c) = self.chars.next() {
            match c {
                '\\' => self.escape(&mut text),
                _ if closes(open, c) && self.is_after_text() => break,
                _ => text.push(c),
            }
        }
        text
    }

    /// A text as Python writes long ones; nothing is escaped in it.
    fn triple_quoted(&mut self) -> Option<String> {
        let rest = self.rest();
        let mark = ["\"\"\"", "'''"].into_iter().find(|mark| rest.starts_with(mark))?;
        let (text, after) = rest.strip_prefix(mark)?.split_once(mark)?;
        self.chars = after.chars();
        Some(text.to_owned())
    }

    fn escape(&mut self, text: &mut String) {
        match self.chars.next() {
            Some('n') => text.push('\n'),
            Some('t') => text.push('\t'),
            Some('r') => text.push('\r'),
            Some('b') => text.push('\u{8}'),
            Some('f') => text.push('\u{c}'),
            Some('u') => self.code_point(text),
            Some(c @ ('"' | '\'' | '\\' | '/' | '`' | '\n')) => text.push(c),
            // A Windows path, a pattern: nothing was meant to be escaped.
            Some(c) => text.extend(['\\', c]),
            None => {}
        }
    }

    /// What follows `\u`: one code unit, or two that belong together.
    fn code_point(&mut self, text: &mut String) {
        let Some(unit) = self.code_unit() else { return text.push_str("\\u") };
        let before_second = self.chars.clone();
        let second = match (unit, self.rest().strip_prefix("\\u")) {
            (0xd800..=0xdbff, Some(rest)) => {
                self.chars = rest.chars();
                self.code_unit().filter(|second| (0xdc00..=0xdfff).contains(second))
            }
            _ => None,
        };
        let point = match second {
            Some(second) => 0x1_0000 + ((unit - 0xd800) << 10) + (second - 0xdc00),
            None => {
                self.chars = before_second;
                unit
            }
        };
        text.push(char::from_u32(point).unwrap_or(char::REPLACEMENT_CHARACTER));
    }

    fn code_unit(&mut self) -> Option<u32> {
        let digits =
            self.rest().get(..4).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
        let unit = u32::from_str_radix(digits, 16).ok()?;
        self.chars = self.rest().get(4..)?.chars();
        Some(unit)
    }

    /// Whether what follows can follow a text: the end, a separator, a bracket that closes, or, with the comma
    /// forgotten, the next key.
    fn is_after_text(&self) -> bool {
        let rest = self.rest().trim_start();
        match rest.chars().next() {
            None | Some(',' | ':' | '}' | ']') => true,
            Some('/') => rest.starts_with("//") || rest.starts_with("/*"),
            Some(c) if is_quote(c) => starts_with_key(rest),
            _ => false,
        }
    }

    fn skip_separators(&mut self) {
        loop {
            self.skip_blank();
            if self.peek() != Some(',') {
                return;
            }
            self.chars.next();
        }
    }

    /// White space and comments.
    fn skip_blank(&mut self) {
        loop {
            self.skip_until(|c| !c.is_whitespace());
            let rest = self.rest();
            if rest.starts_with("//") || rest.starts_with('#') {
                self.skip_until(|c| c == '\n');
            } else if let Some(comment) = rest.strip_prefix("/*") {
                self.chars = comment.split_once("*/").map_or("", |(_, after)| after).chars();
            } else {
                return;
            }
        }
    }

    fn skip_until(&mut self, stop: impl Fn(char) -> bool) {
        self.take_until(stop);
    }

    fn take_until(&mut self, stop: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let (taken, left) = rest.split_at(rest.find(stop).unwrap_or(rest.len()));
        self.chars = left.chars();
        taken
    }

    fn peek(&self) -> Option<char> {
        self.chars.clone().next()
    }

    fn rest(&self) -> &'a str {
        self.chars.as_str()
    }
}

fn starts_with_key(text: &str) -> bool {
    let mut chars = text.chars();
    let Some(open) = chars.next() else { return false };
    let end = chars.by_ref().take(KEY_AHEAD).position(|c| closes(open, c));
    end.is_some() && chars.as_str().trim_start().starts_with(':')
}

fn is_quote(c: char) -> bool {
    matches!(c, '"' | '\'' | '`' | '“' | '”' | '„' | '‘' | '’' | '«')
}

fn closes(open: char, c: char) -> bool {
    match open {
        '“' | '”' | '„' => matches!(c, '“' | '”' | '"'),
        '‘' | '’' => matches!(c, '’' | '\''),
        '«' => c == '»',
        _ => c == open,
    }
}

/// A number as JSON, or as Python and JavaScript write it besides (`+5`, `.5`, `1_000`).
fn number(word: &str) -> Option<Number> {
    if let Ok(number) = serde_json::from_str(word) {
        return Some(number);
    }
    let is_numeric = |b: u8| b.is_ascii_digit() || b"+-._eE".contains(&b);
    if !word.bytes().all(is_numeric) || !word.bytes().any(|b| b.is_ascii_digit()) {
        return None;
    }
    let plain = word.trim_start_matches('+').replace('_', "");
    serde_json::from_str(&plain).ok().or_else(|| Number::from_f64(plain.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_models_break_is_mended() {
        for (text, expected) in [
            (r#"{"a": 1,}"#, json!({ "a": 1 })),
            (r#"{"a": [1, 2,, 3,],}"#, json!({ "a": [1, 2, 3] })),
            ("{a: 1, b_c: 'x', 'd': \"y\"}", json!({ "a": 1, "b_c": "x", "d": "y" })),
            (r#"{"a": True, "b": False, "c": None}"#, json!({ "a": true, "b": false, "c": null })),
            (r#"{"a": {"b": [1, {"c": "d"#, json!({ "a": { "b": [1, { "c": "d" }] } })),
            ("```json\n{\"a\": 1}\n```", json!({ "a": 1 })),
            ("Here [as asked]:\n```\n{\"a\": 1}\n```\nDone.", json!({ "a": 1 })),
            ("The arguments are {\"a\": 1}. Good luck!", json!({ "a": 1 })),
            ("{\"a\": \"he said \"hi\" to me\"}", json!({ "a": "he said \"hi\" to me" })),
            ("{'a': '''it's\n\"here\"''', b: 1}", json!({ "a": "it's\n\"here\"", "b": 1 })),
            ("{a\": 1, b`: 2}", json!({ "a": 1, "b": 2 })),
            ("{'a': 'it's here'}", json!({ "a": "it's here" })),
            ("{\"a\": \"x\" \"b\": \"y\"}", json!({ "a": "x", "b": "y" })),
            ("{\"a\": \"x\"\n \"b\": 2}", json!({ "a": "x", "b": 2 })),
            ("{\"a\": \"two\nlines\"}", json!({ "a": "two\nlines" })),
            (r#"{"a": "C:\path\d+"}"#, json!({ "a": "C:\\path\\d+" })),
            (r#"{"a": "caf\u00e9 \ud83d\ude00",}"#, json!({ "a": "café 😀" })),
            (r#"{"a": "\ud83d no pair",}"#, json!({ "a": "\u{fffd} no pair" })),
            ("{“a”: “b”}", json!({ "a": "b" })),
            ("{\"a\": 1, // one\n \"b\": 2 /* two */, # three\n}", json!({ "a": 1, "b": 2 })),
            (
                "{\"a\": http://x.example/y, b: two words}",
                json!({ "a": "http://x.example/y", "b": "two words" }),
            ),
            (
                "{a: +5, b: .5, c: 1_000, d: -7, e: 1e3}",
                json!({ "a": 5, "b": 0.5, "c": 1000, "d": -7, "e": 1e3 }),
            ),
            ("{\"a\": , \"b\": 1, \"c\"}", json!({ "a": null, "b": 1, "c": null })),
            ("{}{\"a\": 1}", json!({ "a": 1 })),
            ("{\"a\": 1}{\"b\": 2}", json!({ "a": 1 })),
            ("[{\"a\": 1}, {\"a\": 2", json!([{ "a": 1 }, { "a": 2 }])),
            ("{\"a\": [1, 2}", json!({ "a": [1, 2] })),
            ("[[\"```\", [1]]", json!([["```", [1]]])),
            ("Here: ```{a: 1}```", json!({ "a": 1 })),
            ("{'code': '```py\nprint({})```',}", json!({ "code": "```py\nprint({})```" })),
            ("\u{feff}{\"a\": 1}", json!({ "a": 1 })),
        ] {
            assert_eq!(repair_json(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn where_nothing_is_to_be_read_nothing_is_made_up() {
        for text in ["", " ", "I cannot do that", "```\n```", &"[".repeat(100), &"{a:".repeat(100)]
        {
            assert_eq!(repair_json(text), None, "{text}");
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "\\PC{0,12}".prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::vec(("[\\PC\n\"']{0,8}", inner), 0..6)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_valid_stays_what_it_is(value in any_json()) {
            for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
                prop_assert_eq!(repair_json(&text), Some(serde_json::from_str(&text).unwrap()));
                // Nor does the tolerant reader read it otherwise.
                let wrapped = format!("[{text}]");
                let read = Reader { chars: wrapped.chars() }.value(0);
                prop_assert_eq!(read, Some(serde_json::from_str(&wrapped).unwrap()));
            }
        }

        #[test]
        fn brackets_that_were_lost_are_found(value in any_json()) {
            let text = format!("[[{value}]]");
            let whole = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(repair_json(&text[..text.len() - 2]), Some(whole));
        }

        #[test]
        fn anything_is_read_to_an_end(value in any_json(), cut in any::<prop::sample::Index>(), noise in "[\\PC{}\\[\\]\"',:\\\\/*# \n]{0,60}") {
            let text = value.to_string();
            let mut at = cut.index(text.len() + 1);
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            let (left, right) = text.split_at(at);
            for text in [left.to_owned(), format!("{left}{noise}{right}"), noise.clone(), format!("{{{noise}")] {
                let _ = repair_json(&text);
            }
        }
    }
}

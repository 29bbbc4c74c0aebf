//! [`Fields`]: the object that a request brings, read field by field; what is wrong is told for all of them at once.

use std::ops::RangeInclusive;

use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use serde_json::{Map, Value};

use super::envelope::Refusal;
use crate::app::App;
use crate::http::answer::parsed;

/// Characters of a value that are shown.
const SHOWN: usize = 128;

/// The bytes of a request, or why they are not there in words of this dialect.
pub(super) struct Body(pub(super) Bytes);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let bytes = Bytes::from_request(request, state).await;
        bytes.map(Self).map_err(|error| Refusal::unreadable(error.status(), error.body_text()))
    }
}

/// An object whose fields are taken out one by one.
#[derive(Debug, Default)]
pub(super) struct Fields {
    object: Map<String, Value>,
    /// What stands before names: the field that the object is the value of.
    path: String,
    issues: Vec<String>,
}

impl Fields {
    /// The body of a request. Without one, an object without fields.
    pub(super) async fn read(app: &App, headers: &HeaderMap, body: Bytes) -> Result<Self, Refusal> {
        if body.is_empty() {
            return Ok(Self::default());
        }
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        if let Some(kind) = kind.filter(|kind| !kind.starts_with("application/json")) {
            return Err(Refusal::argument(format!(
                "Unsupported content type: Expected application/json, got {kind}"
            )));
        }
        let value = parsed(app, body, |body: &[u8]| serde_json::from_slice::<Value>(body)).await?;
        match value {
            Ok(Value::Object(object)) => Ok(Self { object, ..Self::default() }),
            Ok(Value::Null) => Ok(Self::default()),
            Ok(other) => {
                let kind = kind_of(&other);
                Err(Refusal::argument(format!(
                    "Invalid request payload: expected object, got {kind}"
                )))
            }
            Err(_) => Err(Refusal::argument(
                "Malformed JSON syntax: Missing commas/brackets or invalid encoding",
            )),
        }
    }

    /// The object that is the value of the field `path`.
    pub(super) fn of(object: Map<String, Value>, path: &str) -> Self {
        Self { object, path: format!("{path}."), issues: Vec::new() }
    }

    /// Whether there is no field.
    pub(super) fn is_empty(&self) -> bool {
        self.object.is_empty()
    }

    /// Whether a field is there, be it null.
    pub(super) fn has(&self, name: &str) -> bool {
        self.object.contains_key(name)
    }

    /// A field as it is; null is none.
    pub(super) fn any(&mut self, name: &str) -> Option<Value> {
        self.object.remove(name).filter(|value| !value.is_null())
    }

    /// A text of so many characters.
    pub(super) fn text(&mut self, name: &str, length: RangeInclusive<usize>) -> Option<String> {
        let value = self.any(name)?;
        let Value::String(text) = &value else {
            self.wrong(name, "Input should be a valid string", &value);
            return None;
        };
        let text = text.trim();
        let (characters, plural) =
            (text.chars().count(), |count| if count == 1 { "" } else { "s" });
        if characters < *length.start() {
            let least = *length.start();
            let reason = format!("String should have at least {least} character{}", plural(least));
            self.wrong(name, &reason, &Value::String(text.to_owned()));
            return None;
        }
        if characters > *length.end() {
            let most = *length.end();
            self.wrong(name, &format!("String should have at most {most} characters"), &value);
            return None;
        }
        Some(text.to_owned())
    }

    /// A text as it stands, spaces around it included.
    pub(super) fn verbatim(&mut self, name: &str) -> Option<String> {
        match self.any(name)? {
            Value::String(text) => Some(text),
            other => {
                self.wrong(name, "Input should be a valid string", &other);
                None
            }
        }
    }

    /// Yes or no.
    pub(super) fn flag(&mut self, name: &str) -> Option<bool> {
        match self.any(name)? {
            Value::Bool(flag) => Some(flag),
            Value::Number(number) if number.as_u64().is_some_and(|number| number < 2) => {
                Some(number.as_u64() == Some(1))
            }
            other => {
                self.wrong(name, "Input should be a valid boolean", &other);
                None
            }
        }
    }

    /// A whole number of this range.
    pub(super) fn whole(&mut self, name: &str, range: RangeInclusive<i64>) -> Option<i64> {
        let value = self.any(name)?;
        let Some(number) = value.as_i64() else {
            self.wrong(name, "Input should be a valid integer", &value);
            return None;
        };
        self.within(name, number, range, &value)
    }

    /// A number of this range.
    pub(super) fn number(&mut self, name: &str, range: RangeInclusive<f64>) -> Option<f64> {
        let value = self.any(name)?;
        let Some(number) = value.as_f64() else {
            self.wrong(name, "Input should be a valid number", &value);
            return None;
        };
        self.within(name, number, range, &value)
    }

    fn within<N: PartialOrd + std::fmt::Display + Copy>(
        &mut self,
        name: &str,
        number: N,
        range: RangeInclusive<N>,
        value: &Value,
    ) -> Option<N> {
        let (least, most) = (*range.start(), *range.end());
        if number < least {
            let reason = format!("Input should be greater than or equal to {least}");
            self.wrong(name, &reason, value);
        } else if number > most {
            let reason = format!("Input should be less than or equal to {most}");
            self.wrong(name, &reason, value);
        }
        range.contains(&number).then_some(number)
    }

    /// One of these words.
    pub(super) fn word(&mut self, name: &str, words: &[&str]) -> Option<String> {
        let value = self.any(name)?;
        match value.as_str().filter(|word| words.contains(word)) {
            Some(word) => Some(word.to_owned()),
            None => {
                let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
                let (last, before) = quoted.split_last()?;
                let reason = match before.is_empty() {
                    true => format!("Input should be {last}"),
                    false => format!("Input should be {} or {last}", before.join(", ")),
                };
                self.wrong(name, &reason, &value);
                None
            }
        }
    }

    /// Several texts.
    pub(super) fn texts(&mut self, name: &str) -> Option<Vec<String>> {
        let value = self.any(name)?;
        let Value::Array(items) = &value else {
            self.wrong(name, "Input should be a valid list", &value);
            return None;
        };
        let texts: Option<Vec<String>> =
            items.iter().map(|item| item.as_str().map(str::to_owned)).collect();
        if texts.is_none() {
            self.wrong(name, "Input should be a valid string", &value);
        }
        texts
    }

    /// An object.
    pub(super) fn object(&mut self, name: &str) -> Option<Map<String, Value>> {
        match self.any(name)? {
            Value::Object(object) => Some(object),
            other => {
                self.wrong(name, "Input should be a valid dictionary", &other);
                None
            }
        }
    }

    /// A field that must be there is not.
    pub(super) fn missing(&mut self, name: &str) {
        self.wrong(name, "Field required", &Value::Null);
    }

    /// Notes what is wrong with a field.
    pub(super) fn wrong(&mut self, name: &str, reason: &str, value: &Value) {
        let value = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let value: String = value.chars().take(SHOWN).collect();
        let path = &self.path;
        self.issues.push(format!("Field: <{path}{name}> - Message: <{reason}> - Value: <{value}>"));
    }

    /// Takes over what is wrong with fields within a field.
    pub(super) fn take_issues(&mut self, inner: &mut Self) {
        self.issues.append(&mut inner.issues);
    }

    /// Refuses fields that nobody took, too.
    pub(super) fn finish_strictly(mut self) -> Result<(), Refusal> {
        self.refuse_rest();
        self.finish()
    }

    /// Notes fields that nobody took.
    pub(super) fn refuse_rest(&mut self) {
        for (name, value) in std::mem::take(&mut self.object) {
            self.wrong(&name, "Extra inputs are not permitted", &value);
        }
    }

    /// Refuses the request if anything was wrong.
    pub(super) fn finish(self) -> Result<(), Refusal> {
        match self.issues.is_empty() {
            true => Ok(()),
            false => Err(Refusal::argument(self.issues.join("\n"))),
        }
    }

    /// What nobody took.
    pub(super) fn rest(&self) -> &Map<String, Value> {
        &self.object
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Array(_) => "list",
        Value::String(_) => "str",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "int",
        _ => "object",
    }
}

/// What things a request means: those of these ids, or all.
#[derive(Debug)]
pub(super) enum Meant {
    Ids(Vec<String>),
    All,
}

impl Meant {
    /// Reads `ids` (by whatever name) and `delete_all`.
    pub(super) fn read(fields: &mut Fields, name: &str) -> Result<Self, Refusal> {
        let (ids, all) = (fields.texts(name), fields.flag("delete_all"));
        match (ids, all) {
            (_, Some(true)) => Ok(Self::All),
            (Some(ids), _) => Ok(Self::Ids(ids)),
            (None, _) => Err(Refusal::data(format!(
                "`{name}` is required; to mean all, say so with `delete_all`"
            ))),
        }
    }
}

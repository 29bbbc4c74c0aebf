//! [`Fields`]: takes a JSON object apart field by field, and names the field that is wrong.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// A request that cannot be understood: which field, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RequestError {
    /// The field, as a path (`messages[2].content[0].type`); `None` when the body as a whole is at fault.
    pub param: Option<String>,
    /// What is wrong, in one line that names the field.
    pub message: String,
}

impl RequestError {
    /// An error about the field at `param`; `problem` goes on after its name ("must be a string").
    pub fn at(param: impl Into<String>, problem: impl std::fmt::Display) -> Self {
        let param = param.into();
        Self { message: format!("`{param}` {problem}"), param: Some(param) }
    }

    /// An error about the body as a whole.
    pub fn body(problem: impl std::fmt::Display) -> Self {
        Self { param: None, message: format!("the request body {problem}") }
    }
}

/// The fields of a JSON object that have not been taken yet.
pub(crate) struct Fields {
    map: Map<String, Value>,
    path: String,
}

impl Fields {
    /// The fields of the object `value`, which stands at `path` (empty for the body).
    pub(crate) fn of(value: Value, path: impl Into<String>) -> Result<Self, RequestError> {
        let path = path.into();
        match value {
            Value::Object(map) => Ok(Self { map, path }),
            _ if path.is_empty() => Err(RequestError::body("must be a JSON object")),
            _ => Err(RequestError::at(path, "must be an object")),
        }
    }

    /// The path of a field of this object.
    pub(crate) fn path(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// An error about a field of this object.
    pub(crate) fn error(&self, name: &str, problem: impl std::fmt::Display) -> RequestError {
        RequestError::at(self.path(name), problem)
    }

    /// Looks at a field without taking it; `null` counts as absent.
    pub(crate) fn peek(&self, name: &str) -> Option<&Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    /// Takes a field as it is; `null` counts as absent.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        self.map.shift_remove(name).filter(|value| !value.is_null())
    }

    /// Takes a field of type `T`; `null` counts as absent.
    pub(crate) fn optional<T: DeserializeOwned>(
        &mut self,
        name: &str,
    ) -> Result<Option<T>, RequestError> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        serde_json::from_value(value)
            .map(Some)
            .map_err(|error| self.error(name, format_args!("is wrong: {error}")))
    }

    /// Takes a field of type `T` that must be there.
    pub(crate) fn required<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, RequestError> {
        self.optional(name)?.ok_or_else(|| self.error(name, "is missing"))
    }

    /// Takes a list of values; absent counts as empty.
    pub(crate) fn list(&mut self, name: &str) -> Result<Vec<Value>, RequestError> {
        match self.take(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(values)) => Ok(values),
            Some(_) => Err(self.error(name, "must be an array")),
        }
    }

    /// Whether every field has been taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// What nobody took, `null`s left out.
    pub(crate) fn rest(mut self) -> Map<String, Value> {
        self.map.retain(|_, value| !value.is_null());
        self.map
    }
}

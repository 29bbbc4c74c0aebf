//! Secrets by reference.

use std::fmt;
use std::path::PathBuf;

use secrecy::SecretString;
use serde::Deserialize;

use super::Environment;

/// Where a secret is: `env:NAME` or `file:PATH`. The secret itself is never in the configuration.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum SecretRef {
    /// In a variable of the environment.
    Env(String),
    /// In a file; white space around it does not count.
    File(PathBuf),
}

impl SecretRef {
    /// Reads the secret.
    ///
    /// # Errors
    /// One line that names the reference, never the secret.
    pub fn resolve(&self, environment: &Environment) -> Result<SecretString, String> {
        match self {
            SecretRef::Env(name) => match environment.get(name) {
                Some(value) if !value.trim().is_empty() => Ok(value.trim().into()),
                _ => Err(format!("the environment variable `{name}` is not set")),
            },
            SecretRef::File(path) => match std::fs::read_to_string(path) {
                Ok(text) if !text.trim().is_empty() => Ok(text.trim().into()),
                Ok(_) => Err(format!("the file `{}` is empty", path.display())),
                Err(error) => Err(format!("the file `{}` cannot be read: {error}", path.display())),
            },
        }
    }
}

impl TryFrom<String> for SecretRef {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("env", name)) if !name.is_empty() => Ok(Self::Env(name.into())),
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            _ => Err("a secret is written as `env:NAME` or `file:PATH`, never itself".into()),
        }
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretRef::Env(name) => write!(f, "env:{name}"),
            SecretRef::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

impl fmt::Debug for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

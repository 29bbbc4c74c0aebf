//! `[storage]`: where data live.

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{Environment, SecretRef};

/// `[storage]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StorageConfig {
    /// Datasets, documents, jobs.
    pub metadata: MetadataEngine,
    /// Full text and vectors.
    pub index: IndexEngine,
}

/// Where datasets, documents and jobs live.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum MetadataEngine {
    /// A file in the data directory.
    #[default]
    Sqlite,
    /// A PostgreSQL database.
    Postgres(PostgresAddress),
}

/// Where full text and vectors live.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum IndexEngine {
    /// Files in the data directory.
    #[default]
    Embedded,
    /// A PostgreSQL database with pgvector.
    Postgres(PostgresAddress),
}

impl StorageConfig {
    /// The database where everything lives; `None`: the data directory.
    ///
    /// # Errors
    /// In one line, when one half is here and the other there.
    pub fn postgres(&self) -> Result<Option<&PostgresAddress>, String> {
        match (&self.metadata, &self.index) {
            (MetadataEngine::Sqlite, IndexEngine::Embedded) => Ok(None),
            (MetadataEngine::Postgres(metadata), IndexEngine::Postgres(index))
                if metadata == index =>
            {
                Ok(Some(metadata))
            }
            _ => Err("`[storage]`: `metadata` and `index` are in one place: leave both out, or give both the same \
                      address of PostgreSQL"
                .into()),
        }
    }
}

impl TryFrom<String> for MetadataEngine {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "sqlite" => Ok(Self::Sqlite),
            _ => PostgresAddress::read(text, "sqlite").map(Self::Postgres),
        }
    }
}

impl TryFrom<String> for IndexEngine {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "embedded" => Ok(Self::Embedded),
            _ => PostgresAddress::read(text, "embedded").map(Self::Postgres),
        }
    }
}

/// Where PostgreSQL is: written out where it holds no password, else by reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PostgresAddress {
    /// `postgres://`, without a password.
    Plain(String),
    /// Where the address is, which may hold a password.
    Secret(SecretRef),
}

impl PostgresAddress {
    fn read(text: String, local: &str) -> Result<Self, String> {
        if !["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme)) {
            return text.try_into().map(Self::Secret).map_err(|_| {
                format!(
                    "this is `{local}`, `postgres://user@host/database`, `env:NAME` or `file:PATH`"
                )
            });
        }
        match has_password(&text) {
            false => Ok(Self::Plain(text)),
            true => {
                Err("an address with a password is a secret; write `env:NAME` or `file:PATH`"
                    .into())
            }
        }
    }

    /// The address.
    ///
    /// # Errors
    /// The secret is not there.
    pub fn resolve(&self, environment: &Environment) -> Result<SecretString, String> {
        match self {
            PostgresAddress::Plain(url) => Ok(url.as_str().into()),
            PostgresAddress::Secret(secret) => {
                let url = secret.resolve(environment)?;
                Ok(url.expose_secret().trim().into())
            }
        }
    }
}

fn has_password(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let user = rest.rsplit_once('@').map_or("", |(user, _)| user);
    user.contains(':') || url.contains("password=")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(metadata: &str, index: &str) -> Result<StorageConfig, String> {
        let text = format!("metadata = \"{metadata}\"\nindex = \"{index}\"");
        toml::from_str(&text).map_err(|error| error.to_string())
    }

    #[test]
    fn both_halves_are_in_one_place() {
        let place = |metadata, index| {
            read(metadata, index).expect("read").postgres().map(|address| address.cloned())
        };
        assert_eq!(place("sqlite", "embedded"), Ok(None));
        let url = "postgres://me@db/colloquy";
        assert_eq!(place(url, url), Ok(Some(PostgresAddress::Plain(url.into()))));
        assert!(place("env:DB", "env:DB").expect("one place").is_some());
        for (metadata, index) in [(url, "embedded"), ("sqlite", url), (url, "env:DB")] {
            assert!(place(metadata, index).is_err(), "{metadata} {index}");
        }
    }

    #[test]
    fn passwords_are_written_elsewhere() {
        for url in ["postgres://me:pw@db/x", "postgresql://db/x?user=me&password=pw"] {
            assert!(read(url, url).expect_err("a password").contains("env:NAME"));
        }
        assert!(read("mysql", "embedded").expect_err("unknown").contains("postgres://"));
    }
}

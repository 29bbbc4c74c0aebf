//! [`CacheKey`]: a request as thirty-two bytes that differ whenever its answer could.

use std::fmt;
use std::io::{self, Write};

use llm_core::Extra;
use serde::Serialize;

/// Names an answer in a [`CacheStore`](super::CacheStore). Equal keys mean equal requests to the same model on behalf of
/// the same scope; nothing of the request can be read from it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CacheKey([u8; 32]);

impl CacheKey {
    /// The key of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(blake3::hash(bytes).into())
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for CacheKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&blake3::Hash::from_bytes(self.0).to_hex())
    }
}

impl fmt::Debug for CacheKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CacheKey({self})")
    }
}

/// Takes the fields of a request one by one. Each is written with its name and its length, so that no two lists of fields
/// read the same.
#[derive(Clone)]
pub struct KeyWriter {
    hasher: blake3::Hasher,
}

impl KeyWriter {
    /// Nothing written yet.
    pub(crate) fn new() -> Self {
        Self { hasher: blake3::Hasher::new() }
    }

    /// Writes a field as JSON. Numbers that JSON cannot say (NaN) read as null, as they do for every provider.
    pub(crate) fn field(&mut self, name: &'static str, value: &(impl Serialize + ?Sized)) {
        // The JSON goes into a hasher of its own: its length is known at its end only.
        let mut json = Json::default();
        let written = serde_json::to_writer(&mut json, value);
        // Our own types serialise. Should one not, its field never equals another one's.
        let state = if written.is_ok() { "json" } else { "broken" };
        self.bytes(name, state.as_bytes());
        self.hasher.update(&json.length.to_le_bytes());
        self.hasher.update(json.hasher.finalize().as_bytes());
    }

    /// Writes a field of bytes.
    pub(crate) fn bytes(&mut self, name: &'static str, value: &[u8]) {
        for part in [name.as_bytes(), value] {
            self.hasher.update(&(part.len() as u64).to_le_bytes());
            self.hasher.update(part);
        }
    }

    /// Writes a map of fields whose order means nothing.
    pub(crate) fn extra(&mut self, name: &'static str, extra: &Extra) {
        let mut fields: Vec<_> = extra.iter().collect();
        fields.sort_by_key(|(key, _)| *key);
        self.field(name, &fields);
    }

    /// The key.
    pub(crate) fn finish(&self) -> CacheKey {
        CacheKey(self.hasher.finalize().into())
    }
}

/// Hashes the JSON as it is written.
#[derive(Default)]
struct Json {
    hasher: blake3::Hasher,
    length: u64,
}

impl Write for Json {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

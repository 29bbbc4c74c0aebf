//! [`KeySecret`]: an API key as its holder has it.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};

/// What every key begins with, so that people and secret scanners recognise one.
const PREFIX: &str = "clq_";
/// Random bytes of a key.
const BYTES: usize = 32;
/// Those bytes in base64.
const LETTERS: usize = 43;
/// How much of a key may be shown: its prefix, and eight letters to tell it from others.
const SHOWN: usize = 12;

/// An API key as its holder has it: `clq_` and 43 letters, which are 32 random bytes. `Debug` does not tell it.
#[derive(Clone)]
pub struct KeySecret(SecretString);

impl KeySecret {
    /// A new one, from the system's source of randomness.
    pub(crate) fn generate() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; BYTES];
        getrandom::fill(&mut bytes)?;
        Ok(Self(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)).into()))
    }

    /// The key that is written so; `None` for what cannot be one, which then needs no look at the store.
    pub fn parse(text: &str) -> Option<Self> {
        let letters = text.strip_prefix(PREFIX)?;
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let is_key = letters.len() == LETTERS && letters.bytes().all(is_letter);
        is_key.then(|| Self(text.to_owned().into()))
    }

    /// The whole key. Show it to whoever asked for it to be made, and nowhere else.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// The part that may be shown in lists and logs.
    pub fn shown(&self) -> &str {
        &self.expose()[..SHOWN]
    }

    /// What is kept in its place. A key is random as a whole, so a plain hash cannot be guessed back. Hashes are compared in
    /// constant time.
    pub fn hash(&self) -> blake3::Hash {
        blake3::hash(self.expose().as_bytes())
    }
}

impl fmt::Debug for KeySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeySecret([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::KeySecret;

    #[test]
    fn a_key_is_read_as_it_was_written_and_never_printed() {
        let secret = KeySecret::generate().unwrap();
        let read = KeySecret::parse(secret.expose()).unwrap();
        assert_eq!(read.hash(), secret.hash());
        assert_eq!(secret.shown().len(), 12);
        assert_eq!(format!("{secret:?}"), "KeySecret([redacted])");
        assert_ne!(KeySecret::generate().unwrap().hash(), secret.hash());
    }

    #[test]
    fn what_cannot_be_a_key_is_none() {
        let whole = KeySecret::generate().unwrap().expose().to_owned();
        let (short, long) = (whole[..46].to_owned(), format!("{whole}A"));
        let odd = format!("{}é", &whole[..45]);
        for text in ["", "clq_", "none", "sk-1234", &short, &long, &odd, &whole.to_uppercase()] {
            assert!(KeySecret::parse(text).is_none(), "{text}");
        }
    }
}

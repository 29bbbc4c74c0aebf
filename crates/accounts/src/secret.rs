//! Secrets as their holders have them: [`KeySecret`], [`SessionSecret`], [`InvitationSecret`].

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};

use crate::AccountsError;

/// Random bytes of a secret.
const BYTES: usize = 32;
/// Those bytes in base64.
const LETTERS: usize = 43;
/// How much of a secret may be shown: its prefix, and eight letters to tell it from others.
const SHOWN: usize = 12;

/// A prefix that people and secret scanners recognise, and 43 letters, which are 32 random bytes.
fn generate(prefix: &str) -> Result<SecretString, AccountsError> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).map_err(AccountsError::Random)?;
    Ok(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes)).into())
}

fn parse(prefix: &str, text: &str) -> Option<SecretString> {
    let letters = text.strip_prefix(prefix)?;
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let is_secret = letters.len() == LETTERS && letters.bytes().all(is_letter);
    is_secret.then(|| text.to_owned().into())
}

macro_rules! secret {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name(SecretString);

        impl $name {
            /// A new one, from the system's source of randomness.
            pub(crate) fn generate() -> Result<Self, AccountsError> {
                generate($prefix).map(Self)
            }

            /// The secret that is written so; `None` for what cannot be one, which then needs no look at the store.
            pub fn parse(text: &str) -> Option<Self> {
                parse($prefix, text).map(Self)
            }

            /// The whole secret. Show it to whoever asked for it to be made, and nowhere else.
            pub fn expose(&self) -> &str {
                self.0.expose_secret()
            }

            /// The part that may be shown in lists and logs.
            pub fn shown(&self) -> &str {
                &self.expose()[..SHOWN]
            }

            /// What is kept in its place. A secret is random as a whole, so a plain hash cannot be guessed back. Hashes are
            /// compared in constant time.
            pub fn hash(&self) -> blake3::Hash {
                blake3::hash(self.expose().as_bytes())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({}…)", stringify!($name), self.shown())
            }
        }
    };
}

secret!(
    /// An API key as its holder has it: `clq_…`. `Debug` shows how it begins.
    KeySecret,
    "clq_"
);
secret!(
    /// What a browser shows for the session of a person who logged in: `cls_…`. `Debug` shows how it begins.
    SessionSecret,
    "cls_"
);
secret!(
    /// What lets somebody join a tenant: `cli_…`. `Debug` shows how it begins.
    InvitationSecret,
    "cli_"
);

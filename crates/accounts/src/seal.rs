//! [`MasterKey`]: seals secrets that must be read again, as keys of providers must.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use secrecy::{ExposeSecret, SecretString};

use crate::AccountsError;

/// Bytes of a master key.
const BYTES: usize = 32;
/// The form of what is sealed: this byte, a nonce, ChaCha20 with Poly1305 of RFC 8439.
const FORM: u8 = 1;

/// Seals secrets and opens them. `Debug` does not tell it.
pub struct MasterKey(LessSafeKey);

impl MasterKey {
    /// The key that is written as the base64 of 32 bytes.
    ///
    /// # Errors
    /// A text that is none; it is not told.
    pub fn parse(text: &SecretString) -> Result<Self, AccountsError> {
        let bytes = STANDARD.decode(text.expose_secret().trim()).unwrap_or_default();
        if bytes.len() != BYTES {
            let message = "a master key is written as the base64 of 32 random bytes";
            return Err(AccountsError::Invalid(message.into()));
        }
        let key = UnboundKey::new(&CHACHA20_POLY1305, &bytes).map_err(|_| broken())?;
        Ok(Self(LessSafeKey::new(key)))
    }

    /// A new one as it is written, from the system's source of randomness.
    ///
    /// # Errors
    /// No random numbers.
    pub fn generate() -> Result<SecretString, AccountsError> {
        let mut bytes = [0; BYTES];
        getrandom::fill(&mut bytes).map_err(AccountsError::Random)?;
        Ok(STANDARD.encode(bytes).into())
    }

    /// Seals a secret for this place: it can be opened for no other.
    pub(crate) fn seal(
        &self,
        secret: &SecretString,
        place: &str,
    ) -> Result<Vec<u8>, AccountsError> {
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).map_err(AccountsError::Random)?;
        let mut text = secret.expose_secret().as_bytes().to_vec();
        self.0
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(place.as_bytes()),
                &mut text,
            )
            .map_err(|_| broken())?;
        Ok([&[FORM], &nonce[..], &text].concat())
    }

    /// Opens what was sealed for this place.
    ///
    /// # Errors
    /// What was sealed with another key, for another place, or has been changed since.
    pub(crate) fn open(&self, sealed: &[u8], place: &str) -> Result<SecretString, AccountsError> {
        let other_key = || AccountsError::Sealed(place.to_owned());
        let rest = sealed.strip_prefix(&[FORM]).ok_or_else(other_key)?;
        let (nonce, text) = rest.split_at_checked(NONCE_LEN).ok_or_else(other_key)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| other_key())?;
        let mut text = text.to_vec();
        let opened = self.0.open_in_place(nonce, Aad::from(place.as_bytes()), &mut text);
        let opened = std::str::from_utf8(opened.map_err(|_| other_key())?);
        Ok(opened.map_err(|_| other_key())?.to_owned().into())
    }
}

fn broken() -> AccountsError {
    AccountsError::Invalid("the secret cannot be sealed".into())
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey")
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::MasterKey;

    fn key() -> MasterKey {
        MasterKey::parse(&MasterKey::generate().unwrap()).unwrap()
    }

    #[test]
    fn only_its_key_opens_a_secret_and_only_in_its_place() {
        let key = key();
        let sealed = key.seal(&"sk-secret".into(), "acme/openai").unwrap();
        assert!(!sealed.windows(9).any(|window| window == b"sk-secret"));
        assert_eq!(key.open(&sealed, "acme/openai").unwrap().expose_secret(), "sk-secret");
        assert!(key.open(&sealed, "evil/openai").is_err());
        assert!(self::key().open(&sealed, "acme/openai").is_err());
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert!(key.open(&changed, "acme/openai").is_err(), "byte {place}");
        }
        assert!(key.open(&sealed[..8], "acme/openai").is_err());
        assert_ne!(sealed, key.seal(&"sk-secret".into(), "acme/openai").unwrap());
    }

    #[test]
    fn a_master_key_has_its_length() {
        for text in ["", "c2hvcnQ=", "not base64!"] {
            assert!(MasterKey::parse(&text.to_owned().into()).is_err(), "{text}");
        }
    }
}

//! Passwords: kept as argon2id hashes.

use std::sync::LazyLock;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use secrecy::{ExposeSecret, SecretString};

use crate::AccountsError;

/// Characters of a password, at least: what [NIST SP 800-63B](https://pages.nist.gov/800-63-3/sp800-63b.html) asks for.
const LEAST: usize = 8;
/// Bytes of a password, at most: what is hashed is bounded.
const MOST: usize = 1024;

/// What is verified in place of a hash that is not there, so that the time taken does not tell who has an account.
static NOBODY: LazyLock<String> =
    LazyLock::new(|| hash(&"a password of nobody".into()).unwrap_or_default());

/// What is kept of a password. Computes for some 20 ms in 19 MiB.
///
/// # Errors
/// A password that is too short or too long; no random numbers.
pub(crate) fn hash(password: &SecretString) -> Result<String, AccountsError> {
    let text = password.expose_secret();
    if text.chars().count() < LEAST || text.len() > MOST {
        let message =
            format!("a password has {LEAST} characters at least and {MOST} bytes at most");
        return Err(AccountsError::Invalid(message));
    }
    let hashed = Argon2::default().hash_password(text.as_bytes());
    let hashed = hashed.map_err(|error| AccountsError::Invalid(error.to_string()))?;
    Ok(hashed.to_string())
}

/// Whether this is the password that was hashed. Takes as long where there is no hash.
pub(crate) fn is_right(password: &SecretString, hash: Option<&str>) -> bool {
    let text = password.expose_secret();
    let kept = hash.unwrap_or(&NOBODY);
    let Ok(parsed) = PasswordHash::new(kept) else { return false };
    let matches =
        text.len() <= MOST && Argon2::default().verify_password(text.as_bytes(), &parsed).is_ok();
    matches && hash.is_some()
}

#[cfg(test)]
mod tests {
    use super::{hash, is_right};

    #[test]
    fn only_the_password_is_right() {
        let kept = hash(&"correct horse".into()).unwrap();
        assert!(kept.starts_with("$argon2id$"), "{kept}");
        assert!(is_right(&"correct horse".into(), Some(&kept)));
        assert!(!is_right(&"wrong horse".into(), Some(&kept)));
        assert!(!is_right(&"correct horse".into(), Some("damaged")));
        assert!(!is_right(&"a password of nobody".into(), None));
        assert_ne!(kept, hash(&"correct horse".into()).unwrap());
    }

    #[test]
    fn passwords_have_bounds() {
        assert!(hash(&"1234567".into()).is_err());
        assert!(hash(&"x".repeat(1025).into()).is_err());
        assert!(hash(&"ünicöde!".into()).is_ok());
    }
}

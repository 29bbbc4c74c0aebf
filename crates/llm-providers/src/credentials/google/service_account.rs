//! [`ServiceAccount`]: tokens for the key of a service account (RFC 7523, with RS256).

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::FutureExt;
use futures::future::BoxFuture;
use llm_core::ErrorKind;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use secrecy::SecretString;
use serde_json::json;

use super::{CredentialsError, SCOPE, TOKEN_SERVER, parse, text, token_server};
use crate::credentials::exchange::TokenServer;
use crate::credentials::{AccessToken, TokenError, TokenSource};
use crate::transport::{BuildError, TransportOptions};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// How long an assertion counts; Google takes no more than an hour.
const LIFE_SECONDS: u64 = 3600;

/// A service account whose key is at hand. Cheap to clone.
#[derive(Clone)]
pub struct ServiceAccount {
    account: Arc<Account>,
    server: TokenServer,
}

struct Account {
    email: String,
    key_id: Option<String>,
    key: RsaKeyPair,
    /// Who the assertion is for: the token server, by the name that the file gives it.
    audience: String,
    project: Option<String>,
}

impl ServiceAccount {
    /// Reads a key file (`"type": "service_account"`).
    ///
    /// # Errors
    /// When a field is missing, the key cannot be read, or the token server is none of Google's.
    pub fn from_json(json: &SecretString) -> Result<Self, CredentialsError> {
        let fields = parse(json)?;
        let uri = fields.get("token_uri").and_then(|uri| uri.as_str());
        let account = Account {
            email: text(&fields, "client_email")?,
            key_id: text(&fields, "private_key_id").ok(),
            key: read_key(&text(&fields, "private_key")?)?,
            audience: uri.unwrap_or(TOKEN_SERVER).to_owned(),
            project: text(&fields, "project_id").ok(),
        };
        Ok(Self { account: Arc::new(account), server: token_server(uri)? })
    }

    /// Sends assertions to another address (a private endpoint, a test). They stay meant for the server that the file
    /// names.
    ///
    /// # Errors
    /// When that is no address of HTTP.
    pub fn token_server(mut self, uri: &str) -> Result<Self, BuildError> {
        self.server = TokenServer::at(uri)?;
        Ok(self)
    }

    /// Reaches the token server as a provider's own transport does: through its proxy, trusting its authorities, at the
    /// addresses that it may reach.
    ///
    /// # Errors
    /// When the proxy or TLS is not in order, or the server is at an address that may not be reached.
    pub fn transport(mut self, options: &TransportOptions) -> Result<Self, BuildError> {
        self.server = self.server.reached_by(options)?;
        Ok(self)
    }

    /// The project that the account belongs to, as the file says.
    pub fn project(&self) -> Option<&str> {
        self.account.project.as_deref()
    }
}

impl fmt::Debug for ServiceAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceAccount").field("email", &self.account.email).finish_non_exhaustive()
    }
}

impl TokenSource for ServiceAccount {
    fn token(&self) -> BoxFuture<'static, Result<AccessToken, TokenError>> {
        let Self { account, server } = self.clone();
        async move {
            // Signing takes about a millisecond, too long for a thread that serves others.
            let signing =
                tokio::task::spawn_blocking(move || assertion(&account, SystemTime::now()));
            let signed = signing.await.map_err(|_| failed("signing was cancelled"))??;
            server.exchange(&[("grant_type", GRANT), ("assertion", &signed)]).await
        }
        .boxed()
    }
}

/// A signed statement of who asks, for what, and until when.
fn assertion(account: &Account, now: SystemTime) -> Result<String, TokenError> {
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut header = json!({ "alg": "RS256", "typ": "JWT" });
    if let Some(key_id) = &account.key_id {
        header["kid"] = key_id.as_str().into();
    }
    let claims = json!({
        "iss": account.email,
        "sub": account.email,
        "scope": SCOPE,
        "aud": account.audience,
        "iat": now,
        "exp": now + LIFE_SECONDS,
    });
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let signed = format!(
        "{}.{}",
        encode(header.to_string().as_bytes()),
        encode(claims.to_string().as_bytes())
    );
    let mut signature = vec![0; account.key.public().modulus_len()];
    account
        .key
        .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
        .map_err(|_| failed("the assertion could not be signed"))?;
    Ok(format!("{signed}.{}", encode(&signature)))
}

fn failed(message: &str) -> TokenError {
    TokenError::new(ErrorKind::Internal, message)
}

fn read_key(pem: &str) -> Result<RsaKeyPair, CredentialsError> {
    let error = |reason: String| CredentialsError::PrivateKey { reason };
    let key = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes())
        .map_err(|_| error("it is no PKCS#8 key in PEM".to_owned()))?;
    RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).map_err(|rejected| error(rejected.to_string()))
}

#[cfg(test)]
mod tests {
    use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
    use serde_json::Value;

    use super::*;

    /// Made for this test with `openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048`; it opens nothing.
    const KEY: &str = include_str!("../../../tests/fixtures/service-account.key.pem");

    fn file(change: impl FnOnce(&mut Value)) -> SecretString {
        let mut file = json!({
            "type": "service_account",
            "project_id": "p",
            "private_key_id": "k1",
            "private_key": KEY,
            "client_email": "robot@p.iam.gserviceaccount.com",
            "token_uri": "https://oauth2.googleapis.com/token",
        });
        change(&mut file);
        file.to_string().into()
    }

    #[test]
    fn assertions_say_who_asks_and_are_signed() {
        let account = ServiceAccount::from_json(&file(|_| {})).unwrap();
        let now = UNIX_EPOCH + std::time::Duration::from_secs(1000);
        let token = assertion(&account.account, now).unwrap();
        let parts: Vec<&str> = token.split('.').collect();
        let [header, claims, signature] = parts[..] else { panic!("{token}") };
        let read = |part: &str| -> Value {
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
        };
        assert_eq!(read(header), json!({ "alg": "RS256", "typ": "JWT", "kid": "k1" }));
        assert_eq!(
            read(claims),
            json!({
                "iss": "robot@p.iam.gserviceaccount.com",
                "sub": "robot@p.iam.gserviceaccount.com",
                "scope": SCOPE,
                "aud": "https://oauth2.googleapis.com/token",
                "iat": 1000,
                "exp": 4600,
            })
        );
        let public = account.account.key.public().as_ref().to_vec();
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public)
            .verify(
                format!("{header}.{claims}").as_bytes(),
                &URL_SAFE_NO_PAD.decode(signature).unwrap(),
            )
            .unwrap();
    }

    #[test]
    fn files_that_are_not_in_order_are_refused() {
        let error = |json: SecretString| ServiceAccount::from_json(&json).unwrap_err().to_string();
        let missing = file(|file| drop(file.as_object_mut().unwrap().remove("client_email")));
        assert!(error(missing).contains("client_email"));
        let broken = file(|file| file["private_key"] = "-----BEGIN secret".into());
        let message = error(broken);
        assert!(message.contains("PKCS#8") && !message.contains("secret"), "{message}");
        let elsewhere = file(|file| file["token_uri"] = "https://evil.example/token".into());
        assert!(error(elsewhere).contains("evil.example"));
        assert!(error("[]".into()).contains("JSON"));
    }

    #[test]
    fn nothing_shows_the_key() {
        let account = ServiceAccount::from_json(&file(|_| {})).unwrap();
        assert!(!format!("{account:?}").contains("PRIVATE"));
    }
}

//! Who may use a server: the API keys of tenants.
//!
//! A key is shown once, when it is made, and kept as a hash. [`KeyStore`] keeps keys in a SQLite file of their own, which
//! several processes may have open at once, so that a command can make and revoke keys while a server runs. Its methods
//! block for as long as the disk takes; call them on threads that may.
//!
//! ```
//! use accounts::{KeyRequest, KeyStore};
//! use rag_core::TenantId;
//!
//! # let directory = tempfile::tempdir()?;
//! # let file = directory.path().join("accounts.sqlite");
//! let store = KeyStore::open(&file)?;
//! let (key, secret) = store.create(&KeyRequest::new(TenantId::local(), "laptop"))?;
//! assert_eq!(store.verify(&secret)?.map(|known| known.id), Some(key.id.clone()));
//!
//! store.revoke(&TenantId::local(), &key.id)?;
//! assert!(store.verify(&secret)?.is_none());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod key;
mod key_store;
mod secret;

pub use key::{ApiKey, KeyRequest, KeyStatus};
pub use key_store::{AccountsError, KeyStore};
pub use secret::KeySecret;

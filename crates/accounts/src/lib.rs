//! Who may use a server: the API keys of tenants, the people who belong to them, and the providers of models that they bring.
//!
//! Keys, sessions and invitations are secrets that are shown once, when they are made, and kept as hashes; passwords are
//! kept as argon2id hashes. [`AccountStore`] keeps all in a SQLite file of its own, which several processes may have open at
//! once, so that a command can make and revoke keys while a server runs. Its methods block for as long as the disk takes,
//! and those with passwords compute; call them on threads that may.
//!
//! ```
//! use accounts::{AccountStore, KeyRequest, Role};
//! use rag_core::TenantId;
//!
//! # let directory = tempfile::tempdir()?;
//! # let file = directory.path().join("accounts.sqlite");
//! let store = AccountStore::open(&file)?;
//! let tenant = TenantId::local();
//! let (key, secret) = store.create_key(&KeyRequest::new(tenant.clone(), "laptop"))?;
//! assert_eq!(store.verify_key(&secret)?.map(|known| known.id), Some(key.id.clone()));
//! store.revoke_key(&tenant, &key.id)?;
//! assert!(store.verify_key(&secret)?.is_none());
//!
//! let (_, invitation) = store.invite(&tenant, "Ada@example.com", Role::Admin)?;
//! let (ada, _) = store.join(&invitation, "Ada", &"correct horse".into())?;
//! let known = store.log_in("ada@example.com", &"correct horse".into())?;
//! assert_eq!(known, ada);
//! let (session, secret) = store.begin_session(&ada.id, &tenant)?.expect("she belongs there");
//! assert_eq!(store.session(&secret)?, Some(session));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod account_store;
mod error;
mod invitations;
mod key;
mod keys;
mod password;
mod people;
mod providers;
mod role;
mod seal;
mod secret;
mod sessions;

pub use account_store::AccountStore;
pub use error::AccountsError;
pub use invitations::Invitation;
pub use key::{ApiKey, KeyRequest, KeyScope, KeyStatus};
pub use people::{Member, Membership, Person};
pub use providers::{KeyChange, OwnProvider, OwnProviderSettings};
pub use role::{Role, UnknownRole};
pub use seal::MasterKey;
pub use secret::{InvitationSecret, KeySecret, SessionSecret};
pub use sessions::Session;

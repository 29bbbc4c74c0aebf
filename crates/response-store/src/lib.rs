//! Answers that callers may go on from by their id, as OpenAI's Responses API has it, in a SQLite file of their own.
//!
//! What a response says is the caller's of this crate: it keeps two texts, the input and the body. Each belongs to a tenant,
//! and is there for nobody else. All calls block.
//!
//! ```
//! use rag_core::TenantId;
//! use response_store::{Bounds, ResponseStore, StoredResponse, Whose};
//!
//! let folder = tempfile::tempdir()?;
//! let store = ResponseStore::open(&folder.path().join("responses.sqlite"), Bounds::default())?;
//! let tenant = TenantId::local();
//! let response = |id: &str, previous: Option<&str>| StoredResponse {
//!     id: id.into(),
//!     made_by: None,
//!     previous: previous.map(str::to_owned),
//!     input: "[]".into(),
//!     body: "{}".into(),
//! };
//! store.keep(&tenant, &response("resp_1", None))?;
//! store.keep(&tenant, &response("resp_2", Some("resp_1")))?;
//! let conversation = store.conversation(&Whose::from(tenant), "resp_2")?.unwrap();
//! assert_eq!(conversation[0].id, "resp_1");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;
mod store;
mod sweep;

pub use error::ResponseStoreError;
pub use store::{ResponseStore, StoredResponse, Whose};
pub use sweep::Bounds;

//! The store of several machines: PostgreSQL with pgvector behind the same traits as the embedded one.
//!
//! [`PostgresStore`] keeps datasets, documents, jobs, chunks, conversations and artifacts in one database that any number
//! of processes share. Full text is PostgreSQL's own index over terms that [`rag_terms`] cuts, ranked by BM25; vectors
//! are pgvector's. Each document changes in one transaction, so all processes find it whole.
//!
//! ```no_run
//! use rag_core::{DatasetSettings, EmbeddingIdentity, MetadataStore, TenantId};
//! use rag_postgres::{PostgresOptions, PostgresStore};
//!
//! let store = PostgresStore::open(PostgresOptions::new("postgres://colloquy:secret@db.example.com/colloquy"))?;
//! let embedding = EmbeddingIdentity { model: "local/static".into(), dimensions: 256, ..Default::default() };
//! let settings = DatasetSettings::default();
//! let dataset = store.ensure_dataset(&TenantId::local(), "shelf", &embedding, &settings)?;
//! # Ok::<(), rag_core::StoreError>(())
//! ```

mod artifacts;
mod chores;
mod chunk_writes;
mod chunks;
mod claims;
mod completion;
mod connection;
mod connector;
mod conversation_store;
mod conversations;
mod datasets;
mod documents;
mod driver;
mod failure;
mod fields;
mod filter_sql;
mod garbage;
mod graph;
mod jobs;
mod lexemes;
mod metadata_store;
mod options;
mod pg_vector;
mod pool;
mod reembedding;
mod reembedding_store;
mod replicas;
mod schema;
mod scope;
mod search;
mod statistics;
mod store;
mod text_search;
mod tls;
mod vector_search;

pub use options::PostgresOptions;
pub use store::PostgresStore;

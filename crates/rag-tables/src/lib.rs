//! The tables of documents as a database that is asked in SQL.
//!
//! Datasets whose documents are cut row by row ([`ChunkMethod::Table`](rag_core::ChunkMethod)) have one chunk for each
//! row, with the table's header as its context. [`TableShelf`] puts these together again, tables of the same columns as
//! one, and keeps the databases that were asked last. [`Database::query`] takes SQL of anybody, a model for instance: one
//! `SELECT`, over these tables and nothing else, within bounds of time and size.
//!
//! Everything here is synchronous and computes: run it on threads made for that.
//!
//! ```
//! use rag_tables::{Database, Table};
//!
//! let rows = [["green", "80"], ["black", "95"]];
//! let table = Table::new("teas", ["tea", "degrees"], rows);
//! let database = Database::new(vec![table])?;
//! let answer = database.query("SELECT tea FROM teas WHERE degrees > 90")?;
//! assert_eq!(answer.to_markdown(), "| tea |\n| --- |\n| black |");
//! # Ok::<_, rag_tables::TableError>(())
//! ```

mod answer;
mod database;
mod error;
mod shelf;
mod table;

pub use answer::Answer;
pub use database::Database;
pub use error::TableError;
pub use shelf::TableShelf;
pub use table::Table;

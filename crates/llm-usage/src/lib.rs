//! Usage records, kept in SQLite.

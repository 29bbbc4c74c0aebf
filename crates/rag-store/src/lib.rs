//! The embedded store: SQLite as the truth, full text and vector indexes derived from it.

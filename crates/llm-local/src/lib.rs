//! Local, synchronous models that need no download.
pub mod static_table;
pub mod word_piece;

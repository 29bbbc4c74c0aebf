//! The steps of a document, one file each: values in, values out.

mod chunk;
mod describe;
mod embed;
mod enrich;
mod index;
mod parse;
mod read;

pub(crate) use chunk::chunk;
pub(crate) use describe::describe;
pub(crate) use embed::{Embedding, embedding, make_vectors, make_vectors_now};
pub(crate) use enrich::{enrich, summarise};
pub(crate) use index::{Finding, index};
pub(crate) use parse::parse;
pub(crate) use read::read;

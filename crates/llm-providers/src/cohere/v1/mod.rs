//! Version 1 of the API: chat with a message, its history and a preamble, and `generate`, which goes on with a prompt.

mod decoder;
mod generate;
mod history;
mod parse;
mod request;
mod tools;
mod wire;

pub use decoder::ChatDecoder;
#[cfg(feature = "bedrock")]
pub(crate) use generate::plain_text;
pub use generate::{parse_generate, render_generate};
pub use parse::parse_request;
pub use request::render_request;

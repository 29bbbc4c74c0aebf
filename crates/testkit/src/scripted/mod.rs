//! Models that answer by a script, for tests of whatever calls models. Each has a synchronous twin that follows the same
//! script; all keep what was asked and on which thread.

mod chat;
mod embedding;
mod log;
mod rerank;
mod script;

pub use chat::{ScriptedChat, SyncScriptedChat};
pub use embedding::{ScriptedEmbedding, SyncScriptedEmbedding, vector_of};
pub use log::CallLog;
pub use rerank::{ScriptedRerank, SyncScriptedRerank, overlap};
pub use script::{Failure, Script, Step};

//! Parts for tests of programs that talk to language models, real where a real part can run:
//!
//! - [`FakeUpstream`]: an HTTP server that speaks the OpenAI dialect, with latency and faults on demand; it records
//!   requests and notices when a client leaves.
//! - [`unreachable`](mod@unreachable): addresses where no connection can be made.
//! - [`ReplayServer`]: serves recorded exchanges ([`Exchange`]) over HTTP, cut into network chunks at will.
//! - [`scripted`]: models, asynchronous and synchronous, that answer by a script.
//! - [`RedisServer`], [`PostgresServer`]: a real Redis, a real PostgreSQL with pgvector, of a test's own.
//! - [`cache_suite`]: what every store of the cache must do.
//! - [`conversation_suite`]: what every store of conversations must do.
//! - [`limit_suite`]: what every store of limits must do.
//! - [`store_suite`]: what every store must do, whatever its engine.
//! - [`SearchCorpus`]: chunks to measure searches over.
//! - [`Numbers`], [`spell`]: numbers and words that are made up, the same each time.
//! - [`conformance`]: compares what a client made of a recorded exchange with what an independent reader made of it.
//!
//! ```
//! use futures::executor::block_on;
//! use llm_core::{ChatModel, ChatRequest, ChatResponse, Message};
//! use testkit::scripted::{Script, ScriptedChat};
//!
//! let model = ScriptedChat::new(Script::text("to be or not to be"));
//! let reply = block_on(model.chat(ChatRequest::new(vec![Message::user("what is the question?")])))?;
//! assert_eq!(block_on(ChatResponse::collect(reply))?.text(), "to be or not to be");
//! assert_eq!(model.requests()[0].messages[0].text(), "what is the question?");
//! # Ok::<(), llm_core::ModelError>(())
//! ```

pub mod cache_suite;
pub mod conformance;
pub mod conversation_suite;
mod fake_upstream;
pub mod limit_suite;
mod made_up;
mod postgres;
mod redis;
mod replay;
pub mod scripted;
pub mod search_corpus;
pub mod store_suite;
pub mod unreachable;

pub use fake_upstream::{Behaviour, FakeUpstream, SeenRequest, StreamEnd};
pub use llm_replay::{
    Chunking, Exchange, ExchangeError, Expectation, ExpectedCall, FormPart, RecordedRequest,
    RecordedResponse, read_form, split,
};
pub use made_up::{Numbers, spell};
pub use postgres::PostgresServer;
pub use redis::RedisServer;
pub use replay::ReplayServer;
pub use search_corpus::SearchCorpus;

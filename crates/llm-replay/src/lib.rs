//! Records what passes between a program and its model providers, without the secrets, and answers from the recordings:
//! the same conversation again, without a provider, a key or a network.
//!
//! - [`Recorder`]: a reverse proxy. A program's client is pointed at it instead of at the provider; every exchange becomes
//!   one JSON file ([`Exchange`]), with the secrets taken out by a [`Scrubber`].
//! - [`Replayer`]: a server that answers from a folder of such files ([`Recordings`]).
//! - [`LocalServer`], [`response`], [`split`]: what both, and test servers like them, are made of.
//!
//! Neither knows any provider: both work for whatever speaks HTTP, and tell wire formats apart only to label files.
//!
//! ```
//! use llm_replay::{Exchange, Recordings, Replayer};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let exchange: Exchange = serde_json::from_str(r#"{
//!     "id": "example-1", "provider": "example", "dialect": "example", "wire": "openai-models", "kind": "models",
//!     "request": { "method": "GET", "url": "https://api.example.com/v1/models" },
//!     "response": { "status": 200, "framing": "json", "body": "{\"data\":[]}" }
//! }"#)?;
//! let replayer = Replayer::start(Recordings::from(vec![exchange])).await?;
//! assert!(replayer.origin("example").starts_with("http://127.0.0.1:"));
//! assert_eq!(replayer.providers()[0].base_path, "/v1");
//! # Ok::<_, Box<dyn std::error::Error>>(()) })?;
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```

mod address;
mod difference;
mod exchange;
mod form;
mod recorder;
mod recordings;
mod replayer;
mod response;
mod scrub;
mod server;
mod split;
mod wire;

pub use exchange::{
    Exchange, ExchangeError, Expectation, ExpectedCall, RecordedRequest, RecordedResponse,
};
pub use form::{FormPart, read_form};
pub use recorder::{RecordError, Recorder, RecorderLimits};
pub use recordings::{RecordedProvider, Recordings};
pub use replayer::{ReplayOptions, Replayer};
pub use response::{Chunking, Pace, response};
pub use scrub::Scrubber;
pub use server::LocalServer;
pub use split::split;

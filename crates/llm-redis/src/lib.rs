//! What replicas share through Redis or Valkey: limits, budgets and the cache.
//!
//! Redis is a help, never a condition: a question to it takes no longer than a short timeout, and while it does not
//! answer it is asked about once a second ([`RedisConnection`]). What happens then is decided by who asked.

mod cache;
mod connection;
mod limits;

pub use cache::RedisCache;
pub use connection::{RedisConnection, RedisOptions, Unavailable};
pub use limits::{RedisLimits, RedisLimitsOptions};

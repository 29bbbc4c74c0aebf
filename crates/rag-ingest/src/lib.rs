//! The durable ingestion pipeline: parse, chunk, embed, index.

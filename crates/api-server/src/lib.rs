//! The Colloquy server: ingests documents, retrieves, and streams cited answers over any provider.

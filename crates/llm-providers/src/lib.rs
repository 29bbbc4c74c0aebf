//! Natively async clients for language model providers.

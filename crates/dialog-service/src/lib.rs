//! The RAG turn as one async generator.

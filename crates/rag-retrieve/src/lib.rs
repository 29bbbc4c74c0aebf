//! Hybrid retrieval: full text and vectors, fused by calibrated weights.

//! How much vectors count against full text, by embedding model.

/// The weight of vectors (0 to 1) in fusion for this embedding model, named `provider/model`. Chosen by measurement,
/// see docs/evidence/retrieval.md: a static table must not pull the hybrid below full text, a trained encoder earns
/// half.
pub fn default_vector_weight(model: &str) -> f32 {
    match model {
        "local/static" => 0.3,
        _ => 0.5,
    }
}

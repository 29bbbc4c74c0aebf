//! What every embedding reply must be: one vector for each input, in their order, finite and of one length. Pure.

use llm_core::{ErrorKind, ModelError, Operation};

/// Puts vectors that came in any order into the order of their inputs. Those without an index count as in order.
///
/// # Errors
/// `Malformed` unless there is exactly one for each of `count` inputs.
pub(crate) fn in_order<V>(
    vectors: impl IntoIterator<Item = (Option<usize>, V)>,
    count: usize,
) -> Result<Vec<V>, ModelError> {
    let mut places: Vec<Option<V>> = Vec::new();
    places.resize_with(count, || None);
    let mut found = 0;
    for (position, (index, vector)) in vectors.into_iter().enumerate() {
        let index = index.unwrap_or(position);
        found += 1;
        match places.get_mut(index) {
            Some(place @ None) => *place = Some(vector),
            _ => {
                let problem = "came twice or for nothing";
                return Err(malformed(format!("the vector of input {index} {problem}")));
            }
        }
    }
    if found != count {
        return Err(malformed(format!("{found} vectors came for {count} inputs")));
    }
    Ok(places.into_iter().flatten().collect())
}

/// The numbers if all of them are finite.
///
/// # Errors
/// `Malformed` otherwise.
pub(crate) fn finite(numbers: Vec<f32>) -> Result<Vec<f32>, ModelError> {
    if numbers.iter().all(|number| number.is_finite()) {
        Ok(numbers)
    } else {
        Err(malformed("a vector holds numbers that are not finite"))
    }
}

/// Checks that all vectors have `dimensions`, or at least the same length.
///
/// # Errors
/// `Malformed` otherwise.
pub(crate) fn check_lengths(
    vectors: &[Vec<f32>],
    dimensions: Option<u32>,
) -> Result<(), ModelError> {
    let Some(first) = vectors.first() else {
        return Ok(());
    };
    let wanted = dimensions.map_or(first.len(), |dimensions| dimensions as usize);
    match vectors.iter().find(|vector| vector.is_empty() || vector.len() != wanted) {
        Some(vector) => Err(malformed(format!(
            "a vector has {} dimensions where {wanted} were expected",
            vector.len()
        ))),
        None => Ok(()),
    }
}

/// A reply that cannot be read.
pub(crate) fn malformed(message: impl Into<String>) -> ModelError {
    ModelError::new(ErrorKind::Malformed, Operation::Embed, message)
}
